"""Event loops of ASGI workers: asyncio's, which the server waits inside of, and uvloop."""

from __future__ import annotations

import argparse
import statistics

import _load
import _peers
import _report as report
import _running
import _servers

CASES = {
    "/": "never suspends",
    "/turn": "waits for a turn of the loop",
    "/thread": "waits for a thread",
    "/ask": "asks a server over TCP",
}
LOOPS = ("asyncio", "uvloop")


def server(loop: str, workers: int) -> _servers.Server:
    """allcores serving loop_app, in the peers' environment, which has uvloop."""
    program = (
        f"import allcores; "
        f"allcores.serve('loop_app:app', port=PORT, workers={workers}, loop={loop!r})"
    )
    return _servers.Server(
        loop,
        "ours",
        lambda port, _: _peers.python("-c", program.replace("PORT", str(port))),
        environment=(("PYTHONPATH", str(report.TOP / "python")),),
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="./bench loops", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of one slice of load")
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--connections", type=int, default=64)
    options = parser.parse_args()
    _peers.environment()
    _peers.load_generator()
    about = report.machine()
    about["packages"] = {k: v for k, v in _peers.versions().items() if k in ("python", "uvloop")}
    print(report.machine_line(about))
    found: dict[tuple[str, str], list[_load.Measurement]] = {}
    running = {loop: _running.Running(server(loop, options.workers), None) for loop in LOOPS}
    try:
        for one in running.values():
            one.freeze()
        for number in range(options.rounds + 1):  # the first one warms up
            for path in CASES:
                for loop in LOOPS if number % 2 == 0 else reversed(LOOPS):
                    report.progress(f"round {number} of {options.rounds}: {loop} {path}")
                    running[loop].thaw()
                    slice_ = _load.run(
                        running[loop],
                        "closed",
                        path=path,
                        body="Hello, World!",
                        seconds=options.seconds if number else 0.5,
                        connections=options.connections,
                    )
                    running[loop].freeze()
                    if number:
                        found.setdefault((path, loop), []).append(slice_)
    finally:
        for one in running.values():
            one.thaw()
            one.stop()
    report.progress("")
    rows = []
    for path, name in CASES.items():
        cpu = {loop: statistics.median(each.cpu_us for each in found[path, loop]) for loop in LOOPS}
        p99 = {loop: statistics.median(each.p99_us for each in found[path, loop]) for loop in LOOPS}
        ratio = cpu["uvloop"] / cpu["asyncio"]
        errors = sum(each.errors for loop in LOOPS for each in found[path, loop])
        rows.append([name, *cpu.values(), ratio, *(each / 1000 for each in p99.values()), errors])
    report.table(
        ["a request that", "asyncio: CPU µs", "uvloop: CPU µs", "÷", "asyncio: p99 ms",
         "uvloop: p99 ms", "errors"],
        rows,
        f"{options.workers} workers, {options.connections} connections",
    )  # fmt: skip
    report.save("loops", {row[0]: row[1:] for row in rows}, about)


if __name__ == "__main__":
    main()
