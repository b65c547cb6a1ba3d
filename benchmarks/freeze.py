"""Freezing beside pickle and deepcopy, and reading frozen data beside ordinary, in nanoseconds."""

from __future__ import annotations

import copy
import gc
import mmap
import pickle
import random
import resource
import sys
import time
import types
from collections.abc import Callable
from typing import Any

import _report as report

from allcores import freeze

COUNT = 1_000_000
ROUNDS = 3


def seconds(call: Callable[[], Any]) -> tuple[float, float]:
    """Wall time of a call, and its CPU time outside of the kernel (fresh memory is the rest)."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    start = time.perf_counter()
    call()
    wall = time.perf_counter() - start
    return wall, resource.getrusage(resource.RUSAGE_SELF).ru_utime - before


def best(call: Callable[[], Any], objects: int, rounds: int = ROUNDS) -> tuple[float, float]:
    """The quickest of some rounds, nanoseconds an object: wall, and CPU outside of the kernel."""
    each = []
    for _ in range(rounds):
        warm_memory()
        each.append(seconds(call))
    return (
        min(wall for wall, _ in each) * 1e9 / objects,
        min(own for _, own in each) * 1e9 / objects,
    )


def warm_memory() -> None:
    """Touch and release as much memory as one freeze here needs, in the large pages it asks for.

    Frozen data is never freed, so each round needs fresh pages; what the others allocate was freed
    a moment before. A virtual machine may have to get a fresh page from its host, which takes
    longer than all that is measured here and says nothing of the work.
    """
    with mmap.mmap(-1, 512 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as pages:
        pages.madvise(mmap.MADV_HUGEPAGE)
        for offset in range(0, len(pages), mmap.PAGESIZE):
            pages[offset] = 1


def reading(data: Any, use: Callable[[Any], Any]) -> float:
    return min(seconds(lambda: use(data))[0] for _ in range(ROUNDS * 2))


def scan(rows: Any) -> float:
    total = 0.0
    for number, value, name in rows:
        if number & 7 == 0:
            total += value + len(name)
    return total


def main() -> None:
    print(report.machine_line())
    gc.disable()
    cases: dict[str, tuple[Any, int]] = {
        "1,000,000 tuples (int, float, str)": (
            [(i + 1000, i * 0.5, f"name {i}") for i in range(COUNT)],
            COUNT * 4,
        ),
        "dict of 1,000,000 (str: int)": ({f"key {i}": i + 1000 for i in range(COUNT)}, COUNT * 2),
        "250,000 dicts of 3": (
            [{"id": i + 1000, "x": i * 0.5, "name": f"n {i}"} for i in range(COUNT // 4)],
            COUNT,
        ),
    }
    rows, results = [], {}
    for name, (value, objects) in cases.items():
        wall, own = best(lambda value=value: freeze(value), objects)  # type: ignore[misc]
        pickled, _ = best(lambda value=value: pickle.dumps(value, 5), objects)  # type: ignore[misc]
        copied, _ = best(lambda value=value: copy.deepcopy(value), objects, 1)  # type: ignore[misc]
        rows.append([name, wall, own, pickled, copied])
        results[name] = {
            "freeze": wall,
            "cpu outside kernel": own,
            "pickle": pickled,
            "deepcopy": copied,
        }
    report.table(
        ["ns an object", "freeze", "its CPU outside the kernel", "pickle.dumps", "copy.deepcopy"],
        rows,
    )

    table = {f"key {i}": i for i in range(100_000)}
    # Equal to the keys, but other objects, as a request's are.
    keys = [f"key {i}" for i in random.Random(1).sample(range(100_000), 100_000)]
    reads: dict[str, tuple[Any, Callable[[Any], Any]]] = {
        "scan tuples of (int, float, str)": (
            tuple((i + 1000, i * 0.5, f"name {i}") for i in range(COUNT // 4)),
            scan,
        ),
        "sum of floats": (tuple(i * 0.5 for i in range(COUNT)), sum),
        "sum of ints": (tuple(range(COUNT)), sum),
        "len of strings": (tuple(f"{i}" for i in range(COUNT)), lambda d: sum(map(len, d))),
        "join strings": (tuple(f"{i}" for i in range(COUNT)), ",".join),
        "bytes to a set": (tuple(b"%d" % i for i in range(COUNT // 4)), set),
        "mapping[key], at random": (table, lambda d: [d[key] for key in keys]),
        "mapping.get(key), at random": (table, lambda d: [d.get(key) for key in keys]),
        "the same, against MappingProxyType": (
            types.MappingProxyType(table),
            lambda d: [d.get(key) for key in keys],
        ),
        "mapping.items()": (table, lambda d: [value for _, value in d.items()]),
    }
    rows, ratios = [], {}
    for name, (value, use) in reads.items():
        frozen = freeze(value)
        ordinary_time, frozen_time = reading(value, use), reading(frozen, use)
        rows.append([name, ordinary_time * 1e3, frozen_time * 1e3, frozen_time / ordinary_time])
        ratios[name] = frozen_time / ordinary_time
    report.table(["reading, milliseconds", "ordinary", "frozen", "ratio"], rows)
    report.save("freeze", {"python": sys.version, "ns an object": results, "reading ratio": ratios})


if __name__ == "__main__":
    main()
