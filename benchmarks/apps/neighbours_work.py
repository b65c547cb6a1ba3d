"""What each application of `./bench extensions` does: the search of examples/neighbours.

Every process, or interpreter, that serves makes this module's objects for itself, before its first
request; only allcores holds the points once for all.
"""

import _interpreters  # type: ignore[import-not-found]
import json
import os
import pathlib
import sys
import time
from collections.abc import Mapping

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "examples" / "neighbours"))

import digits
from finder import Finder


def open_finder(data: Mapping[str, bytes]) -> Finder:
    return Finder(data["pixels"], data["labels"])


def respond(finder: Finder, point: str, way: str) -> str:
    """The answer to a request as JSON, the same bytes from every server."""
    coordinates = [float(text) for text in point.split(",")]
    return json.dumps(finder.answer(coordinates, way=way))


def who() -> str:
    """Which worker this is: its process and its interpreter. It takes a while, so that all others
    get something to do.
    """
    time.sleep(0.005)
    return f"{os.getpid()}-{_interpreters.get_current()[0]}"


def load() -> Finder:
    """A process's own."""
    return open_finder(digits.load(digits.USUAL))
