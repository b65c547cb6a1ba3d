"""Starts the servers that the conformance cases are run against."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

here = Path(__file__).resolve().parent
# ALLCORES_PRESET=asan or tsan: as that preset builds it.
preset = os.environ.get("ALLCORES_PRESET", "release")
native = here.parents[2] / "build" / preset / "http_semantics_echo"
commands = {
    "python": [sys.executable, str(here / "echo.py")],
    "native": [str(native)],
}


@contextmanager
def running(kind: str, folder: Path) -> Iterator[int]:
    """The port of a server of that kind; it serves the files of the folder."""
    if kind == "native" and not native.exists():
        pytest.skip("the C++ server is not built: ./test unit builds it")
    with subprocess.Popen(
        [*commands[kind], str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        line = server.stdout.readline()
        assert line.strip().isdigit(), f"the server said {line!r}"
        yield int(line)
        server.stdin.close()
        assert server.wait(60) == 0
