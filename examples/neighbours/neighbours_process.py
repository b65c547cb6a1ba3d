"""The program as a process of its own, for tests.

No module of this folder has the name of one of another example's: their tests run in one process.
"""

import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parents[1] / "tests" / "python"))

from servers import ServerProcess  # noqa: E402


class Neighbours(ServerProcess):
    """`python examples/neighbours --port 0 ARGS`, started."""

    def __init__(self, *arguments: str) -> None:
        super().__init__([sys.executable, FOLDER, "--port", "0", *arguments], together=True)
