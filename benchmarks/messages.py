"""Sending values between interpreters: the codec beside pickle, marshal and the stdlib's queues."""

from __future__ import annotations

import argparse
import dataclasses
import gc
import json
import statistics
import subprocess
import sys
import time
import types
from collections.abc import Callable
from typing import Any, NamedTuple

import _report as report

# Ways to copy a value, and to pass it on: ours first, and what is to be compared with it.
CODECS = ("allcores", "pickle 5", "marshal")
PASSAGES = ("allcores.Channel", "interpreters.Queue", "multiprocessing.Pipe")
WAYS = (*CODECS, *PASSAGES)


@dataclasses.dataclass
class Row:
    id: int
    x: float
    name: str


@dataclasses.dataclass(slots=True)
class Slots:
    id: int
    x: float
    name: str


class Entry(NamedTuple):
    id: int
    x: float
    name: str


def texts(*some: object) -> tuple[str, ...]:
    """Strings that nothing else has, as data from outside is."""
    return tuple(f"{each} text" for each in some)


def small_tuple() -> Any:
    a, b, c = texts("first", "second", "the third of them")
    return (1000, 2.5, a, None, True, b, 12345678, b.encode(), -7, (1, 2), c)


# What is sent, and how often in a row to measure it.
CASES: dict[str, tuple[Callable[[], Any], int]] = {
    "tuple of 11 objects": (small_tuple, 20_000),
    "dict of 10 (str: int)": (lambda: {f"key {i}": i + 1000 for i in range(10)}, 20_000),
    "dict of 200,000 (str: (int, float, str))": (
        lambda: {f"key {i}": (i + 1000, i * 0.5, f"value {i}") for i in range(200_000)},
        1,
    ),
    "list of 1,000,000 ints": (lambda: list(range(1000, 1_001_000)), 1),
    "list of 1,000,000 floats": (lambda: [i * 0.5 for i in range(1_000_000)], 1),
    "list of 200,000 str": (lambda: [f"string {i}" for i in range(200_000)], 1),
    "list of 50,000 dicts of 3": (
        lambda: [{"id": i + 1000, "x": i * 0.5, "name": f"n {i}"} for i in range(50_000)],
        1,
    ),
    "16 MiB bytes, which the sender keeps": (lambda: b"x" * (16 << 20), 1),
    "10,000 instances of a class": (
        lambda: [Row(i, i * 0.5, f"n {i}") for i in range(10_000)],
        1,
    ),
    "10,000 named tuples": (lambda: [Entry(i, i * 0.5, f"n {i}") for i in range(10_000)], 1),
    "10,000 instances with __slots__": (
        lambda: [Slots(i, i * 0.5, f"n {i}") for i in range(10_000)],
        1,
    ),
    "10,000 SimpleNamespace": (
        lambda: [types.SimpleNamespace(id=i, x=i * 0.5, name=f"n {i}") for i in range(10_000)],
        1,
    ),
}


def passed_on(put: Callable[[Any], object], get: Callable[[], Any]) -> Callable[[Any], Any]:
    def trip(value: Any) -> Any:
        put(value)
        return get()

    return trip


def way_of(name: str) -> Callable[[Any], Any]:
    """One trip: from a value of the sender's to one of the receiver's."""
    if name == "allcores":
        from allcores._core import _encode

        return lambda value: _encode(value).decode()
    if name == "allcores.Channel":
        import allcores

        channel = allcores.Channel()
        return passed_on(channel.push, channel.pop)
    if name == "pickle 5":
        import pickle

        return lambda value: pickle.loads(pickle.dumps(value, 5))
    if name == "marshal":
        import marshal

        return lambda value: marshal.loads(marshal.dumps(value))
    if name == "interpreters.Queue":
        from concurrent import interpreters

        queue = interpreters.create_queue()
        return passed_on(queue.put, queue.get)

    import multiprocessing
    import threading

    receiving, sending = multiprocessing.Pipe(duplex=False)

    def through_pipe(value: Any) -> Any:
        if isinstance(value, (tuple, dict)) and len(value) < 100:  # fits into the pipe
            sending.send(value)
            return receiving.recv()
        sender = threading.Thread(target=sending.send, args=(value,))
        sender.start()
        result = receiving.recv()
        sender.join()
        return result

    return through_pipe


def measure(way: str, rounds: int) -> dict[str, float | None]:
    """Microseconds a trip, the quickest of some rounds; None where the way does not take it.

    What arrived is dropped outside of the time where it is large.
    """
    trip = way_of(way)
    gc.disable()
    found: dict[str, float | None] = {}
    for case, (make, repeat) in CASES.items():
        value = make()
        best = None
        for _ in range(rounds):
            try:
                start = time.perf_counter()
                for _ in range(repeat):
                    result = trip(value)
                took = (time.perf_counter() - start) / repeat * 1e6
            except ValueError:  # marshal and a class
                break
            if result != value:
                raise AssertionError(f"{way}: {case}")
            del result
            best = took if best is None else min(best, took)
        found[case] = best
    return found


def in_own_process(way: str, rounds: int) -> dict[str, float | None]:
    """So that nobody has the caches of another; only ours has allcores in it at all."""
    command = [sys.executable, __file__, "--measure", way, "--rounds", str(rounds)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(done.stdout))


def results_of_calls(count: int) -> list[list[Any]]:
    """What a call takes longer when its result is large: microseconds, medians."""
    import allcores

    def prepare() -> None:
        main = sys.modules["__main__"].__dict__
        main["nothing"] = [None, None]
        main["bytes"] = [bytes(16 << 20)]
        main["bytearray"] = [bytearray(16 << 20)]
        main["kept"] = [bytes(16 << 20)]

    def take(kind: str) -> Any:
        return sys.modules["__main__"].__dict__[kind].pop()

    def keep() -> Any:
        return sys.modules["__main__"].__dict__["kept"][0]

    cases: list[tuple[str, Callable[..., Any], tuple[str, ...]]] = [
        ("nothing", take, ("nothing",)),
        ("16 MiB bytes that nobody else has", take, ("bytes",)),
        ("16 MiB bytearray that nobody else has", take, ("bytearray",)),
        ("16 MiB bytes that the sender keeps", keep, ()),
    ]
    rows: dict[str, list[float]] = {}
    with allcores.Interpreter() as worker:
        for _ in range(count):
            worker.call(prepare)
            worker.call(take, "nothing")
            for name, function, arguments in cases:
                start = time.perf_counter()
                result = worker.call(function, *arguments)
                rows.setdefault(name, []).append((time.perf_counter() - start) * 1e6)
                del result
    nothing = statistics.median(rows["nothing"])
    return [
        [name, statistics.median(some), statistics.median(some) - nothing]
        for name, some in rows.items()
    ]


def times(
    found: dict[str, dict[str, float | None]], case: str, way: str, ours: str
) -> float | None:
    theirs, own = found[way][case], found[ours][case]
    return None if theirs is None or own is None else theirs / own


def main() -> int:
    parser = argparse.ArgumentParser(prog="./bench messages", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="of which the quickest counts (7)")
    parser.add_argument("--measure", choices=WAYS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure, arguments.rounds)))
        return 0
    about = report.machine()
    print(report.machine_line(about))
    found = {}
    for way in WAYS:
        report.progress(way)
        found[way] = in_own_process(way, arguments.rounds)
    report.progress("")
    rows = [[case, *(found[way][case] for way in WAYS)] for case in CASES]
    report.table(["both sides, µs", *WAYS], rows, title="from a value to its copy")
    ratios = [
        [
            case,
            *(times(found, case, way, ours) for ours, *ways in (CODECS, PASSAGES) for way in ways),
        ]
        for case in CASES
    ]
    peers = (*CODECS[1:], *PASSAGES[1:])
    report.table(["times as long as ours", *peers], ratios, title="beside allcores")
    calls = results_of_calls(30 * arguments.rounds)
    report.table(
        ["result of Interpreter.call", "call, µs", "more than nothing, µs"],
        calls,
        title="results that change hands",
    )
    report.save("messages", {"trips": found, "calls": calls}, about)
    return 0


if __name__ == "__main__":
    sys.exit(main())
