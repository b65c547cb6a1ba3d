"""A handler that leaves cycles behind, in a worker that holds 200,000 objects of its own.

GC_POLICY=cpython gives the worker CPython's own trigger back.
"""

import gc
import os

state: dict[int, list[object]] = {}


class Node:
    """Two of them refer to each other, so only the collector frees them."""

    def __init__(self) -> None:
        self.other: Node | None = None


def handler(request: object) -> bytes:
    if not state:  # made while serving, as an application's caches and sessions are
        if os.environ.get("GC_POLICY") == "cpython":
            gc.unfreeze()
            gc.enable()
        state.update((number, [number, str(number)]) for number in range(100_000))
    for _ in range(40):
        one, two = Node(), Node()
        one.other, two.other = two, one
    return b"Hello, World!"
