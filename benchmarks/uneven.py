"""HTTP servers: the cheap requests' latency while 5 % burn 10 ms of Python, against named peers."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import statistics
import sys

import _load
import _peers
import _plot
import _report as report
import _running
import _servers

FIELDS = ("p50_us", "p90_us", "p99_us")


def measure(
    servers: list[_servers.Server], arguments: argparse.Namespace
) -> tuple[dict[str, list[_load.Measurement]], dict[str, str]]:
    """Rounds over all servers, each frozen while another is measured; and why some were not."""
    samples: dict[str, list[_load.Measurement]] = {}
    failed: dict[str, str] = {}
    options = {
        "path": "/",
        "body": "Hello, World!",
        "slow_body": "done",
        "rate": arguments.rate,
        "slow_share": arguments.share,
        "connections": arguments.connections,
        "real_time": int(not arguments.no_real_time),
    }

    def fail(server: _servers.Server, error: Exception) -> None:
        failed[server.name] = str(error)
        print(f"\r{server.name}: {error}\033[K", file=sys.stderr)

    with contextlib.ExitStack() as stack:
        running = []
        for server in servers:
            try:
                one = stack.enter_context(_running.Running(server, arguments.workers))
                _load.run(one, "closed", path="/", body="Hello, World!", seconds=0.5)
                _load.run(one, "open", **options, seconds=1)
                one.freeze()
                running.append(one)
            except (_running.ServerError, OSError, RuntimeError) as error:
                fail(server, error)
        for turn in range(arguments.rounds):
            first = turn % max(1, len(running))
            for one in running[first:] + running[:first]:
                if one.server.name in failed:
                    continue
                report.progress(f"round {turn + 1} of {arguments.rounds}: {one.server.name}")
                one.thaw()
                try:
                    # The same arrivals for every server of a round.
                    found = _load.run(
                        one, "open", **options, seconds=arguments.seconds, seed=turn + 1
                    )
                except _running.ServerError as error:
                    fail(one.server, error)
                    continue
                one.freeze()
                samples.setdefault(one.server.name, []).append(found)
    report.progress("")
    return samples, failed


def goals(
    servers: list[_servers.Server], result: dict[str, dict[str, float]]
) -> list[list[object]]:
    """Of a handler against all peers, of an application against those with its interface."""
    lines: list[list[object]] = []
    for ours in servers:
        alike = [
            result[peer.name]["p99_us"]
            for peer in servers
            if peer.kind == "peer"
            and peer.name in result
            and ours.interface in ("", peer.interface)
        ]
        if ours.kind != "ours" or ours.name not in result or not alike:
            continue
        measured = result[ours.name]["p99_us"] / min(alike)
        of = f" {ours.interface.upper()}" if ours.interface else ""
        verdict = "met" if measured <= 0.2 else "missed"
        lines.append([f"{ours.name}: p99 of the cheap, ÷ best{of} peer", measured, 0.2, verdict])
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(prog="./bench uneven", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="slices of each server (5)")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of a slice (5)")
    parser.add_argument("--workers", type=int, default=8, help="of each server (8)")
    parser.add_argument("--rate", type=float, default=800, help="requests a second (800)")
    parser.add_argument("--share", type=float, default=0.05, help="of slow requests (0.05)")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--only", action="append", default=[], help="servers whose name has this")
    parser.add_argument("--no-real-time", action="store_true", help="load without SCHED_FIFO")
    parser.add_argument("--name", default="uneven", help="of the files in benchmarks/results")
    arguments = parser.parse_args()
    _peers.environment()
    _peers.load_generator()
    about = report.machine()
    about["packages"] = _peers.versions()
    print(report.machine_line(about))

    servers = [server for server in _servers.chosen(arguments.only) if server.runs_python]
    try:
        samples, failed = measure(servers, arguments)
    except KeyboardInterrupt:
        sys.exit("\nstopped; nothing was saved")

    kinds = {server.name: server.kind for server in servers}
    result: dict[str, dict[str, float]] = {}
    for name, slices in samples.items():
        result[name] = {field: statistics.median(getattr(s, field) for s in slices)
                        for field in FIELDS}  # fmt: skip
        result[name]["worst_p99_us"] = max(one.p99_us for one in slices)
        result[name]["slow_p50_us"] = statistics.median(
            one.generator["slow"]["p50"] for one in slices
        )
        result[name]["slow_p99_us"] = statistics.median(
            one.generator["slow"]["p99"] for one in slices
        )
        result[name]["cpu_us"] = statistics.median(one.cpu_us for one in slices)
        result[name]["errors"] = sum(one.errors for one in slices)
    peers = [row["p99_us"] for name, row in result.items() if kinds[name] == "peer"]
    rows = []
    for name, row in sorted(result.items(), key=lambda item: item[1]["p99_us"]):
        ratio = row["p99_us"] / min(peers) if peers else None
        cells = [row[field] / 1000 for field in (*FIELDS, "worst_p99_us")]
        slow = [row[field] / 1000 for field in ("slow_p50_us", "slow_p99_us")]
        rows.append([name, *cells, ratio, *slow, int(row["errors"])])
    report.table(
        ["server", "p50 ms", "p90 ms", "p99 ms", "worst p99", "p99 ÷ best peer", "slow: p50 ms",
         "slow: p99 ms", "errors"],
        rows,
        f"the cheap requests, while {arguments.share:.0%} of {arguments.rate:.0f} a second burn "
        f"10 ms; {arguments.workers} workers",
    )  # fmt: skip
    if failed:
        report.table(["server", "why not measured"], list(failed.items()), "not measured")
    real_time = all(one.generator["real_time"] for slices in samples.values() for one in slices)
    late = [one.generator["late"]["p99"] for slices in samples.values() for one in slices]
    if late:
        print(
            f"\nload generator: {'SCHED_FIFO' if real_time else 'ordinary priority'}, noticed due "
            f"requests {statistics.median(late):.0f} µs late (p99, median of slices)"
        )
    lines = goals(servers, result)
    if lines:
        report.table(["goal", "measured", "at most", ""], lines, "goals")
    path = report.save(
        arguments.name,
        {
            "servers": result,
            "kinds": kinds,
            "failed": failed,
            "real_time": real_time,
            "rounds": {
                name: [dataclasses.asdict(one) for one in slices]
                for name, slices in samples.items()
            },
            "settings": vars(arguments),
        },
        about,
    )
    _plot.draw(path)


if __name__ == "__main__":
    main()
