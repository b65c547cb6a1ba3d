"""Calls of an object that lives in another interpreter, beside the other ways to do that."""

from __future__ import annotations

import argparse
import operator
import statistics
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.managers import BaseManager
from typing import Any

import _report as report

import allcores

WAYS = (
    "plain Python call",
    "allcores.share",
    "allcores.host",
    "Interpreter.call, caller's thread",
    "Interpreter.call",
    "multiprocessing.Manager",
)


class Counter:
    """What is called: an int in, an int out."""

    def __init__(self) -> None:
        self.number = 0

    def add(self, amount: int) -> int:
        self.number += amount
        return self.number


class Manager(BaseManager):
    pass


Manager.register("Counter", Counter)


def make() -> Any:
    return allcores.share(Counter())


def nanoseconds(call: Callable[[int], Any], count: int, block: int) -> list[float]:
    """A call's time in each block of calls; short ones, so that some have the core alone."""
    call(1)
    found = []
    for _ in range(count // block):
        begun = time.perf_counter_ns()
        for _ in range(block):
            call(1)
        found.append((time.perf_counter_ns() - begun) / block)
    return found


def call_until(proxy: Any, seconds: float) -> int:
    """How many calls fit into so many seconds."""
    end = time.monotonic() + seconds
    count = 0
    while time.monotonic() < end:
        for _ in range(100):
            proxy.add(1)
        count += 100
    return count


def compute(told: Any) -> None:
    told.push("busy")
    while told.statistics()["pushed"] < 2:
        pass


def busy(count: int) -> dict[str, float]:
    """A call to an interpreter that computes: at its switch interval and at a shorter one."""
    found = {}
    for interval in (0.005, 0.0001):
        told = allcores.Channel[str]()
        with allcores.Interpreter() as owner:
            owner.call(sys.setswitchinterval, interval)
            proxy = owner.call(make)
            thread = threading.Thread(target=owner.call, args=(compute, told))
            thread.start()
            told.pop()
            times = []
            for _ in range(count):
                begun = time.perf_counter_ns()
                proxy.add(1)
                times.append(time.perf_counter_ns() - begun)
                time.sleep(0.001)  # for the owner to get its GIL back
            told.push("end")
            thread.join()
            found[f"switch interval {interval * 1000:g} ms"] = statistics.median(times) / 1000
    return found


def together(kind: str, seconds: float) -> float:
    """Calls a second of one object from two interpreters at once."""
    with (
        allcores.Interpreter() as owner,
        allcores.Interpreter() as one,
        allcores.Interpreter() as two,
    ):
        proxy = allcores.host(Counter) if kind == "allcores.host" else owner.call(make)
        counts: list[int] = []
        threads = [
            threading.Thread(
                target=lambda each=each: counts.append(each.call(call_until, proxy, seconds))
            )
            for each in (one, two)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert proxy.number == sum(counts)
        return sum(counts) / seconds


def measure(count: int) -> dict[str, list[float]]:
    with allcores.Interpreter() as owner, Manager() as manager:
        few = count // 50
        calls: dict[str, tuple[Callable[[int], Any], int, int]] = {
            "plain Python call": (Counter().add, count, 1000),
            "allcores.share": (owner.call(make).add, count, 1000),
            "allcores.host": (allcores.host(Counter).add, count, 1000),
            "Interpreter.call, caller's thread": (
                lambda amount: owner.call(operator.index, amount, where="caller"),
                few,
                20,
            ),
            "Interpreter.call": (lambda amount: owner.call(operator.index, amount), few, 20),
            "multiprocessing.Manager": (manager.Counter().add, few, 20),  # type: ignore[attr-defined]
        }
        return {way: nanoseconds(*calls[way]) for way in WAYS}


def main() -> int:
    options = argparse.ArgumentParser(prog="./bench share", description=__doc__)
    options.add_argument("--count", type=int, default=100_000, help="calls of a proxy a round")
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--seconds", type=float, default=1.0, help="of two at once, a round")
    given = options.parse_args()
    about = report.machine()
    print(report.machine_line(about))

    rounds = [measure(given.count) for _ in range(given.rounds)]
    idle = {
        way: {
            "median": statistics.median(value for each in rounds for value in each[way]),
            "best": min(value for each in rounds for value in each[way]),
        }
        for way in WAYS
    }
    report.table(
        ["ns a call, an int in and out", "median", "best"],
        [[way, row["median"], row["best"]] for way, row in idle.items()],
        title="The owner is idle",
    )
    at_work = [busy(50) for _ in range(given.rounds)]
    occupied = {case: statistics.median(each[case] for each in at_work) for case in at_work[0]}
    report.table(
        ["µs a call", "median"],
        [[case, value] for case, value in occupied.items()],
        title="The owner computes",
    )
    two = {
        kind: max(together(kind, given.seconds) for _ in range(given.rounds))
        for kind in ("allcores.share", "allcores.host")
    }
    report.table(
        ["calls a second in all", "best"],
        [[kind, value] for kind, value in two.items()],
        title="Two interpreters at once",
    )
    report.save("share", {"idle": idle, "busy": occupied, "two at once": two}, about)
    return 0


if __name__ == "__main__":
    sys.exit(main())
