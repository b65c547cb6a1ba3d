"""Dicts under stress: interpreters come and go while they use them, values of theirs stay behind.

    ./py tests/stress/dicts.py [SECONDS]

Exit status 0 when every value belonged to its key, no change was lost but what an interpreter was
at when it was destroyed, and nothing was taken twice.
"""

from __future__ import annotations

import contextlib
import random
import sys
import threading
import time
from typing import Any

import allcores
from allcores import Channel, Counter, Dict

KEYS = 300


def value_of(key: int, choice: int) -> Any:
    """One of the kinds of values; the key is in it."""
    kinds: tuple[Any, ...] = (
        key,
        float(key),
        ("small", key, None),
        {"text": "x" * key, "key": key},
        bytearray(key.to_bytes(4) * 40_000),
        allcores.view(key.to_bytes(4) * 100),
    )
    return kinds[choice % len(kinds)]


def belongs(key: int, value: Any) -> bool:
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value[:4]) == key.to_bytes(4)
    if isinstance(value, dict):
        return bool(value["key"] == key and len(value["text"]) == key)
    return bool(value[1] == key if isinstance(value, tuple) else value == key)


def work(
    shared: Dict[Any, Any], cache: Dict[int, Any], counters: dict[str, Counter], seed: int
) -> None:
    """Run in an interpreter of its own, until that is destroyed."""
    choose = random.Random(seed)
    while True:
        key = choose.randrange(1, KEYS)
        cache[key] = value_of(key, choose.randrange(6))
        key = choose.randrange(1, KEYS)
        found = cache.get(key)
        if found is not None and not belongs(key, found):
            counters["wrong"].increment()
        shared.update("sum", lambda value: value + 1, 0)
        counters["updates"].increment()
        what = choose.randrange(40)
        if what == 0:
            cache.pop(key, None)
        elif what == 1:
            counters["wrong"].add(sum(not belongs(*each) for each in cache.items()))
        elif what == 2:
            with contextlib.suppress(KeyError):
                cache.popitem()
        elif what == 3:
            cache.set(key, value_of(key, 2), ttl=choose.random() / 100)
        elif what == 4 and choose.randrange(20) == 0:
            cache.clear()


def take_jobs(jobs: Dict[str, Any], taken: Channel[str]) -> None:
    while True:
        try:
            name, number = jobs.popitem()
        except KeyError:
            continue
        taken.push(name if name == f"job {number[0]}" else "wrong")


def main(seconds: float) -> int:
    end = time.monotonic() + seconds
    shared = Dict[Any, Any]()
    caches = [Dict[int, Any](maxsize=100), Dict[int, Any](ttl=0.05), Dict[int, Any]()]
    jobs = Dict[str, Any]()
    taken = Channel[str]()
    counters = {name: Counter() for name in ("wrong", "updates", "destroyed", "takers")}

    def come_and_go(kind: int) -> None:
        choose = random.Random(kind)
        while time.monotonic() < end:
            interpreter = allcores.Interpreter()
            call = threading.Thread(target=run, args=(interpreter, kind, choose.random()))
            call.start()
            time.sleep(choose.random() / 10)  # it may be anywhere when it is destroyed
            interpreter.destroy(0)
            call.join()
            counters["takers" if kind == 3 else "destroyed"].increment()

    def run(interpreter: allcores.Interpreter, kind: int, seed: float) -> None:
        # Both are how it ends when it is destroyed.
        with contextlib.suppress(RuntimeError, allcores.RemoteError):
            if kind == 3:
                interpreter.call(take_jobs, jobs, taken)
            else:
                interpreter.call(work, shared, caches[kind], counters, int(seed * 1e9))

    made = 0

    def make_jobs() -> None:
        nonlocal made
        while time.monotonic() < end:
            jobs[f"job {made}"] = (made,)
            made += 1
            if len(jobs) > 1000:
                time.sleep(0.001)

    threads = [threading.Thread(target=come_and_go, args=(kind,)) for kind in (0, 1, 2, 3, 3)]
    threads.append(threading.Thread(target=make_jobs))
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    taken.close()
    names = [*taken, *jobs]
    twice = len(names) - len(set(names))
    lost = made - len(set(names))
    updates, destroyed, takers = (
        counters[name].value for name in ("updates", "destroyed", "takers")
    )
    done = shared.get("sum", 0)
    left = sum(not belongs(*each) for cache in caches for each in cache.items())
    wrong = counters["wrong"].value + left + names.count("wrong")
    print(
        f"{done:,} updates ({done - updates} were not told), {destroyed} interpreters destroyed; "
        f"{made:,} jobs, {lost} lost, {twice} twice, {takers} takers; {wrong} wrong"
    )
    fine = updates <= done <= updates + destroyed and 0 <= lost <= takers
    return int(not fine or wrong != 0 or twice != 0 or made == 0 or done == 0)


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 30))
