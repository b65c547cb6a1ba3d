"""Switching, exceptions across greenlets, threads, deep stacks, context variables."""

import contextvars
import threading

import greenlet

variable = contextvars.ContextVar("variable", default=0)


def numbers(count: int) -> None:
    variable.set(count)
    parent = greenlet.getcurrent().parent
    for i in range(count):
        parent.switch(i)
        assert variable.get() == count


def deep(depth: int) -> int:
    return 1 + deep(depth - 1) if depth else greenlet.getcurrent().parent.switch(0) or 0


def failing() -> None:
    raise KeyError("from inside")


def round_trips() -> int:
    total = 0
    greenlets = [greenlet.greenlet(numbers) for _ in range(20)]
    for i, each in enumerate(greenlets):
        total += each.switch(i + 5)
    for _ in range(4):
        for each in greenlets:
            total += each.switch()
    greenlets.pop()  # a greenlet that goes while it is suspended
    stack = greenlet.greenlet(deep)
    stack.switch(200)
    total += stack.switch()
    try:
        greenlet.greenlet(failing).switch()
    except KeyError:
        total += 1
    return total


def work() -> object:
    results = [round_trips() for _ in range(20)]
    threads = [threading.Thread(target=lambda: results.append(round_trips())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(results)) == 1
    return results[0], len(results)
