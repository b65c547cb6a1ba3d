"""A plugin of pytest that writes the outcome of every test to the file that --record names.

A line of JSON for each: first [id], when it starts, so that the last line of a process that
crashed or hung says where; then [id, outcome, why]. Outcomes are passed, failed, error (in set-up
or tear-down), skipped, xfailed and xpassed.
"""

from __future__ import annotations

import json
import os

import pytest


class Recorder:
    def __init__(self, file: int) -> None:
        self._file = file
        self._outcome = "", ""

    def _write(self, *what: str) -> None:
        os.write(self._file, json.dumps(what).encode() + b"\n")

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._outcome = "", ""
        self._write(nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" and report.passed:
            return
        outcome: str = report.outcome
        if report.when != "call" and report.failed:
            outcome = "error"
        elif hasattr(report, "wasxfail"):
            outcome = "xfailed" if report.skipped else "xpassed"
        # A tear-down that fails counts more than what the test said before.
        self._outcome = outcome, str(report.longrepr)[-2000:] if report.longrepr else ""

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self._write(nodeid, *self._outcome)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if not report.passed:
            outcome = "skipped" if report.skipped else "error"
            self._write(report.nodeid + " (collected)", outcome, str(report.longrepr)[-2000:])


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record", required=True, help="the file that outcomes are written to")


def pytest_configure(config: pytest.Config) -> None:
    file = os.open(config.getoption("record"), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC)
    config.add_cleanup(lambda: os.close(file))
    config.pluginmanager.register(Recorder(file))
