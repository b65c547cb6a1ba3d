"""The command `allcores serve` in a folder with an application, for tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from servers import ServerProcess

import allcores

APPLICATION = """
import os
import sys

from allcores import http


def app(request):
    return {
        "client": request.client.host,
        "scheme": request.scheme,
        "name": os.environ.get("NAME"),
        "path": sys.path[:1],
        "workers": len(http.statistics()["workers"]),
    }


def make():
    return lambda request: "made"


class holder:
    inner = staticmethod(lambda request: "inner")


number = 5
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where main.py is, with main:app; the commands run there."""
    (tmp_path / "main.py").write_text(APPLICATION)
    return tmp_path


def command(folder: Path, *arguments: str | Path) -> list[str]:
    """`python -m allcores serve ...` in that folder."""
    own = Path(allcores.__file__).parent.parent
    start = f"import os, sys; os.chdir({str(folder)!r}); sys.path.insert(0, {str(own)!r});"
    run = "from allcores.__main__ import main; sys.exit(main())"
    return [sys.executable, "-c", f"{start} {run}", "serve", *map(str, arguments)]


def serve(
    folder: Path, *arguments: str | Path, environment: dict[str, str] | None = None
) -> ServerProcess:
    """A server of main:app with one worker on a free port, where the arguments don't say else."""
    words = [*map(str, arguments)]
    if not any(word.startswith(("--workers", "--config")) for word in words):
        words += ["--workers", "1"]
    if not any(word.startswith(("--port", "--uds", "--fd", "--config")) for word in words):
        words += ["--port", "0"]
    if not any(":" in word and not word.startswith("-") for word in words[:1]):
        words.insert(0, "main:app")
    return ServerProcess(command(folder, *words), environment)


def fails(
    folder: Path, *arguments: str | Path, environment: dict[str, str] | None = None
) -> tuple[int, str]:
    """The exit status of a command that does not serve, and what it says on stderr."""
    done = subprocess.run(
        command(folder, *arguments),
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **(environment or {})},
    )
    assert "serving on" not in done.stdout
    return done.returncode, done.stderr


def answer(server: ServerProcess, **options: object) -> dict[str, object]:
    response, body = server.get("/", **options)
    assert response.status == 200
    found: dict[str, object] = json.loads(body)
    return found
