"""Frozen data under stress: every operation of the frozen types from all interpreters at once.

With GC, interning, freezing and thawing, and interpreters coming and going.

    ./py tests/stress/frozen.py [SECONDS]

A write into frozen memory, or a race, ends the process with a signal. Exit status 0 when nothing
went wrong.
"""

import gc
import os
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import allcores
from allcores import freeze


def work(folder: str, samples: Any, seconds: float, seed: int) -> tuple[int, str]:
    """Run in an interpreter of its own until the time is over; (rounds, what went wrong)."""
    import gc
    import random
    import sys
    import time
    import warnings

    warnings.simplefilter("ignore")
    sys.path.insert(0, folder)
    import frozen_operations as operations

    import allcores

    choose = random.Random(seed)
    end = time.monotonic() + seconds
    rounds = 0
    ordinary = operations.samples()
    order = list(range(len(ordinary)))
    while rounds == 0 or time.monotonic() < end:
        choose.shuffle(order)
        for index in order:
            wrong = operations.differences(
                samples[index], ordinary[index], with_methods=choose.random() < 0.2
            )
            if wrong:
                return rounds, wrong[0]
            value = samples[index]
            if isinstance(value, str):
                for _ in range(20):
                    if sys.intern(value) != value or sys.intern(value + str(rounds)) is value:
                        return rounds, f"interning {value!r}"
            if isinstance(value, frozenset):
                left = operations.weak_references_are_refused(value)
                if left:
                    return rounds, f"weak references: {left}"
            again = allcores.freeze([value, {"k": [value]}])
            if again[0] is not value or allcores.thaw(again) != [
                allcores.thaw(value),
                {"k": [allcores.thaw(value)]},
            ]:
                return rounds, f"freezing again {value!r:.40}"
            if rounds == 0 and time.monotonic() > end:
                break
        gc.collect()
        rounds += 1
    return rounds, ""


def main(seconds: float) -> int:
    import frozen_operations as operations

    warnings.simplefilter("ignore")
    samples = freeze([freeze(each) for each in operations.samples()])
    folder = str(Path(__file__).parent)
    end = time.monotonic() + seconds
    wrong: list[str] = []
    interpreters = rounds = 0

    def come_and_go(seed: int) -> None:
        nonlocal interpreters, rounds
        while time.monotonic() < end and not wrong:
            with allcores.Interpreter() as interpreter:
                # One to three lives of an interpreter in a short run.
                life = min(end - time.monotonic(), seconds / 3)
                done, what = interpreter.call(work, folder, samples, max(0.1, life), seed)
            rounds += done
            interpreters += 1
            seed += 100
            if what:
                wrong.append(what)

    threads = [
        threading.Thread(target=come_and_go, args=(seed,))
        for seed in range(max(3, len(os.sched_getaffinity(0)) + 1))
    ]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        gc.collect()
        gc.freeze()
        gc.unfreeze()
        for value in samples:
            repr(value)
        threads[0].join(0.05)
    frozen_mib = allcores._core.frozen_bytes() >> 20
    print(f"{interpreters} interpreters, {rounds} rounds, {frozen_mib} MiB frozen")
    if wrong or interpreters < len(threads):
        print("wrong:", *wrong, sep="\n  ")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 60.0))
