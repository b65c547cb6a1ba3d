"""What the sides of benchmarks/channels.py do, in a thread, an interpreter or a process.

Imported there: keep its imports few.
"""

from __future__ import annotations

import os
import time

# What is sent: a small tuple of small things.
ITEM = (1000, 2.5, "name", None)
THREADS = 4

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any


def endpoints(link: Any) -> tuple[Callable[[Any], Any], Callable[[], Any]]:
    """How one sends and receives by it."""
    for send, receive in (("push", "pop"), ("put", "get"), ("send", "recv")):
        if hasattr(link, send) and hasattr(link, receive):
            return getattr(link, send), getattr(link, receive)
    raise TypeError(link)


def side(role: str, links: Sequence[Any], count: int, said: int, go: int) -> None:
    """Says that it is there, does its work when it is told to, and says that it is done.

    `said` and `go` are ends of pipes, which every kind of worker can use.
    """
    os.write(said, b"r")
    os.read(go, 1)
    work(role, links, count)
    os.write(said, b"d")


def work(role: str, links: Sequence[Any], count: int) -> None:
    send, receive = endpoints(links[0])
    if role in ("push", "seq"):
        for _ in range(count):
            send(ITEM)
    if role in ("pop", "seq"):
        for _ in range(count):
            receive()
    if role.startswith("select"):
        import allcores

        cases = links if role == "select pop" else [(link, ITEM) for link in links]
        for _ in range(count):
            allcores.select(*cases)


def answer(there: Any, back: Any, count: int, core: int | None) -> None:
    if core is not None:
        os.sched_setaffinity(0, {core})
    receive, reply = endpoints(there)[1], endpoints(back)[0]
    for _ in range(count):
        reply(receive())


def sides(case: str, links: Sequence[Any], count: int) -> list[tuple[str, Sequence[Any], int]]:
    """Role, links and number of items of each side of a case; `count` items in all."""
    each = count // THREADS
    several = range(THREADS)
    match case:
        case "seq":
            return [("seq", links[:1], count)]
        case "spsc":
            return [("push", links[:1], count), ("pop", links[:1], count)]
        case "mpsc":
            pushers: list[tuple[str, Sequence[Any], int]] = [
                ("push", links[:1], each) for _ in several
            ]
            return [*pushers, ("pop", links[:1], each * THREADS)]
        case "mpmc":
            return [(role, links[:1], each) for _ in several for role in ("push", "pop")]
        case "select_rx":
            return [
                *(("push", links[i : i + 1], each) for i in several),
                ("select pop", links, each * THREADS),
            ]
        case "select_both":
            roles = ("select push", "select pop")
            return [(role, links, each) for _ in several for role in roles]
    raise ValueError(case)


def round_trips(there: Any, back: Any, count: int, pause: float) -> list[float]:
    """Nanoseconds there and back, each time after `pause` seconds in which the others fall asleep.

    Without a pause some of them are timed together, as reading the clock is not free.
    """
    send, receive = endpoints(there)[0], endpoints(back)[1]
    clock = time.perf_counter_ns
    together = 1 if pause else 10
    times = []
    for _ in range(count // together):
        if pause:
            time.sleep(pause)
        start = clock()
        for _ in range(together):
            send(ITEM)
            receive()
        times.append((clock() - start) / together)
    return times
