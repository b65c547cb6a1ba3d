"""Messages under stress: random graphs to and from several interpreters at once.

With garbage collection, messages that are dropped, and interpreters coming and going. Half of the
graphs are handed over by move(), with buffers in them that change hands one by one.

    ./py tests/stress/messages.py [SECONDS]

Exit status 0 when all that arrived was what had been sent.
"""

import gc
import os
import random
import sys
import threading
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "python"))

import message_graphs
from message_values import difference

import allcores
from allcores._core import _encode


def work(seed: int, graph: Any, buffers: Any) -> tuple[str, Any, Any, Any]:
    """Run in an interpreter of its own: what is wrong with the graph, it again, and another."""
    import gc
    import sys

    import message_graphs
    from message_values import difference

    from allcores import move

    # What an earlier call got is still there for a while, and then goes.
    kept: list[Any] = vars(sys.modules["__main__"]).setdefault("kept", [])
    kept.append(graph)
    del kept[: seed % 3]
    if seed % 5 == 0:
        gc.collect(seed % 3)
    wrong = difference(graph, message_graphs.make(seed))
    wrong = wrong or difference(buffers, message_graphs.make_buffers(seed))
    # (What is kept is emptied by a move.)
    handed = move(graph) if seed % 3 == 0 else graph
    return wrong, handed, message_graphs.make(seed + 1), [move(each) for each in buffers]


def main(seconds: float) -> int:
    end = time.monotonic() + seconds
    wrong: list[str] = []
    interpreters = rounds = 0

    def come_and_go(seed: int) -> None:
        nonlocal interpreters, rounds
        choose = random.Random(seed)
        while time.monotonic() < end and not wrong:
            life = time.monotonic() + min(seconds / 3, choose.random() * 5)
            with allcores.Interpreter() as interpreter:
                for folder in sys.path[:2]:
                    interpreter.call(sys.path.insert, 0, folder)
                graph = message_graphs.make(seed)
                while time.monotonic() < life and not wrong:
                    buffers = message_graphs.make_buffers(seed)
                    moved = [allcores.move(each) for each in buffers]
                    handed = allcores.move(graph) if seed % 2 == 0 else graph
                    there, back, other, returned = interpreter.call(work, seed, handed, moved)
                    here = difference(back, message_graphs.make(seed))
                    here = here or difference(returned, message_graphs.make_buffers(seed))
                    if any(map(len, buffers)) or (seed % 2 == 0 and graph):
                        here = here or "something is left of what was handed over"
                    for each in buffers:
                        each.extend(each[:0])  # still one of its kind, and good for use
                    graph, seed = other, seed + 1
                    here = here or difference(graph, message_graphs.make(seed))
                    if there or here:
                        wrong.append(f"seed {seed}: there: {there}; here: {here}")
                    if seed % 7 == 0:
                        _encode([graph, back])  # dropped as it is
                    rounds += 1
            interpreters += 1

    threads = [
        threading.Thread(target=come_and_go, args=(seed * 1_000_000,))
        for seed in range(max(3, len(os.sched_getaffinity(0)) + 1))
    ]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        gc.collect()
        threads[0].join(0.2)
    print(f"{interpreters} interpreters, {rounds} rounds")
    if wrong or interpreters < len(threads):
        print("wrong:", *wrong, sep="\n  ")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 60.0))
