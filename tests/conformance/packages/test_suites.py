"""Packages' own tests in two interpreters at once: the same passes and failures as in main.

`./test suites` runs all, `./test packages` those of SHORT. tools/packages makes the environment
that ALLCORES_SUITES names. Each suite runs in a process of its own in the main interpreter, and in
another one in two workers.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import pathlib
import signal
import subprocess

import differences
import pytest
import suites

import allcores

HERE = pathlib.Path(__file__).parent
PYTHON = os.environ.get("ALLCORES_SUITES", "")
SHORT = ["orjson", "msgpack", "lxml", "numpy-linalg"]
CHOSEN = SHORT if os.environ.get("ALLCORES_SUITES_SHORT") else list(suites.SUITES)

pytestmark = pytest.mark.skipif(not PYTHON, reason="./test suites runs this")


def environment(*paths: pathlib.Path) -> dict[str, str]:
    return os.environ | {
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        # NumPy's tests build extension modules with what they find there.
        "PATH": os.pathsep.join([str(pathlib.Path(PYTHON).parent), os.environ["PATH"]]),
        # It decides the order of some tests' parameters, and so their ids.
        "PYTHONHASHSEED": "1",
    }


def run(folder: pathlib.Path, name: str, *records: str) -> None:
    """A process that runs a suite in `folder`; fails unless it ends as it should, in time."""
    process = subprocess.Popen(
        [PYTHON, str(HERE / "run.py"), name, *records],
        cwd=folder,
        env=environment(folder / "src", pathlib.Path(allcores.__file__).parents[1], HERE),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    limit = suites.SUITES[name].limit
    try:
        said, _ = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)  # faulthandler says where it is
        try:
            said, _ = process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            said = ""
        said += f"\nit hung for {limit} s"
    finally:
        # What the tests started, too.
        kill_group(process.pid)
    last = "\n".join(f"{record}: {last_line(record)}" for record in records)
    assert process.returncode == 0 and "the end" in said, f"{said[-8000:]}\nthe last tests: {last}"
    for record in records:  # None is there when pytest did not start.
        assert pathlib.Path(record).exists(), pathlib.Path(f"{record}.log").read_text()[-8000:]


def kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def last_line(record: str) -> str:
    path = pathlib.Path(record)
    return path.read_text().splitlines()[-1] if path.exists() else "none"


def outcomes(record: pathlib.Path) -> differences.Outcomes:
    """What the recorder wrote of tests that ended."""
    parts = [record, record.with_name(f"{record.name}.alone")]
    text = "".join(part.read_text() for part in parts if part.exists())
    lines = [json.loads(line) for line in text.splitlines()]
    return {line[0]: (line[1], line[2]) for line in lines if len(line) == 3}


@pytest.mark.parametrize("name", CHOSEN)
def test_suite(name: str, tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "suite"
    folder.mkdir()
    prepare = f"import pathlib, suites; suites.prepare({name!r}, pathlib.Path.cwd())"
    subprocess.run([PYTHON, "-c", prepare], cwd=folder, env=environment(HERE), check=True)
    main, *workers = [tmp_path / record for record in ("main", "first", "second")]
    run(folder, name, str(main))
    run(folder, name, *map(str, workers))
    here = outcomes(main)
    counts = collections.Counter(outcome for outcome, _ in here.values())
    assert counts["passed"] > 100, counts
    wrong, known = differences.compare(name, here, [outcomes(path) for path in workers])
    print(f"{name}: {dict(counts)} in main;", *known, sep="\n  ")
    assert not wrong, "\n".join(wrong)


def test_versions() -> None:
    """What is tested is what tests/packages tries, but for orjson (see requirements.txt)."""
    lists = [HERE / "requirements.txt", HERE.parents[1] / "packages" / "requirements.txt"]
    here, there = (
        dict(line.split("==") for line in path.read_text().splitlines() if "==" in line)
        for path in lists
    )
    for suite in suites.SUITES.values():
        if suite.package != "orjson":
            assert here[suite.package] == there[suite.package]
