"""Slow clients by slowhttptest: what they do to the latency of all others, against named peers."""

from __future__ import annotations

import argparse
import dataclasses
import pathlib
import resource
import shutil
import statistics
import sys
import tempfile
import time

import _attack
import _load
import _peers
import _report as report
import _running
import _servers

MOST_RISE = 2.0
WITHOUT = "without"  # the slices in which slowhttptest attacks a port where nobody is


@dataclasses.dataclass
class Slice:
    """The other clients' load of some seconds, and how far the attack came meanwhile."""

    load: _load.Measurement
    held: int
    closed: int
    full: int


def servers(files: str) -> list[_servers.Server]:
    """Ours with as many workers as it has by itself, the peers with one for each core."""

    def ours(interface: str) -> _servers.Server:
        program = (
            f"import allcores; allcores.serve('slow_{interface}_app:app', port=PORT, "
            f"static={{'/files': {files!r}}})"
        )
        return _servers.Server(
            f"allcores {interface}",
            "ours",
            lambda port, _: [
                *(_servers.python_for_servers(), "-c", program.replace("PORT", str(port)))
            ],
        )

    return [ours("asgi"), ours("wsgi"), *_servers.application_peers("slow_")]


def slice_of(
    running: _running.Running, kind: _attack.Kind, port: int, options: argparse.Namespace
) -> Slice:
    """One slice of load while slowhttptest attacks that port, from its first connection on."""
    attack = _attack.Attack(kind, port, options.connections, options.attack_rate, options.seconds)
    with attack:
        load = _load.run(
            running,
            "open",
            path="/",
            body="Hello, World!",
            rate=options.rate,
            slow_share=0,
            connections=32,
            seconds=options.seconds,
            real_time=1,
        )
    # The next slice begins when the server has noticed that they are gone.
    deadline = time.monotonic() + 10
    while len(_attack.queues(running.port)) > 0 and time.monotonic() < deadline:
        time.sleep(0.1)
    return Slice(load, attack.held, attack.closed, attack.full)


def measure(
    running: _running.Running, rounds: int, options: argparse.Namespace
) -> dict[str, list[Slice]]:
    """Rounds of: a slice for each attack, and slices without between them, fewer of the peers.

    Those are with slowhttptest too, whose own share of the machine is so in both.
    """
    found: dict[str, list[Slice]] = {}
    kinds = [each for each in _attack.KINDS if running.server.kind == "ours" or not each.of_files]
    apart = 2 if running.server.kind == "ours" else len(kinds)
    with _attack.Silence() as silence:
        brief = argparse.Namespace(**{**vars(options), "seconds": 1.0})
        slice_of(running, kinds[0], silence.port, brief)  # warms up
        for turn in range(rounds):
            for place, kind in enumerate(kinds):
                report.progress(f"{running.server.name}: {kind.name}, {turn + 1} of {rounds}")
                if place % apart == 0:
                    bare = slice_of(running, kind, silence.port, options)
                    found.setdefault(WITHOUT, []).append(bare)
                attacked = slice_of(running, kind, running.port, options)
                found.setdefault(kind.name, []).append(attacked)
    return found


def p99_ms(slices: list[Slice]) -> float:
    return statistics.median(each.load.p99_us for each in slices) / 1000


def spread(slices: list[Slice]) -> str:
    """The least and the largest p99 of the slices, in ms."""
    all_of_them = [each.load.p99_us / 1000 for each in slices]
    return f"{report.number(min(all_of_them), 2)} to {report.number(max(all_of_them), 2)}"


def is_too_noisy(bare: list[Slice], attacked: list[Slice]) -> bool:
    """Whether slices without an attack differ by what the goal allows: then nothing can be said,
    unless even the worst with it is near the better ones without.
    """
    all_of_them = sorted(each.load.p99_us for each in bare)
    quarter = len(all_of_them) // 4
    most = MOST_RISE * all_of_them[quarter]
    return all_of_them[-1 - quarter] > most and max(each.load.p99_us for each in attacked) > most


def verdict(
    server: str, kind: _attack.Kind, found: dict[str, list[Slice]], connections: int
) -> list[object]:
    """A line of the table: server, attack, how far it came, latencies, their ratio, verdict."""
    bare, attacked = found[WITHOUT], found[kind.name]
    came = statistics.median(each.held if kind.holds else each.closed for each in attacked)
    if kind.name == "slow read":
        came = statistics.median(each.full for each in attacked)
    errors = sum(each.load.errors for each in attacked)
    asked = sum(each.load.generator["answered"] + each.load.errors for each in attacked)
    cpu = [statistics.median(each.load.cpu_us for each in which) for which in (bare, attacked)]
    before = [p99_ms(bare), spread(bare)]
    if errors > asked / 100:  # the latency of those that were answered says nothing
        return [server, kind.name, int(came), *before, None, "", None, "missed", *cpu, errors]
    ratio = p99_ms(attacked) / p99_ms(bare)
    met = "met" if ratio <= MOST_RISE else "missed"
    held = statistics.median(each.held for each in attacked)
    if is_too_noisy(bare, attacked) or (kind.holds and held < 0.9 * connections):
        met = "unclear"
    during = [p99_ms(attacked), spread(attacked)]
    return [server, kind.name, int(came), *before, *during, ratio, met, *cpu, errors]


def show(
    result: dict[str, dict[str, list[Slice]]], kinds: dict[str, str], options: argparse.Namespace
) -> None:
    """The tables: all servers and attacks, then the goal."""
    rows = [
        verdict(server, kind, found, options.connections)
        for server, found in result.items()
        for kind in _attack.KINDS
        if kind.name in found
    ]
    report.table(
        ["server", "attack", "connections", "p99 ms without", "of slices", "with", "of slices",
         "with ÷ without", "", "CPU µs without", "with", "errors"],
        rows,
        f"the other clients, {options.rate:.0f} requests a second, while slowhttptest makes and "
        f"keeps {options.connections} connections",
    )  # fmt: skip
    slices = [each for found in result.values() for many in found.values() for each in many]
    if slices:
        late = statistics.median(each.load.generator["late"]["p99"] for each in slices)
        real_time = all(each.load.generator["real_time"] for each in slices)
        print(
            f"\nload generator: {'SCHED_FIFO' if real_time else 'ordinary priority'}, noticed due "
            f"requests {late:.0f} µs late (p99, median of slices)"
        )
    if any(row[8] == "unclear" for row in rows):
        print(
            "unclear: the slices without an attack differ by more than 2 times among themselves "
            "(and one with it was slow), or slowhttptest did not get to make its connections"
        )
    goals: list[list[object]] = [
        [f"{row[0]}: p99 of others, with {row[1]} ÷ without", row[7], MOST_RISE, row[8]]
        for row in rows
        if kinds[str(row[0])] == "ours"
    ]
    if goals:
        report.table(["goal", "measured", "at most", ""], goals, "goals")


def main() -> None:
    parser = argparse.ArgumentParser(prog="./bench slow", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="of ours (3)")
    parser.add_argument("--peer-rounds", type=int, default=2, help="of each peer (2)")
    parser.add_argument("--seconds", type=float, default=4.5, help="of one slice of load (4.5)")
    parser.add_argument("--rate", type=float, default=1000.0, help="others' requests/s (1000)")
    parser.add_argument("--connections", type=int, default=1200, help="of an attack (1200)")
    parser.add_argument("--attack-rate", type=float, default=400.0, help="of them/s (400)")
    parser.add_argument("--only", action="append", default=[], help="servers whose name has this")
    options = parser.parse_args()
    if shutil.which("slowhttptest") is None:
        sys.exit("./bench slow needs slowhttptest (tools/packages.txt)")
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 16_384), most))
    _peers.environment()
    _peers.load_generator()
    about = report.machine()
    about["packages"] = _peers.versions()
    print(report.machine_line(about))
    result: dict[str, dict[str, list[Slice]]] = {}
    failed: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="slow-files-") as files:
        pathlib.Path(files, "page").write_bytes(b"x" * 65_536)
        chosen = _servers.having(servers(files), options.only)
        for server in chosen:
            rounds = options.rounds if server.kind == "ours" else options.peer_rounds
            try:
                with _running.Running(server, None) as running:
                    result[server.name] = measure(running, rounds, options)
            except (_running.ServerError, OSError) as error:
                failed[server.name] = str(error)
                print(f"{server.name}: {error}", file=sys.stderr)
    report.progress("")
    show(result, {each.name: each.kind for each in chosen}, options)
    if failed:
        report.table(["server", "why not measured"], list(failed.items()), "not measured")
    data = {
        "slices": {
            server: {name: [dataclasses.asdict(each) for each in many]
                     for name, many in found.items()}
            for server, found in result.items()
        },
        "failed": failed,
        "settings": vars(options),
    }  # fmt: skip
    report.save("slow", data, about)


if __name__ == "__main__":
    main()
