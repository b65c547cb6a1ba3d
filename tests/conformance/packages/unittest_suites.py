"""A plugin of pytest for lxml's tests, which are what its functions test_suite() put together.

Collected as always there would be no doctests, and hundreds of failures of classes that are only
there to be derived from.
"""

from __future__ import annotations

import collections
import unittest
from collections.abc import Iterator
from typing import Any

import pytest


class Case(pytest.Item):
    """One case of unittest's, or a doctest that is one."""

    case: unittest.TestCase

    def runtest(self) -> None:
        result = unittest.TestResult()
        self.case.run(result)
        for _, text in result.failures + result.errors:
            pytest.fail(text, pytrace=False)
        for _, why in result.skipped:
            pytest.skip(why)


class Cases(pytest.Collector):
    """Those of one module."""

    obj: Any

    def collect(self) -> Iterator[Case]:
        seen = collections.Counter[str]()
        for case in flattened(self.obj()):
            name = case.id()
            seen[name] += 1
            item = Case.from_parent(self, name=f"{name}-{seen[name]}" if seen[name] > 1 else name)
            item.case = case
            yield item


def flattened(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for each in suite:
        if isinstance(each, unittest.TestSuite):
            yield from flattened(each)
        else:
            yield each


def pytest_pycollect_makeitem(collector: pytest.Collector, name: str, obj: Any) -> list[Cases]:
    if name != "test_suite":
        return []
    cases = Cases.from_parent(collector, name=name)
    cases.obj = obj
    return [cases]
