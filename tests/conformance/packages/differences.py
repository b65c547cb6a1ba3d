"""What differs from the main interpreter, and why. All else in a suite has to be the same.

Each entry is looked for: one that is not found any more is a failure too.
"""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass

# A test's outcome and, where it is not "passed", why.
Outcome = tuple[str, str]
Outcomes = dict[str, Outcome]


@dataclass(frozen=True)
class Difference:
    """Tests of one suite that say something else in a worker than in main."""

    suite: str
    tests: str  # ids, with * as in names of files
    outcome: str
    says: str  # what the report of such a test has in it
    reason: str

    def explains(self, suite: str, test: str, there: Outcome) -> bool:
        return (
            (suite, there[0]) == (self.suite, self.outcome)
            and fnmatch.fnmatchcase(test, self.tests.replace("[", "[[]"))
            and self.says in there[1]
        )


NO_FORK = "CPython's isolated interpreters can't fork: the child would have none of their threads"
TRACEMALLOC = "it traces the whole process, and keeps objects in C globals: only main's"
TEST_MODULES = "modules of CPython's own tests refuse other interpreters, and are no package's"


def _refused_tracemalloc(suite: str, tests: str) -> Difference:
    says = "tracemalloc belongs to the main interpreter"
    return Difference(suite, tests, "failed", says, TRACEMALLOC)


DIFFERENCES = [
    _refused_tracemalloc("msgpack", "*::test_no_memory_leak_on_nested_invalid_tag"),
    _refused_tracemalloc("msgpack", "*::test_nested_headers_preallocation*"),
    _refused_tracemalloc("numpy-core", "*::TestCreation::test_tracemalloc"),
    _refused_tracemalloc("pandas-parser", "*::test_decode_failure_frees_string_table*"),
    Difference(
        *("numpy-core", "*::TestNewBufferProtocol::test_no_suboffsets", "skipped"),
        *("_testbuffer is not available", TEST_MODULES),
    ),
    Difference(
        *("numpy-linalg", "*::test_xerbla_override", "failed"),
        *("fork not supported for isolated subinterpreters", NO_FORK),
    ),
]


def compare(suite: str, here: Outcomes, workers: list[Outcomes]) -> tuple[list[str], list[str]]:
    """What is wrong, and how often each known difference was found: lines of text."""
    wrong = []
    found = dict.fromkeys((each for each in DIFFERENCES if each.suite == suite), 0)
    absent = ("absent", "")
    for number, there in enumerate(workers):
        for test in here | there:
            main, worker = here.get(test, absent), there.get(test, absent)
            if main[0] == worker[0]:
                continue
            known = [each for each in found if each.explains(suite, test, worker)]
            for each in known:
                found[each] += 1
            if not known:
                why = worker[1] or main[1]
                wrong.append(f"{test}: {main[0]} in main, {worker[0]} in worker {number}: {why}")
    wrong += [f"not found: {each}" for each, count in found.items() if count == 0]
    return wrong, [f"{count} x {each.tests}: {each.reason}" for each, count in found.items()]
