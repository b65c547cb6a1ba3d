"""HTTP servers: NumPy and scikit-learn at work in every worker, against named peers."""

from __future__ import annotations

import argparse
import dataclasses
import os
import statistics
import sys

import _peers
import _plot
import _report as report
import _running
import _servers
from _visit import WAYS, Visit, expected_bodies, path, visit

RIVALS = ("pyronova", "granian", "uvicorn")  # whom we want to be ahead of in each figure

Visits = dict[str, list[Visit]]  # by server


def measure(
    servers: list[_servers.Server],
    workers: int,
    bodies: dict[str, str],
    arguments: argparse.Namespace,
    failed: dict[str, str],
) -> Visits:
    """Rounds over all servers, each alone on the machine."""
    visits: Visits = {}
    for turn in range(arguments.rounds):
        first = turn % len(servers)
        for server in servers[first:] + servers[:first]:
            name = f"{server.name}, {workers} workers"
            if name in failed:
                continue
            report.progress(f"round {turn + 1} of {arguments.rounds}: {name}")
            try:
                found = visit(server, workers, bodies, arguments)
            except (_running.ServerError, OSError, RuntimeError) as error:
                failed[name] = str(error)
                print(f"\r{name}: {error}\033[K", file=sys.stderr)
                continue
            visits.setdefault(server.name, []).append(found)
    report.progress("")
    return visits


def summarize(visits: Visits) -> dict[str, dict[str, float]]:
    """Medians over the rounds, by server."""
    result: dict[str, dict[str, float]] = {}
    for name, found in visits.items():
        row = {
            field: statistics.median(getattr(one, field) for one in found)
            for field in ("first_answer", "all_answered", "workers_seen", "start_cpu",
                          "memory_mib", "processes")
        }  # fmt: skip
        files = [one.unmapped_mib for one in found if one.unmapped_mib is not None]
        row["unmapped_mib"] = statistics.median(files) if files else 0.0
        row["all_memory_mib"] = row["memory_mib"] + row["unmapped_mib"]
        for way in WAYS:
            for field in ("rate", "p50_us", "p99_us", "cpu_us"):
                row[f"{way}_{field}"] = statistics.median(
                    getattr(one.load[way], field) for one in found
                )
            row[f"{way}_errors"] = sum(one.load[way].errors for one in found)
        result[name] = row
    return result


def print_tables(rows: dict[str, dict[str, float]], workers: int) -> None:
    for way in WAYS:
        ordered = sorted(rows.items(), key=lambda item: item[1][f"{way}_cpu_us"])
        report.table(
            ["server", "requests/s", "p50 ms", "p99 ms", "CPU µs/request", "errors"],
            [
                [name, row[f"{way}_rate"], row[f"{way}_p50_us"] / 1e3, row[f"{way}_p99_us"] / 1e3,
                 row[f"{way}_cpu_us"], int(row[f"{way}_errors"])]
                for name, row in ordered
            ],
            f"{way}, {workers} workers",
        )  # fmt: skip
    ordered = sorted(rows.items(), key=lambda item: item[1]["all_memory_mib"])
    report.table(
        ["server", "processes", "MiB", "of it PSS", "held by memory files", "first answer s",
         "all workers s", "CPU s by then", "workers seen"],
        [
            [name, int(row["processes"]), row["all_memory_mib"], row["memory_mib"],
             row["unmapped_mib"], row["first_answer"], row["all_answered"], row["start_cpu"],
             int(row["workers_seen"])]
            for name, row in ordered
        ],
        f"memory after load, and the start, {workers} workers",
    )  # fmt: skip


def goals(rows: dict[str, dict[str, float]], workers: int) -> list[list[object]]:
    """Whether we are ahead of RIVALS in each figure: ours by the best one's, or that by ours."""
    peers = [row for name, row in rows.items() if name.startswith(RIVALS)]
    if "allcores" not in rows or not peers:
        return []
    ours = rows["allcores"]
    asked = {"memory": "all_memory_mib", "first answer": "first_answer"}
    for way in WAYS:
        asked |= {f"{way}: p99": f"{way}_p99_us", f"{way}: CPU": f"{way}_cpu_us"}
    lines: list[list[object]] = [
        [f"{name}, ÷ the best's, {workers} workers", ours[field] / min(row[field] for row in peers)]
        for name, field in asked.items()
    ]
    lines += [
        [f"{way}: requests/s, the best's ÷ ours, {workers} workers",
         max(row[f"{way}_rate"] for row in peers) / ours[f"{way}_rate"]]
        for way in WAYS
    ]  # fmt: skip
    return lines


def main() -> None:
    cores = len(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(prog="./bench extensions", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="starts of each server (3)")
    parser.add_argument("--seconds", type=float, default=1.5, help="of load, each way (1.5)")
    parser.add_argument(
        "--workers", type=int, nargs="+", default=[cores, 4 * cores],
        help="of each server, one or more numbers (one and four for each core)",
    )  # fmt: skip
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--only", action="append", default=[], help="servers whose name has this")
    parser.add_argument("--name", default="extensions", help="of the files in benchmarks/results")
    arguments = parser.parse_args()
    _servers.own_copy_of_python()
    _peers.environment()
    _peers.load_generator()
    about = report.machine()
    about["packages"] = _peers.versions()
    print(report.machine_line(about))

    bodies = expected_bodies()
    first = (path(WAYS[0]), bodies[WAYS[0]].encode())
    servers = _servers.having(_servers.extension_servers(first), arguments.only)
    failed: dict[str, str] = {}
    try:
        visits = {
            workers: measure(servers, workers, bodies, arguments, failed)
            for workers in arguments.workers
        }
    except KeyboardInterrupt:
        sys.exit("\nstopped; nothing was saved")
    results = {workers: summarize(found) for workers, found in visits.items()}
    lines: list[list[object]] = []
    for workers, rows in results.items():
        print_tables(rows, workers)
        lines += goals(rows, workers)
    if failed:
        report.table(["server", "why not measured"], list(failed.items()), "not measured")
    if lines:
        verdicts = [[*line, 1.0, "met" if float(str(line[1])) <= 1 else "missed"] for line in lines]
        report.table(
            ["goal: ahead of Pyronova, granian, uvicorn", "measured", "at most", ""],
            verdicts,
            "goals",
        )
    saved = report.save(
        arguments.name,
        {
            "extensions": results,
            "kinds": {server.name: server.kind for server in servers},
            "failed": failed,
            "rounds": {
                workers: {name: [dataclasses.asdict(one) for one in found]
                          for name, found in by_server.items()}
                for workers, by_server in visits.items()
            },
            "settings": vars(arguments),
        },
        about,
    )  # fmt: skip
    _plot.draw(saved)


if __name__ == "__main__":
    main()
