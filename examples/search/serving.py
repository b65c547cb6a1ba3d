"""The search server as a process of its own, for tests and measurements."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parents[1] / "tests" / "python"))

from servers import ServerProcess  # noqa: E402


class Server(ServerProcess):
    """`python examples/search ARGS --port 0`, started. `cache` is its XDG_CACHE_HOME."""

    def __init__(self, *arguments: str | Path, cache: Path) -> None:
        super().__init__(
            [sys.executable, FOLDER, "--port", "0", *arguments],
            {"XDG_CACHE_HOME": str(cache)},
            together=True,
        )


def run(*arguments: str | Path, cache: Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """The program run to its end: for what it refuses."""
    command: Sequence[str] = [sys.executable, str(FOLDER), *map(str, arguments)]
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    return subprocess.run(
        command,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
        **options,
    )
