"""Run one package's work in three interpreters at once, again and again: run.py JOB [ROUNDS].

A process of its own for each package, as a mistake in an image ends the process or hangs it. The
job is a module of jobs/; its function work() returns what must be the same everywhere: in each
interpreter, each time, and in the main interpreter, which loads extensions as always.
"""

import concurrent.futures
import faulthandler
import importlib
import sys
import threading

import allcores

COUNT = 3
TIMES = 2  # in each interpreter


def a_round(job: str) -> list[str]:
    """What work() returned, in `COUNT` new interpreters that import and work at the same time."""
    barrier = threading.Barrier(COUNT)

    def one(_: int) -> list[str]:
        interpreter = allcores.Interpreter()
        try:
            interpreter.call("import importlib")
            barrier.wait(60)
            interpreter.call(f"job = importlib.import_module('jobs.{job}')")
            results = [str(interpreter.call("repr(job.work())")) for _ in range(TIMES)]
            interpreter.call("getattr(job, 'finish', int)()")
            return results
        except BaseException:
            barrier.abort()
            raise
        finally:
            assert interpreter.destroy(30), "an interpreter did not end"

    with concurrent.futures.ThreadPoolExecutor(COUNT) as pool:
        return [result for results in pool.map(one, range(COUNT)) for result in results]


def main(job: str, rounds: int = 3) -> None:
    faulthandler.enable()
    # First with a main interpreter that has not loaded the package, then with one that has.
    results = a_round(job)
    print("first round done", file=sys.stderr)
    here = repr(importlib.import_module(f"jobs.{job}").work())
    for _ in range(rounds - 1):
        results += a_round(job)
        print("another round done", file=sys.stderr)
    again = repr(importlib.import_module(f"jobs.{job}").work())
    assert here == again, f"in main: {here}\n, then: {again}"
    for result in results:
        assert result == here, f"in an interpreter: {result}\nin main: {here}"
    print("the same everywhere:", here)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
