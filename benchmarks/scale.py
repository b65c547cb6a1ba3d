"""CPU work, pure Python and NumPy, on 1 and 2 interpreters at once, beside threads and processes.

Each way does the same piece of work once alone and twice at the same time; the ratio is how much
more work gets done in the same time: 2 is perfect on 2 cores. Rounds are interleaved, and the best
of each counts, because other programs can only make it slower. BLAS runs on one thread per caller:
with a pool of its own it would use both cores for one caller already.
"""

import multiprocessing
import os
import sys
import threading
import time

import _report as report

import allcores

SIZE = 3_000_000
NUMPY_REPEATS = 300
ROUNDS = 5


def work(size):
    """Arithmetic, attribute access and a dict in a loop; returns a checksum."""
    counts = {}
    total = 0
    for number in range(size):
        key = number & 1023
        counts[key] = counts.get(key, 0) + number
        total += key * 3 & 255
    return total + len(counts)


def numpy_work(repeats):
    """Element-wise arithmetic, sorting, random numbers, products of matrices; a checksum."""
    import numpy

    generator = numpy.random.default_rng(7)
    values = generator.normal(size=10_000)
    matrix = generator.normal(size=(100, 100))
    total = 0.0
    for _ in range(repeats):
        total += float((values * 1.5 + numpy.sqrt(numpy.abs(values))).sum())
        total += float(numpy.sort(values)[::100].sum())
        matrix = matrix @ matrix
        matrix /= numpy.abs(matrix).max()
        values = numpy.roll(values, 1) + generator.normal(size=10_000)
    return total


def at_once(run, workers):
    """Seconds for `workers` calls of `run(index)`, each from a thread of its own."""
    threads = [threading.Thread(target=run, args=(index,)) for index in range(workers)]
    before = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - before


def measure(work, size, rounds, interpreters, pools):
    """For each way the best time alone, the best of two at once, and how much more gets done."""
    ways = {
        "allcores interpreters": lambda index: interpreters[index].call(work, size),
        "threads": lambda index: work(size),
        "processes": lambda index: pools[index].apply(work, (size,)),
    }
    best = {(way, workers): float("inf") for way in ways for workers in (1, 2)}
    for way in ways.values():  # imports and specialization are not what is measured
        at_once(way, 2)
    for _ in range(rounds):
        for name, way in ways.items():
            for workers in (1, 2):
                seconds = at_once(way, workers)
                best[name, workers] = min(best[name, workers], seconds)
    return {
        name: {
            "one_s": best[name, 1],
            "two_s": best[name, 2],
            "ratio": 2 * best[name, 1] / best[name, 2],
        }
        for name in ways
    }


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    interpreters = [allcores.Interpreter() for _ in range(2)]
    pools = [multiprocessing.get_context("spawn").Pool(1) for _ in range(2)]
    data = {
        title: measure(function, size, rounds, interpreters, pools)
        for title, function, size in (
            ("Pure-Python CPU work", work, SIZE),
            ("NumPy", numpy_work, NUMPY_REPEATS),
        )
    }
    for title, ways in data.items():
        report.table(
            ["way", "1 at a time, ms", "2 at once, ms", "times the work"],
            [
                [name, row["one_s"] * 1000, row["two_s"] * 1000, row["ratio"]]
                for name, row in ways.items()
            ],
            title=title,
        )
    report.save("scale", data)
    for interpreter in interpreters:
        interpreter.destroy()
    for pool in pools:
        pool.close()
        pool.join()


if __name__ == "__main__":
    main()
