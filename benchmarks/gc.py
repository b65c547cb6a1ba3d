"""Garbage collection in the tail: allcores' policy against CPython's trigger under load."""

from __future__ import annotations

import argparse
import statistics

import _load
import _report as report
import _running
import _servers


def server(policy: str, workers: int) -> _servers.Server:
    """allcores serving gc_app with one of the two policies."""
    program = (
        f"import os; os.environ['GC_POLICY'] = {policy!r}; import allcores; "
        f"allcores.serve('gc_app:handler', port=PORT, workers={workers})"
    )
    return _servers.Server(
        policy,
        "ours",
        lambda port, _: [_servers.python_for_servers(), "-c", program.replace("PORT", str(port))],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of one slice of load")
    parser.add_argument("--rate", type=float, default=2000.0, help="requests a second")
    parser.add_argument("--workers", type=int, default=4)
    options = parser.parse_args()
    print(report.machine_line())
    policies = ["allcores", "cpython"]
    found: dict[str, list[_load.Measurement]] = {policy: [] for policy in policies}
    running = {
        policy: _running.Running(server(policy, options.workers), None) for policy in policies
    }
    try:
        for one in running.values():
            one.freeze()
        for number in range(options.rounds):
            for policy in policies if number % 2 == 0 else reversed(policies):
                running[policy].thaw()
                found[policy].append(
                    _load.run(
                        running[policy],
                        "open",
                        rate=options.rate,
                        seconds=options.seconds,
                        connections=64,
                    )
                )
                running[policy].freeze()
    finally:
        for one in running.values():
            one.thaw()
            one.stop()
    rows = [
        [
            "collects when idle (allcores)" if policy == "allcores" else "CPython's own trigger",
            statistics.median(m.p50_us for m in slices),
            statistics.median(m.p99_us for m in slices),
            statistics.median(m.generator["cheap"]["p999"] for m in slices),
            statistics.median(m.cpu_us for m in slices),
        ]
        for policy, slices in found.items()
    ]
    report.table(["collector", "p50 µs", "p99 µs", "p99.9 µs", "CPU µs a request"], rows)
    report.save("gc", {row[0]: row[1:] for row in rows})


if __name__ == "__main__":
    main()
