"""HTTP servers: requests a second, latency, CPU a request and memory, against named peers."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import pathlib
import statistics
import sys
import time

# At the end: this folder's parent has names that must not hide the standard library's.
sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))

import _load
import _peers
import _plot
import _processes
import _report as report
import _running
import _servers

TEXT = "Hello, World!"
JSON = '{"message": "Hello, World!"}'


@dataclasses.dataclass(frozen=True)
class Case:
    """A question to all servers: what is asked for, on how many connections, how deep."""

    name: str
    path: str
    body: str
    connections: int
    depth: int
    ceiling_goal: float | None  # CPU a request, at most so many times the ceiling's
    peer_goal: float  # and so many times the best peer's


def cases(connections: list[int]) -> list[Case]:
    plain = [Case(f"plaintext {n}", "/", TEXT, n, 1, 1.1, 0.75) for n in connections]
    json = [Case(f"json {n}", "/json", JSON, n, 1, None, 0.85) for n in connections]
    few = connections[0]
    return [
        *plain,
        Case("plaintext pipelined 16", "/", TEXT, few, 16, 1.2, 0.75),
        *json,
        Case("json pipelined 16", "/json", JSON, few, 16, None, 0.85),
    ]


Samples = dict[str, dict[str, list[_load.Measurement]]]  # by case, by server


class Run:
    """One run: what was measured, and which servers could not be, with the reason."""

    def __init__(self, servers: list[_servers.Server], arguments: argparse.Namespace) -> None:
        self.servers = servers
        self.arguments = arguments
        self.failed: dict[str, str] = {}
        self.memory: dict[str, float] = {}
        self.processes: dict[str, int] = {}
        self.idle: dict[str, float] = {}  # CPU time with no request, percent of a core
        self.samples: Samples = {}

    def fail(self, server: _servers.Server, error: Exception) -> None:
        self.failed[server.name] = str(error)
        print(f"\r{server.name}: {error}\033[K", file=sys.stderr)

    def warm(self, running: _running.Running, asked: list[Case], seconds: float) -> None:
        for case in {case.path: case for case in asked}.values():
            _load.run(running, "closed", path=case.path, body=case.body, seconds=seconds)

    def measure_memory(self, asked: list[Case]) -> None:
        """Each server on its own, with so many workers as asked for, after some load."""
        for server in self.servers:
            try:
                with _running.Running(server, self.arguments.memory_workers) as running:
                    self.warm(running, asked, 0.7)
                    pids = running.pids()
                    self.memory[server.name] = _processes.memory_mib(pids)
                    self.processes[server.name] = len(pids)
                    before = _processes.CpuTime.of(pids)
                    time.sleep(1)
                    used = _processes.CpuTime.of(pids).since(before)
                    self.idle[server.name] = used * 100
            except (_running.ServerError, OSError, RuntimeError) as error:
                self.fail(server, error)

    def measure_load(self, asked: list[Case]) -> None:
        """All servers up, frozen but for the one under load; rounds over cases and servers."""
        with contextlib.ExitStack() as stack:
            running: dict[str, _running.Running] = {}
            for server in self.servers:
                if server.name in self.failed:
                    continue
                try:
                    one = stack.enter_context(_running.Running(server, None))
                    self.warm(one, asked, 0.5)
                    one.freeze()
                    running[server.name] = one
                except (_running.ServerError, OSError, RuntimeError) as error:
                    self.fail(server, error)
            for turn in range(self.arguments.rounds):
                for case in asked:
                    self.measure_case(case, list(running.values()), turn)

    def measure_case(self, case: Case, running: list[_running.Running], turn: int) -> None:
        total = self.arguments.rounds
        report.progress(f"round {turn + 1} of {total}: {case.name}")
        first = turn % max(1, len(running))
        for one in running[first:] + running[:first]:
            if one.server.name in self.failed:
                continue
            one.thaw()
            try:
                found = _load.run(
                    one,
                    "closed",
                    path=case.path,
                    body=case.body,
                    connections=case.connections,
                    depth=case.depth,
                    seconds=self.arguments.seconds,
                )
            except _running.ServerError as error:
                self.fail(one.server, error)
                continue
            one.freeze()
            self.samples.setdefault(case.name, {}).setdefault(one.server.name, []).append(found)


def median(samples: list[_load.Measurement], field: str) -> float:
    return float(statistics.median(getattr(sample, field) for sample in samples))


def summarize(run: Run, asked: list[Case]) -> dict[str, dict[str, dict[str, float]]]:
    """Medians over the rounds, by case and server, with the ratios of CPU a request."""
    kinds = {server.name: server.kind for server in run.servers}
    result: dict[str, dict[str, dict[str, float]]] = {}
    for case in asked:
        rows = {}
        for name, samples in run.samples.get(case.name, {}).items():
            rows[name] = {
                field: median(samples, field) for field in ("rate", "p50_us", "p99_us", "cpu_us")
            }
            rows[name]["errors"] = sum(sample.errors for sample in samples)
        ceiling = [row["cpu_us"] for name, row in rows.items() if kinds[name] == "ceiling"]
        peers = [row["cpu_us"] for name, row in rows.items() if kinds[name] == "peer"]
        for row in rows.values():
            if ceiling:
                row["times_ceiling"] = row["cpu_us"] / ceiling[0]
            if peers:
                row["times_best_peer"] = row["cpu_us"] / min(peers)
        result[case.name] = rows
    return result


def print_tables(run: Run, result: dict[str, dict[str, dict[str, float]]]) -> None:
    headers = ["server", "requests/s", "p50 µs", "p99 µs", "CPU µs/request", "÷ ceiling",
               "÷ best peer", "errors"]  # fmt: skip
    fields = ["rate", "p50_us", "p99_us", "cpu_us", "times_ceiling", "times_best_peer"]
    for case, rows in result.items():
        ordered = sorted(rows.items(), key=lambda item: item[1]["cpu_us"])
        lines = [
            [name, *(row.get(field) for field in fields), int(row["errors"])]
            for name, row in ordered
        ]
        report.table(headers, lines, case)
    if run.memory:
        report.table(
            ["server", "processes", "MiB (PSS)", "idle: % of a core"],
            [
                [name, run.processes[name], value, run.idle[name]]
                for name, value in sorted(run.memory.items(), key=lambda item: item[1])
            ],
            f"memory with {run.arguments.memory_workers} workers, after load",
        )
    if run.failed:
        report.table(["server", "why not measured"], list(run.failed.items()), "not measured")


def goals(run: Run, asked: list[Case], result: dict[str, dict[str, dict[str, float]]]) -> None:
    """What was to be reached, and whether it was."""
    lines: list[list[object]] = []

    def goal(text: str, value: float, limit: float) -> None:
        lines.append([text, value, limit, "met" if value <= limit else "missed"])

    kinds = {server.name: server.kind for server in run.servers}
    for case in asked:
        rows = result[case.name]
        ours = rows.get("allcores")
        peers = {name: row for name, row in rows.items() if kinds[name] == "peer"}
        for kind, of_handler, of_peer in (("wsgi", 1.25, 1.0), ("asgi", 1.8, 0.5)):
            row = rows.get(f"allcores {kind}")
            alike = [
                each["cpu_us"]
                for name, each in peers.items()
                if name.endswith(kind) or (kind == "asgi" and name == "uvicorn")
            ]
            upper = kind.upper()
            if row and ours and case.depth == 1:
                measured = row["cpu_us"] / ours["cpu_us"]
                goal(f"{case.name}: CPU of {upper}, ÷ a handler's", measured, of_handler)
            if row and alike:
                measured = row["cpu_us"] / min(alike)
                goal(f"{case.name}: CPU of {upper}, ÷ best {upper} peer", measured, of_peer)
        if ours is None:
            continue
        if case.ceiling_goal and "times_ceiling" in ours:
            goal(f"{case.name}: CPU, ÷ ceiling", ours["times_ceiling"], case.ceiling_goal)
        if peers:
            goal(f"{case.name}: CPU, ÷ best peer", ours["times_best_peer"], case.peer_goal)
            best = min(row["p99_us"] for row in peers.values())
            goal(f"{case.name}: p99, ÷ best peer", ours["p99_us"] / best, 1.0)
    others = [run.memory[name] for name, kind in kinds.items()
              if kind == "peer" and name in run.memory]  # fmt: skip
    if "allcores" in run.memory and others:
        goal("memory, ÷ best peer", run.memory["allcores"] / min(others), 0.5)
    if lines:
        report.table(["goal", "measured", "at most", ""], lines, "goals")


def main() -> None:
    parser = argparse.ArgumentParser(prog="./bench http", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="slices of each server and case (5)")
    parser.add_argument("--seconds", type=float, default=0.9, help="length of a slice (0.9)")
    parser.add_argument("--only", action="append", default=[], help="servers whose name has this")
    parser.add_argument("--connections", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--case", action="append", default=[], help="cases whose name has this")
    parser.add_argument("--memory-workers", type=int, default=8, help="0: do not measure memory")
    parser.add_argument(
        "--only-memory", action="store_true", help="measure nothing else, and save nothing"
    )
    parser.add_argument("--name", default="http", help="of the files in benchmarks/results")
    arguments = parser.parse_args()
    _servers.own_copy_of_python()
    asked = [
        case
        for case in cases(arguments.connections)
        if not arguments.case or any(word in case.name for word in arguments.case)
    ]
    _peers.environment()
    _peers.load_generator()
    about = report.machine()
    about["packages"] = _peers.versions()
    print(report.machine_line(about))

    run = Run(_servers.chosen(arguments.only), arguments)
    try:
        if arguments.memory_workers:
            run.measure_memory(asked)
        if not arguments.only_memory:
            run.measure_load(asked)
    except KeyboardInterrupt:
        sys.exit("\nstopped; nothing was saved")
    report.progress("")
    if arguments.only_memory:
        asked = []
    result = summarize(run, asked)
    print_tables(run, result)
    goals(run, asked, result)
    if arguments.only_memory:
        return
    rounds = {
        case: {name: [dataclasses.asdict(sample) for sample in samples]
               for name, samples in servers.items()}
        for case, servers in run.samples.items()
    }  # fmt: skip
    path = report.save(
        arguments.name,
        {
            "cases": result,
            "memory_mib": run.memory,
            "idle_percent": run.idle,
            "memory_workers": arguments.memory_workers,
            "kinds": {server.name: server.kind for server in run.servers},
            "failed": run.failed,
            "rounds": rounds,
            "settings": vars(arguments),
        },
        about,
    )
    _plot.draw(path)


if __name__ == "__main__":
    main()
