"""Run one package's suite in this process: run.py SUITE RECORD, or run.py SUITE RECORD RECORD.

With one record the main interpreter runs it, with two as many new interpreters do, at once; what
measures the whole process they run after that, one after the other, into RECORD.alone.
"""

from __future__ import annotations

import concurrent.futures
import faulthandler
import sys
import threading

import suites


def in_interpreters(name: str, records: list[str]) -> None:
    import allcores

    barrier = threading.Barrier(len(records))
    turn = threading.Lock()

    def one(record: str) -> object:
        interpreter = allcores.Interpreter()
        try:
            barrier.wait(60)
            status = interpreter.call(suites.run, name, record, "together")
            if not suites.SUITES[name].alone:
                return status
            barrier.wait(suites.SUITES[name].limit)
            with turn:
                return status, interpreter.call(suites.run, name, f"{record}.alone", "alone")
        except BaseException:
            barrier.abort()  # the other one need not wait
            raise
        finally:
            assert interpreter.destroy(60), "an interpreter did not end"

    with concurrent.futures.ThreadPoolExecutor(len(records)) as pool:
        print("pytest's exit status:", list(pool.map(one, records)))


def main(name: str, *records: str) -> None:
    faulthandler.enable()
    if len(records) == 1:
        print("pytest's exit status:", suites.run(name, records[0]))
    else:
        in_interpreters(name, list(records))
    print("the end")


if __name__ == "__main__":
    main(*sys.argv[1:])
