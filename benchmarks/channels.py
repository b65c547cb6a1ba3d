"""Channels: crossbeam's table, beside the standard library's queues and pipes and Go's channels."""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import _channel_work as channel_work
import _go
import _peers
import _report as report

GO = "Go"
WAYS = (
    "allcores",
    "allcores, threads",
    "queue.SimpleQueue",
    "interpreters.Queue",
    "multiprocessing.Pipe",
    "multiprocessing.Queue",
    GO,
)
UNBOUNDED = -1
MANY = 1000
CASES = ("seq", "spsc", "mpsc", "mpmc", "select_rx", "select_both")
# A sequence needs room for all.
ROWS = [
    (case, capacity)
    for case in CASES
    for capacity in ((UNBOUNDED,) if case == "seq" else (0, 1, MANY, UNBOUNDED))
]
PAUSE = 0.0002  # seconds, before a message to one that sleeps
SLEEPY = 20  # the queue of interpreters sleeps for 10 ms at a time: of it so many round trips


class Way:
    """Makes links, and runs sides: in threads, interpreters or processes."""

    def __init__(self, name: str, closing: ExitStack) -> None:
        self.name = name
        self.callers: list[Callable[..., Any]] = []
        self.closing = closing

    def link(self, capacity: int) -> Any | None:
        """None where the way has no such capacity."""
        bound = max(capacity, 0)
        match self.name:
            case "allcores" | "allcores, threads":
                import allcores

                return allcores.Channel(bound, rendezvous=capacity == 0)
            case "queue.SimpleQueue":
                import queue

                return queue.SimpleQueue() if capacity == UNBOUNDED else None
            case "interpreters.Queue":
                from concurrent import interpreters

                return None if capacity == 0 else interpreters.create_queue(bound)
            case "multiprocessing.Queue":
                import multiprocessing

                return None if capacity == 0 else multiprocessing.get_context("fork").Queue(bound)
        return None

    def caller(self, number: int) -> Callable[..., Any]:
        """Calls a function in the interpreter of that number; elsewhere just calls it."""
        while len(self.callers) <= number:
            if self.name == "allcores":
                import allcores

                ours = allcores.Interpreter()
                self.closing.callback(ours.destroy)
                self.callers.append(ours.call)
            elif self.name == "interpreters.Queue":
                from concurrent import interpreters

                theirs = interpreters.create()
                self.closing.callback(theirs.close)
                self.callers.append(theirs.call)
            else:
                self.callers.append(lambda function, *args: function(*args))
        return self.callers[number]

    def start(self, number: int, function: Callable[..., Any], *args: Any) -> Callable[[], None]:
        """Run it as the side of that number; what is returned waits for its end."""
        if self.name.startswith("multiprocessing"):
            import multiprocessing

            process = multiprocessing.get_context("fork").Process(target=function, args=args)
            process.start()
            return process.join
        thread = threading.Thread(target=self.caller(number), args=(function, *args))
        thread.start()
        return thread.join


@contextmanager
def pipes() -> Iterator[tuple[int, int, int, int]]:
    ends = (*os.pipe(), *os.pipe())
    try:
        yield ends
    finally:
        for end in ends:
            os.close(end)


def together(way: Way, jobs: Sequence[tuple[str, Sequence[Any], int]]) -> float:
    """Nanoseconds that all sides take, at once."""
    import time

    def answers(wanted: int) -> None:
        while wanted:
            wanted -= len(os.read(heard, wanted))

    with pipes() as (heard, said, go, went):
        ends = [
            way.start(number, channel_work.side, *job, said, go) for number, job in enumerate(jobs)
        ]
        answers(len(jobs))
        start = time.perf_counter_ns()
        os.write(went, b"g" * len(jobs))
        answers(len(jobs))
        took = time.perf_counter_ns() - start
        for end in ends:
            end()
    return took


def throughput(way: Way, case: str, capacity: int, count: int) -> float | None:
    """Nanoseconds an item; None where the way has no such case."""
    if way.name == "multiprocessing.Pipe":
        import multiprocessing

        if (case, capacity) != ("spsc", UNBOUNDED):
            return None
        here, there = multiprocessing.Pipe()
        return together(way, [("push", [here], count), ("pop", [there], count)]) / count
    if case.startswith("select") and not way.name.startswith("allcores"):
        return None
    links = [way.link(capacity) for _ in range(channel_work.THREADS)]
    if links[0] is None:
        return None
    return together(way, channel_work.sides(case, links, count)) / count


def go(program: str, *arguments: object) -> float:
    command = [program, *(str(each) for each in arguments)]
    return float(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def repeated(measure: Callable[[int], float | None], seconds: float, rounds: int) -> float | None:
    """The median of some rounds of so many items as take about so many seconds."""
    count = 40
    took = measure(count)
    while took is not None and took * count < seconds * 0.1e9 and count < 1_000_000:
        count *= 4
        took = measure(count)
    if took is None:
        return None
    count = max(40, int(seconds * 1e9 / took) // 40 * 40)
    return statistics.median(measure(count) or 0 for _ in range(rounds))


def two_cores() -> list[int]:
    return sorted(os.sched_getaffinity(0))[:2]


def round_trip(way: Way, pause: float, count: int) -> float:
    """Nanoseconds there and back, the median.

    Where the sides can run at once each has a core of its own: on a busy machine the kernel likes
    to put who wakes another beside it, and then neither is ever awake while the other is.
    """
    if way.name == "interpreters.Queue":
        count = min(count, SLEEPY)
    if way.name == "multiprocessing.Pipe":
        import multiprocessing

        there, far = multiprocessing.Pipe()
        links, answering = (there, there), (far, far)
    else:
        links = answering = (way.link(UNBOUNDED), way.link(UNBOUNDED))
    count = max(count // 10 * 10, 10)
    cores = two_cores()
    apart = len(cores) == 2 and way.name not in ("allcores, threads", "queue.SimpleQueue")
    before = os.sched_getaffinity(0)
    end = way.start(0, channel_work.answer, *answering, count + 10, cores[1] if apart else None)
    try:
        if apart:
            os.sched_setaffinity(0, cores[:1])
        channel_work.round_trips(*links, 10, 0)
        times = channel_work.round_trips(*links, count, pause)
    finally:
        os.sched_setaffinity(0, before)
    end()
    return statistics.median(times)


def measure(name: str, seconds: float, rounds: int, trips: int) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    if name == GO:
        program, _ = _go.program(pathlib.Path(__file__).parent / "apps" / "channels.go")
        for case, capacity in ROWS:
            one = partial(go, program, case, capacity)
            found[row_name(case, capacity)] = repeated(
                lambda count, one=one: one(count, channel_work.THREADS), seconds, rounds
            )
        found["awake"] = go(program, "awake", 0, trips)
        found["asleep"] = go(program, "asleep", 0, max(trips // 10, 10), int(PAUSE * 1e6))
        return found
    with ExitStack() as closing:
        way = Way(name, closing)
        for case, capacity in ROWS:
            found[row_name(case, capacity)] = repeated(
                partial(throughput, way, case, capacity), seconds, rounds
            )
        found["awake"] = round_trip(way, 0, trips)
        found["asleep"] = round_trip(way, PAUSE, trips // 10)
    return found


def row_name(case: str, capacity: int) -> str:
    return f"{case}, {'unbounded' if capacity == UNBOUNDED else capacity}"


def floor(trips: int) -> dict[str, float]:
    command = [_peers.built("load", "floor"), str(max(trips, 100) * 10), str(int(PAUSE * 1e6))]
    command += [str(core) for core in two_cores()]
    found: dict[str, float] = json.loads(subprocess.run(command, stdout=subprocess.PIPE).stdout)
    return found


def show(found: dict[str, dict[str, float | None] | None], least: dict[str, float]) -> None:
    def cell(way: str, row: str) -> object:
        values = found[way]
        return "not measured" if values is None else values[row]

    names = [row_name(*row) for row in ROWS]
    report.table(
        ["case, capacity", *WAYS],
        [[name, *(cell(way, name) for way in WAYS)] for name in names],
        title="nanoseconds an item, a tuple of 4 objects",
    )
    report.table(
        ["the other side is", *WAYS, "floor"],
        [[name, *(cell(way, name) for way in WAYS), least[name]] for name in ("awake", "asleep")],
        title="nanoseconds there and back",
    )
    ours = found["allcores"] or {}
    awake, asleep = ours["awake"] or 0, ours["asleep"] or 0
    codec = ours[row_name("seq", UNBOUNDED)] or 0
    goals = [
        ("awake", awake, least["awake"] * 1.5 + 2 * codec, "1.5 x floor + 2 x seq"),
        ("asleep", asleep, least["asleep"] * 1.3 + 2 * codec, "1.3 x floor + 2 x seq"),
    ]
    report.table(
        ["goal", "allcores", "at most", "which is", "reached"],
        [[name, value, most, why, value <= most] for name, value, most, why in goals],
        title="goals of a message there and back, nanoseconds",
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="./bench channels", description=__doc__)
    parser.add_argument("--seconds", type=float, default=0.3, help="for each cell and round (0.3)")
    parser.add_argument("--rounds", type=int, default=3, help="of which the median counts (3)")
    parser.add_argument("--trips", type=int, default=20_000, help="there and back (20,000)")
    parser.add_argument("--way", choices=WAYS, action="append", help="only these; may be repeated")
    parser.add_argument("--measure", choices=WAYS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    sizes = (arguments.seconds, arguments.rounds, arguments.trips)
    if arguments.measure:
        try:
            print(json.dumps(measure(arguments.measure, *sizes)))
        except _go.NoGoError as error:
            print(f"Go is not measured: {error}", file=sys.stderr)
            print("null")
        return 0
    about = report.machine()
    print(report.machine_line(about))
    least = floor(arguments.trips)
    found: dict[str, dict[str, float | None] | None] = dict.fromkeys(WAYS)
    for way in arguments.way or WAYS:
        report.progress(way)
        command = [sys.executable, __file__, "--measure", way]
        for name, value in zip(("seconds", "rounds", "trips"), sizes, strict=True):
            command += [f"--{name}", str(value)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found[way] = json.loads(done.stdout)
    report.progress("")
    show(found, least)
    report.save("channels", {"floor": least, **found}, about)
    return 0


if __name__ == "__main__":
    sys.exit(main())
