"""Channels between two interpreters, beside the queues and pipes of the standard library."""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import _report as report

# What is sent: a small tuple of small things.
ITEM = (1000, 2.5, "name", None)
WAYS = (
    "allcores",
    "allcores, threads",
    "allcores.Queue",
    "queue.SimpleQueue",
    "interpreters.Queue",
    "multiprocessing.Pipe",
)
# Sides that push and pop: one and one, one and one with 100 items at most inside, two and two.
CASES = {"spsc": (1, None), "spsc, at most 100 inside": (1, 100), "mpmc, 2 + 2": (2, None)}


def push(send: Callable[[Any], None], count: int) -> None:
    for _ in range(count):
        send(ITEM)


def pop(receive: Callable[[], Any], count: int) -> None:
    for _ in range(count):
        receive()


def answer(receive: Callable[[], Any], send: Callable[[Any], None], count: int) -> None:
    for _ in range(count):
        send(receive())


def endpoints(link: Any) -> tuple[Callable[[Any], None], Callable[[], Any]]:
    """How one sends and receives by it."""
    for send, receive in (("push", "pop"), ("put", "get"), ("send", "recv")):
        if hasattr(link, send) and hasattr(link, receive):
            return getattr(link, send), getattr(link, receive)
    raise TypeError(link)


def push_link(link: Any, go: Any, count: int) -> None:
    """Says that it is there, and begins when it is told to."""
    send = endpoints(link)[0]
    send(ITEM)
    endpoints(go)[1]()
    push(send, count)


def answer_link(there: Any, back: Any, count: int) -> None:
    answer(endpoints(there)[1], endpoints(back)[0], count)


class Way:
    """Makes links, and runs the other side of them: in another interpreter, thread or process."""

    def __init__(self, name: str) -> None:
        self.name = name

    def link(self, maxsize: int | None) -> Any | None:
        """None where the way has no such limit."""
        if self.name.startswith("allcores"):
            import allcores

            kind = allcores.Queue if self.name == "allcores.Queue" else allcores.Channel
            return kind(maxsize or 0)
        if self.name == "queue.SimpleQueue":
            import queue

            return None if maxsize else queue.SimpleQueue()
        if self.name == "interpreters.Queue":
            from concurrent import interpreters

            return interpreters.create_queue(maxsize or 0)
        return None

    def start(self, function: Callable[..., None], *args: Any) -> Callable[[], None]:
        """Run it on the other side; what is returned waits for its end."""
        call: Callable[..., Any] = function
        close: Callable[[], object] = lambda: None  # noqa: E731
        if self.name in ("allcores", "allcores.Queue"):
            import allcores

            worker = allcores.Interpreter()
            call, close = partial(worker.call, function), worker.destroy
        elif self.name == "interpreters.Queue":
            from concurrent import interpreters

            other = interpreters.create()
            call, close = partial(other.call, function), other.close
        thread = threading.Thread(target=call, args=args)
        thread.start()

        def end() -> None:
            thread.join()
            close()

        return end


def throughput(way: Way, sides: int, maxsize: int | None, count: int) -> float | None:
    """Nanoseconds an item."""
    if way.name == "multiprocessing.Pipe":
        import multiprocessing

        if sides > 1 or maxsize:
            return None
        here, there = multiprocessing.Pipe()
        process = multiprocessing.get_context("fork").Process(
            target=push_link, args=(there, there, count)
        )
        process.start()
        here.recv()
        start = time.perf_counter()
        here.send(None)
        pop(here.recv, count)
        took = time.perf_counter() - start
        process.join()
        return took / count * 1e9
    link = way.link(maxsize)
    if link is None:
        return None
    go = way.link(None)
    ends = [way.start(push_link, link, go, count) for _ in range(sides)]
    receive = endpoints(link)[1]
    for _ in range(sides):
        receive()
    start = time.perf_counter()
    for _ in range(sides):
        endpoints(go)[0](None)
    others = [threading.Thread(target=pop, args=(receive, count)) for _ in range(sides - 1)]
    for each in others:
        each.start()
    pop(receive, count)
    for each in others:
        each.join()
    took = time.perf_counter() - start
    for wait in ends:
        wait()
    return took / (count * sides) * 1e9


def ping_pong(way: Way, count: int) -> float:
    """Nanoseconds there and back."""
    if way.name == "multiprocessing.Pipe":
        import multiprocessing

        here, there = multiprocessing.Pipe()
        process = multiprocessing.get_context("fork").Process(
            target=answer, args=(there.recv, there.send, count + 10)
        )
        process.start()
        send, receive, end = here.send, here.recv, process.join
    else:
        requests, replies = way.link(None), way.link(None)
        end = way.start(answer_link, requests, replies, count + 10)
        send, receive = endpoints(requests)[0], endpoints(replies)[1]
    for _ in range(10):
        send(ITEM)
        receive()
    start = time.perf_counter()
    for _ in range(count):
        send(ITEM)
        receive()
    took = time.perf_counter() - start
    end()
    return took / count * 1e9


def measure(name: str, count: int, rounds: int) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    way = Way(name)
    for case, (sides, maxsize) in CASES.items():
        times = [throughput(way, sides, maxsize, count // sides) for _ in range(rounds)]
        known = [each for each in times if each is not None]
        found[case] = statistics.median(known) if known else None
    # The interpreters' queue sleeps for 10 ms at a time, so a few of these are many.
    pings = count // 1000 if name == "interpreters.Queue" else count // 10
    found["there and back"] = statistics.median(
        ping_pong(way, max(pings, 10)) for _ in range(rounds)
    )
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="./bench channels", description=__doc__)
    parser.add_argument("--count", type=int, default=50_000, help="items in a row (50,000)")
    parser.add_argument("--rounds", type=int, default=5, help="of which the median counts (5)")
    parser.add_argument("--measure", choices=WAYS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure, arguments.count, arguments.rounds)))
        return 0
    about = report.machine()
    print(report.machine_line(about))
    found = {}
    for way in WAYS:
        report.progress(way)
        command = [sys.executable, __file__, "--measure", way, "--count", str(arguments.count)]
        command += ["--rounds", str(arguments.rounds)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found[way] = json.loads(done.stdout)
    report.progress("")
    cases = [*CASES, "there and back"]
    rows = [[case, *(found[way][case] for way in WAYS)] for case in cases]
    report.table(["ns an item", *WAYS], rows, title="a tuple of 4 objects")
    report.save("channels", found, about)
    return 0


if __name__ == "__main__":
    sys.exit(main())
