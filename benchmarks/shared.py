"""One frozen data set read by 1 and 2 interpreters, threads, and processes with a copy each."""

from __future__ import annotations

import multiprocessing
import random
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import _report as report

import allcores

ROWS = 1_000_000
LOOKUPS = 500_000
ROUNDS = 3


def make_rows(count: int) -> list[tuple[int, float, str]]:
    return [(i + 1000, i * 0.5, f"name {i}") for i in range(count)]


def make_table(count: int) -> dict[str, int]:
    return {f"key {i}": i for i in range(count)}


def scan(rows: Any, _keys: Any) -> int:
    total = 0
    for number, _value, _name in rows:
        if number & 1:
            total += number
    return total


def look_up(table: Any, keys: Any) -> int:
    total = 0
    for key in keys:
        total += table[key]
    return total


def timed(work: Callable[[Any, Any], int], data: Any, keys: Any) -> float:
    start = time.perf_counter()
    work(data, keys)
    return time.perf_counter() - start


def at_once(calls: list[Callable[[], Any]]) -> float:
    """Seconds until all of the calls, each in a thread of its own, are done; the best round."""
    best = float("inf")
    for _ in range(ROUNDS):
        threads = [threading.Thread(target=call) for call in calls]
        start = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        best = min(best, time.perf_counter() - start)
    return best


def private_mib() -> float:
    with open("/proc/self/smaps_rollup") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("Private_")) / 1024


def process_main(kind: str, count: int, keys: Any, link: Any) -> None:
    before = private_mib()
    data = make_rows(count) if kind == "scan" else make_table(count)
    work = scan if kind == "scan" else look_up
    link.send(private_mib() - before)
    while link.recv():
        work(data, keys)
        link.send(True)


def processes(kind: str, count: int, keys: Any, number: int) -> tuple[float, float]:
    """Seconds for one piece of work in each process, and the MiB of their copies together."""
    context = multiprocessing.get_context("spawn")
    links, started = [], []
    for _ in range(number):
        here, there = context.Pipe()
        started.append(context.Process(target=process_main, args=(kind, count, list(keys), there)))
        started[-1].start()
        links.append(here)
    memory = sum(link.recv() for link in links)
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for link in links:
            link.send(True)
        for link in links:
            link.recv()
        best = min(best, time.perf_counter() - start)
    for link, process in zip(links, started, strict=True):
        link.send(False)
        process.join()
    return best, memory


def main(count: int) -> None:
    print(report.machine_line())
    order = list(make_table(count))
    random.Random(1).shuffle(order)
    keys = allcores.freeze(order[:LOOKUPS])
    rows, results = [], {}
    with allcores.Interpreter() as first, allcores.Interpreter() as second:
        for kind, make, work in (("scan", make_rows, scan), ("look up", make_table, look_up)):
            local: Any = make(count)
            before = allcores._core.frozen_bytes()
            frozen = allcores.freeze(local)
            memory = (allcores._core.frozen_bytes() - before) / 2**20
            ordinary = min(timed(work, local, keys) for _ in range(ROUNDS))

            def call(interpreter: Any, work: Any = work, frozen: Any = frozen) -> Any:
                return lambda: interpreter.call(work, frozen, keys)

            one = at_once([call(first)])
            two = at_once([call(first), call(second)])
            thread_one = at_once([lambda w=work, d=local: w(d, keys)])  # type: ignore[misc]
            threads = at_once([lambda w=work, d=local: w(d, keys)] * 2)  # type: ignore[misc]
            del local
            process_one, _ = processes(kind, count, keys, 1)
            process_two, copies = processes(kind, count, keys, 2)
            for name, alone, both, mib in (
                ("interpreters, frozen", one, two, memory),
                ("threads, ordinary", thread_one, threads, memory),
                ("processes, a copy each", process_one, process_two, copies),
            ):
                speed = 2 * alone / both
                rows.append([kind, name, alone * 1e3, both * 1e3, speed, alone / ordinary, mib])
                results[f"{kind}: {name}"] = {
                    "ms, one": alone * 1e3,
                    "ms, two": both * 1e3,
                    "times the work": speed,
                    "of a local one's time": alone / ordinary,
                    "MiB": mib,
                }
    report.table(
        ["work", "by", "1: ms", "2: ms", "times the work", "1: of local", "data, MiB"], rows
    )
    report.save("shared", {"python": sys.version, "count": count, "results": results})


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS)
