"""What type checkers see of allcores is what it has at run time, as in trio's test_exports."""

import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import allcores

MODULES = [
    "allcores",
    *sorted(
        found.name
        for found in pkgutil.walk_packages(allcores.__path__, "allcores.")
        if not any(part.startswith("_") for part in found.name.split("."))
    ),
]


def run_mypy(folder: Path, text: str) -> list[str]:
    """The lines that mypy, as strict as it can be, prints about a program."""
    program = folder / "program.py"
    program.write_text(text)
    options = ["--strict", "--no-error-summary", f"--cache-dir={folder / 'cache'}"]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, f"--config-file={folder / 'none.ini'}", program],
        capture_output=True,
        text=True,
        cwd=folder,
    )
    assert done.returncode in (0, 1), done.stderr
    return done.stdout.splitlines()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "none.ini").write_text("[mypy]\n")
    return tmp_path


def public_names(module: str) -> list[str]:
    return list(importlib.import_module(module).__all__)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_lists_what_is_public(module: str) -> None:
    loaded = importlib.import_module(module)
    assert sorted(set(loaded.__all__)) == sorted(loaded.__all__), "a name is listed twice"
    for name in loaded.__all__:
        assert getattr(loaded, name) is not None


def test_type_checkers_see_every_public_name(folder: Path) -> None:
    lines = []
    for module in MODULES:
        lines.append(f"import {module}")
        lines += [f"reveal_type({module}.{name})" for name in public_names(module)]
    answer = run_mypy(folder, "\n".join(lines) + "\n")
    assert [line for line in answer if ": error:" in line] == []
    revealed = [line for line in answer if "Revealed type is" in line]
    assert len(revealed) == sum(line.startswith("reveal_type") for line in lines)
    unknown = [line for line in revealed if 'Revealed type is "Any"' in line]
    assert unknown == []


def test_a_name_that_is_not_there_is_an_error(folder: Path) -> None:
    (answer,) = run_mypy(folder, "import allcores\n\nallcores.no_such_name\n")
    assert "has no attribute" in answer


def test_the_docstrings_are_there() -> None:
    undocumented = []
    for module in MODULES:
        loaded = importlib.import_module(module)
        if not loaded.__doc__:
            undocumented.append(module)
        for name in loaded.__all__:
            value = getattr(loaded, name)
            if callable(value) and not value.__doc__:
                undocumented.append(f"{module}.{name}")
    assert undocumented == []
