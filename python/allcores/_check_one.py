"""The child process of `allcores check`: allcores._check_one REPORT MODULE [MODULE ...].

Writes what it is doing into the file REPORT, a line of JSON each time, so that its parent knows how
far it came when it crashes or hangs. The keys are those of allcores._check.Result.
"""

from __future__ import annotations

import concurrent.futures
import faulthandler
import importlib
import json
import sys
import threading
import time
from typing import Any, TextIO

import allcores
from allcores import _check


class Unfit(Exception):
    """The package does not work: with a verdict and a reason."""


def pss_mib() -> float:
    """This process's share of the memory it uses (PSS), in MiB."""
    with open("/proc/self/smaps_rollup") as file:
        for line in file:
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0


class Checker:
    """Imports `modules` in interpreters, and writes down what it does."""

    def __init__(self, report: TextIO, modules: list[str]) -> None:
        self.report = report
        self.modules = modules

    def note(self, **facts: Any) -> None:
        """Write facts down, so that they outlive this process."""
        self.report.write(json.dumps(facts) + "\n")
        self.report.flush()

    def load(self, interpreter: allcores.Interpreter) -> float:
        """Import the modules there; how long that took, in seconds."""
        started = time.perf_counter()
        for module in self.modules:
            interpreter.call(f"import importlib; importlib.import_module({module!r})")
        return time.perf_counter() - started

    def two_at_once(self) -> list[allcores.Interpreter]:
        """Two new interpreters that import the modules at the same time."""
        interpreters = [allcores.Interpreter() for _ in range(2)]
        barrier = threading.Barrier(len(interpreters))

        def one(interpreter: allcores.Interpreter) -> None:
            barrier.wait()
            self.load(interpreter)

        with concurrent.futures.ThreadPoolExecutor(len(interpreters)) as pool:
            for future in [pool.submit(one, interpreter) for interpreter in interpreters]:
                try:
                    future.result()
                except Exception as error:
                    raise Unfit(_check.FAILS, say(error)) from error
        return interpreters

    def end(self, interpreters: list[allcores.Interpreter]) -> None:
        """End interpreters, which they must do."""
        for interpreter in interpreters:
            if not interpreter.destroy():
                raise Unfit(
                    _check.DOES_NOT_END,
                    "an interpreter that imported it can't be ended: threads stay in it",
                )

    def check(self) -> None:
        """Do it all."""
        self.note(doing="importing it in two interpreters at once")
        interpreters = self.two_at_once()
        # What one more costs: code is mapped by now, and nothing else runs.
        self.note(doing="importing it in a third interpreter")
        before = pss_mib()
        interpreters.append(allcores.Interpreter())
        seconds = self.load(interpreters[-1])
        memory = pss_mib() - before
        self.note(
            seconds=round(seconds, 3),
            memory_mib=round(memory, 1),
            extensions=interpreters[0].call(count_extensions),
        )
        self.note(doing="ending the interpreters")
        self.end(interpreters)
        before = pss_mib()
        self.note(doing="importing it in two interpreters again, after the first have ended")
        interpreters = self.two_at_once()
        self.note(doing="ending the interpreters of the second round")
        self.end(interpreters)
        self.note(left_mib=round(max(0.0, pss_mib() - before) / len(interpreters), 1))


def count_extensions() -> int:
    """How many extension modules this interpreter has that are not Python's own."""
    from importlib.machinery import EXTENSION_SUFFIXES

    from allcores.extensions import is_standard

    origins = set()
    for name, module in list(sys.modules.items()):
        origin = getattr(getattr(module, "__spec__", None), "origin", None)
        if not isinstance(origin, str) or name.startswith("allcores."):
            continue
        if origin.endswith(tuple(EXTENSION_SUFFIXES)) and not is_standard(origin):
            origins.add(origin)
    return len(origins)


def say(error: BaseException) -> str:
    """An error on one line, and what it was caused by."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return text if len(text) < 500 else text[:500] + " ..."


def main(report_name: str, modules: list[str]) -> int:
    """Check the modules; the exit status says nothing, the report does."""
    faulthandler.enable()
    with open(report_name, "w") as report:
        checker = Checker(report, modules)
        try:
            checker.check()
        except Unfit as unfit:
            verdict, reason = unfit.args
            if verdict == _check.FAILS:
                checker.note(doing="importing it in the main interpreter")
                try:
                    for module in modules:
                        importlib.import_module(module)
                except Exception as error:
                    verdict, reason = _check.FAILS_IN_MAIN, say(error)
            checker.note(verdict=verdict, reason=reason)
        checker.note(doing="ending the process")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
