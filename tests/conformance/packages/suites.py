"""The suites: which tests of which package, where they come from, and how they are started.

A worker gets functions of this module by name, so that it is imported there too: it says nothing
about a package before it is asked.
"""

from __future__ import annotations

import importlib
import pathlib
import shutil
import sys
import sysconfig
from dataclasses import dataclass, field

# Of the environment that tools/packages makes.
SITE = pathlib.Path(sysconfig.get_path("purelib"))
SOURCES = pathlib.Path(sys.prefix) / "sources"

# Both interpreters and main alike. faulthandler is the main interpreter's; pytest's cache and its
# capture by file descriptors are the process's; the recorder is of this folder.
OPTIONS = ["-p", "no:faulthandler", "-p", "no:cacheprovider", "-p", "recorder"]
OPTIONS += ["--capture=sys", "-q", "--no-header", "--tb=short", "-rN"]


@dataclass(frozen=True)
class Suite:
    """Tests of one package."""

    package: str
    tests: list[str]  # files and folders
    options: list[str] = field(default_factory=list)
    copies: dict[str, str] = field(default_factory=dict)  # from sources or site-packages to there
    tester: str = ""  # the package's own function that starts pytest, as numpy.test()
    alone: list[str] = field(default_factory=list)  # of the tests, what measures the whole process
    limit: int = 3600  # seconds


def _pandas(folder: str) -> Suite:
    # As pandas.test() chooses them. Data files are not in wheels: tests that want them are skipped.
    options = ["-m", "not slow and not network and not db", "--no-strict-data-files"]
    return Suite("pandas", [str(SITE / folder)], [*options, f"--rootdir={SITE / 'pandas'}"])


SUITES = {
    "orjson": Suite(
        "orjson",
        ["test"],
        copies={"orjson-*/test": "test"},
        alone=["test/test_memory.py"],  # how the process's memory grows meanwhile
    ),
    "msgpack": Suite("msgpack", ["test"], copies={"msgpack-*/test": "test"}),
    "lxml": Suite(
        "lxml",
        ["src/lxml"],
        ["-p", "unittest_suites", "-p", "no:doctest", "--import-mode=importlib"],
        # As after building in place, for the tests look for documents beside the sources.
        copies={
            "site-packages/lxml": "src/lxml",
            "lxml-*/src/lxml/tests": "src/lxml/tests",
            "lxml-*/src/lxml/html/tests": "src/lxml/html/tests",
            "lxml-*/doc": "doc",
            "lxml-*/samples": "samples",
        },
    ),
    "numpy-linalg": Suite("numpy", [], tester="numpy.linalg"),
    "numpy-core": Suite("numpy", [], tester="numpy._core"),
    "pandas-groupby": _pandas("pandas/tests/groupby"),
    "pandas-parser": _pandas("pandas/tests/io/parser"),
}


def prepare(name: str, folder: pathlib.Path) -> None:
    """Put a suite's files into a folder."""
    for source, target in SUITES[name].copies.items():
        place, _, rest = source.partition("/")
        if place == "site-packages":
            found = SITE / rest
        else:
            (found,) = SOURCES.glob(source)
        shutil.copytree(found, folder / target, dirs_exist_ok=True)


def run(name: str, record: str, part: str = "all") -> int:
    """Run a suite in the interpreter that calls this; returns pytest's exit status.

    `part` is "all", or "alone" for what must not run beside others, or "together" for the rest.
    Outcomes go to the file `record`, what pytest prints to one beside it.
    """
    suite = SUITES[name]
    tests = suite.alone if part == "alone" else suite.tests
    ignored = suite.alone if part == "together" else []
    arguments = [*OPTIONS, *suite.options, f"--record={record}", f"--basetemp={record}.tmp"]
    before = sys.stdout, sys.stderr
    with open(f"{record}.log", "w", buffering=1, errors="backslashreplace") as log:
        sys.stdout = sys.stderr = log
        try:
            if suite.tester:
                return 0 if importlib.import_module(suite.tester).test(extra_argv=arguments) else 1
            import pytest

            return int(pytest.main([*arguments, *(f"--ignore={each}" for each in ignored), *tests]))
        finally:
            sys.stdout, sys.stderr = before
