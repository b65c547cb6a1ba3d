"""Starlette's own tests, each application served over a real socket instead of its TestClient.

tools/packages unpacks them from its source distribution (tests/applications/sources.txt). They run
in a process of their own with a plugin that gives them another TestClient (live_plugin.py); what
comes out otherwise than in Starlette's own set-up is in live_differences.py, with reasons.
"""

from __future__ import annotations

import collections
import fnmatch
import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).parent
RECORDER = HERE.parent / "packages"
sys.path.insert(0, str(HERE))

from live_differences import DIFFERENCES  # noqa: E402

OPTIONS = ["-p", "anyio", "-p", "live_plugin", "-p", "recorder", "-p", "no:cacheprovider"]


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_suite(loop: str, tmp_path: pathlib.Path) -> None:
    (source,) = pathlib.Path(sys.prefix, "sources").glob("starlette-*/tests")
    shutil.copytree(source, tmp_path / "tests")
    paths = [*os.environ["PYTHONPATH"].split(os.pathsep), str(HERE), str(RECORDER)]
    done = subprocess.run(
        [
            *(sys.executable, "-X", "faulthandler", "-m", "pytest", *OPTIONS, "-q", "--tb=short"),
            *("-o", "faulthandler_timeout=60", "-o", "xfail_strict=true"),
            *("--record=record", f"--loop={loop}", "tests"),
        ],
        cwd=tmp_path,
        env=os.environ
        | {"PYTHONPATH": os.pathsep.join(paths), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert done.returncode in (0, 1), done.stdout[-8000:]
    lines = [json.loads(line) for line in (tmp_path / "record").read_text().splitlines()]
    outcomes = {line[0].removeprefix("tests/"): line[1:] for line in lines if len(line) == 3}
    counts = collections.Counter(outcome for outcome, _ in outcomes.values())
    print(dict(counts))
    others = {
        test: why
        for test, (outcome, why) in outcomes.items()
        if outcome not in ("passed", "skipped", "xfailed")
    }
    unexplained = [
        f"{test}\n{why}"
        for test, why in others.items()
        if not any(fnmatch.fnmatchcase(test, each) for each in DIFFERENCES)
    ]
    assert not unexplained, "\n\n".join(unexplained)
    not_found = [each for each in DIFFERENCES if not fnmatch.filter(others, each)]
    assert not not_found
    assert counts["passed"] >= 470, counts
