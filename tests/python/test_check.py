"""`allcores check`: verdicts on packages, each found out in a process of its own."""

import json
import os
import pathlib
import subprocess
import sys
import textwrap

import pytest

import allcores
from allcores import _check

PACKAGES = {
    "fine": "import json",
    "broken": "raise ImportError('nowhere')",
    "only_main": """
        import _interpreters
        if _interpreters.get_current() != _interpreters.get_main():
            raise ImportError("main only")
        """,
    "crashing": "import ctypes\nctypes.string_at(0)",
    "aborting": "import os\nos.abort()",
    "leaving": "import os\nos._exit(3)",
    "hanging": "import threading\nthreading.Event().wait()",
    "staying": """
        import ctypes, _thread
        inside = _thread.allocate_lock()
        inside.acquire()
        def body():
            inside.release()
            ctypes.CDLL(None).sleep(1000)  # a thread that is in C, and heeds nothing
        _thread.start_new_thread(body, ())
        inside.acquire()
        """,
    "noisy": """
        print("noise on standard output")
        """,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("packages")
    for name, source in PACKAGES.items():
        (folder / f"{name}.py").write_text(textwrap.dedent(source))
    return folder


def run_check(folder: pathlib.Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    package = pathlib.Path(allcores.__file__).parents[1]
    variables = os.environ | {"PYTHONPATH": f"{package}{os.pathsep}{folder}"}
    command = [sys.executable, "-m", "allcores", "check", *arguments]
    return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=100)


def verdicts(result: subprocess.CompletedProcess[str]) -> dict[str, dict[str, object]]:
    return {found["name"]: found for found in json.loads(result.stdout)}


def test_what_works(folder: pathlib.Path) -> None:
    result = run_check(folder, "--json", "numpy", "fine", "noisy")
    assert result.returncode == 0, result.stdout + result.stderr
    found = verdicts(result)
    assert [found[name]["verdict"] for name in found] == ["works"] * 3
    assert found["numpy"]["extensions"] > 0 and found["fine"]["extensions"] == 0
    assert found["numpy"]["seconds"] > 0 and found["numpy"]["memory_mib"] > 0
    for each in found.values():  # "fine" is too small to be seen
        assert each["seconds"] >= 0 and each["memory_mib"] >= 0 and each["left_mib"] >= 0


def test_what_does_not(folder: pathlib.Path) -> None:
    result = run_check(folder, "--json", "broken", "only_main", "crashing", "aborting", "leaving")
    assert result.returncode == 1, result.stderr
    found = verdicts(result)
    assert {name: each["verdict"] for name, each in found.items()} == {
        "broken": "fails in plain Python too",
        "only_main": "fails",
        "crashing": "crashes",
        "aborting": "crashes",
        "leaving": "fails",
    }
    assert found["only_main"]["reason"] == "ImportError: main only"
    assert found["crashing"]["reason"].startswith("SIGSEGV while importing it in two")
    assert found["aborting"]["reason"].startswith("SIGABRT while importing it in two")


def test_a_hang_and_a_thread_that_stays(folder: pathlib.Path) -> None:
    result = run_check(folder, "--json", "--timeout", "20", "hanging", "staying")
    assert result.returncode == 1, result.stderr
    found = verdicts(result)
    assert found["hanging"]["verdict"] == "hangs"
    assert "importing it in two interpreters at once" in found["hanging"]["reason"]
    assert found["staying"]["verdict"] == "does not end"


def test_names_that_pip_knows_and_none_knows(folder: pathlib.Path) -> None:
    assert _check.modules_of("numpy") == ["numpy"]
    assert _check.modules_of("NumPy") == ["numpy"]
    assert _check.modules_of("numpy.linalg") == ["numpy.linalg"]
    assert _check.modules_of("no such thing") == []
    result = run_check(folder, "nunpy", "surely-nobody-has-this")
    assert result.returncode == 1
    lines = result.stdout.splitlines()
    assert lines[0].startswith("nunpy ") and lines[0].endswith(
        "not installed: did you mean 'numpy'?"
    )
    assert lines[1].endswith("-m pip install surely-nobody-has-this")


def test_for_people(folder: pathlib.Path) -> None:
    result = run_check(folder, "fine", "broken")
    lines = result.stdout.splitlines()
    assert lines[0].startswith("fine    works") and "MiB an interpreter" in lines[0]
    assert lines[1] == "broken  fails in plain Python too: ImportError: nowhere"


def test_the_command_line(folder: pathlib.Path) -> None:
    base = [sys.executable, "-m", "allcores"]
    shown = subprocess.run([*base, "--version"], capture_output=True, text=True, check=True)
    assert shown.stdout == f"allcores {allcores.__version__}\n"
    shown = subprocess.run([*base, "check", "--help"], capture_output=True, text=True, check=True)
    assert "--json" in shown.stdout
    for wrong in ([], ["check"], ["none"], ["check", "--timeout", "0", "json"]):
        assert subprocess.run([*base, *wrong], capture_output=True).returncode == 2
