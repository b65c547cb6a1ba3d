"""The package as others meet it: its exports, its metadata, what it says where it can't work."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import allcores
from allcores import _core

TOP = Path(__file__).resolve().parents[2]


def test_the_module_exports_its_init_function_only() -> None:
    assert _core.__file__ is not None
    done = subprocess.run(
        ["nm", "-D", "--defined-only", _core.__file__], capture_output=True, text=True, check=True
    )
    assert [line.split()[-1] for line in done.stdout.splitlines()] == ["PyInit__core"]


def test_one_version_everywhere() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
    cmake = re.search(r"project\(allcores VERSION (\S+)", (TOP / "CMakeLists.txt").read_text())
    assert cmake is not None
    assert allcores.__version__ == project["version"] == cmake[1]


def test_the_license_is_the_whole_apache_license() -> None:
    text = (TOP / "LICENSE").read_text()
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_an_older_python_is_told_what_is_needed() -> None:
    """Any Python since 3.8 can read the file up to its message; here one pretends to be 3.11."""
    source = (TOP / "python/allcores/__init__.py").read_text()
    ast.parse(source, feature_version=(3, 8))
    pretend = (
        "import collections, sys\n"
        "version = collections.namedtuple('version', 'major minor micro releaselevel serial')\n"
        "sys.version_info = version(3, 11, 2, 'final', 0)\n"
        "try: import allcores\n"
        "except ImportError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", pretend], capture_output=True, text=True, check=True
    )
    assert done.stdout == "allcores needs CPython 3.14 or later; this is cpython 3.11\n"


@pytest.mark.skipif(shutil.which("cmake") is None, reason="needs cmake")
def test_a_missing_library_is_named_with_its_package(tmp_path: Path) -> None:
    hidden = [
        f"-DCMAKE_FIND_USE_{where}=OFF"
        for where in ("CMAKE_SYSTEM_PATH", "SYSTEM_ENVIRONMENT_PATH", "CMAKE_ENVIRONMENT_PATH")
    ]
    tools = [
        f"-DCMAKE_MAKE_PROGRAM={shutil.which('ninja')}",
        f"-DCMAKE_CXX_COMPILER={shutil.which('g++')}",
    ]
    done = subprocess.run(
        ["cmake", "-G", "Ninja", "-S", str(TOP), "-B", str(tmp_path), *hidden, *tools],
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "apt-get install libllhttp-dev" in " ".join(done.stderr.split())
