"""HTTP servers: CPU a request, latency, requests a second and memory, against named peers."""

from __future__ import annotations

import argparse
import dataclasses
import pathlib
import statistics
import sys

# At the end: this folder's parent has names that must not hide the standard library's.
sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))

import _load
import _peers
import _plot
import _report as report
import _servers
from cases import Group, groups
from goals import goals
from measuring import Run

FIELDS = ("cpu_us", "p50_us", "p99_us", "rate")
Rows = dict[str, dict[str, float]]  # by server


def median(samples: list[_load.Measurement], field: str) -> float:
    return float(statistics.median(getattr(sample, field) for sample in samples))


def summarize(run: Run, asked: list[Group]) -> dict[str, Rows]:
    """Medians over the rounds, by case and server, with the ratios of CPU a request."""
    result: dict[str, Rows] = {}
    for group in asked:
        kinds = {server.name: server.kind for server in group.servers}
        for case in group.cases:
            rows: Rows = {}
            for name, samples in run.samples.get(case.name, {}).items():
                rows[name] = {field: median(samples, field) for field in FIELDS}
                rows[name]["errors"] = sum(sample.errors for sample in samples)
                answered = sum(sample.generator["answered"] for sample in samples)
                rows[name]["works"] = rows[name]["errors"] <= 0.01 * answered
            ceiling = [row["cpu_us"] for name, row in rows.items() if kinds[name] == "ceiling"]
            peers = [
                row["cpu_us"]
                for name, row in rows.items()
                if kinds[name] == "peer" and row["works"]
            ]
            for row in rows.values():
                if ceiling:
                    row["times_ceiling"] = row["cpu_us"] / ceiling[0]
                if peers:
                    row["times_best_peer"] = row["cpu_us"] / min(peers)
                if group.name in run.alone:
                    alone, on_all_cores = run.alone[group.name]
                    row["above_framework_us"] = row["cpu_us"] - alone
                    row["above_framework_on_all_cores_us"] = row["cpu_us"] - on_all_cores
            result[case.name] = rows
    return result


def errors_of(row: dict[str, float]) -> str:
    text = report.number(int(row["errors"]))
    return text if row["works"] else f"{text}: not compared with"


def print_tables(run: Run, result: dict[str, Rows]) -> None:
    columns = {
        "cpu_us": "CPU µs/request",
        "above_framework_us": "without the framework's",
        "above_framework_on_all_cores_us": "on all cores",
        "times_ceiling": "÷ ceiling",
        "times_best_peer": "÷ best peer",
        "p50_us": "p50 µs",
        "p99_us": "p99 µs",
        "rate": "requests/s",
    }
    for case, rows in result.items():
        fields = [field for field in columns if any(field in row for row in rows.values())]
        ordered = sorted(rows.items(), key=lambda item: item[1]["cpu_us"])
        lines: list[list[object]] = [
            [name, *(row.get(field) for field in fields), errors_of(row)] for name, row in ordered
        ]
        title = case
        if case in run.alone:
            alone, on_all_cores = map(report.number, run.alone[case])
            title += f" ({alone} µs without any server, {on_all_cores} on all cores)"
        report.table(["server", *(columns[field] for field in fields), "errors"], lines, title)
    for group, memory in run.memory.items():
        report.table(
            ["server", "processes", "MiB (PSS)", "idle: % of a core"],
            [
                [name, run.processes[group][name], value, run.idle[group].get(name)]
                for name, value in sorted(memory.items(), key=lambda item: item[1])
            ],
            f"memory with {run.arguments.memory_workers} workers, after load: {group}",
        )
    if run.failed:
        report.table(["server", "why not measured"], list(run.failed.items()), "not measured")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./bench http", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="slices of each server and case (5)")
    parser.add_argument("--seconds", type=float, default=0.6, help="length of a slice (0.6)")
    parser.add_argument("--only", action="append", default=[], help="servers whose name has this")
    parser.add_argument("--connections", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--case", action="append", default=[], help="cases whose name has this")
    parser.add_argument("--memory-workers", type=int, default=8, help="0: do not measure memory")
    parser.add_argument(
        "--only-memory", action="store_true", help="measure nothing else, and save nothing"
    )
    parser.add_argument("--name", default="http", help="of the files in benchmarks/results")
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    _servers.own_copy_of_python()
    _peers.environment()
    _peers.load_generator()
    about = report.machine()
    about["packages"] = _peers.versions()
    print(report.machine_line(about))

    run = Run(arguments)
    asked = groups(arguments.connections, arguments.case, arguments.only)
    try:
        for group in asked:
            run.measure(group)
    except KeyboardInterrupt:
        sys.exit("\nstopped; nothing was saved")
    report.progress("")
    result = {} if arguments.only_memory else summarize(run, asked)
    print_tables(run, result)
    lines = goals(run, asked, result)
    if lines:
        report.table(["goal", "measured", "at most", ""], lines, "goals")
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
            "framework_alone_us": run.alone,
            "kinds": {one.name: one.kind for group in asked for one in group.servers},
            "failed": run.failed,
            "rounds": rounds,
            "settings": vars(arguments),
        },
        about,
    )
    _plot.draw(path)


if __name__ == "__main__":
    main()
