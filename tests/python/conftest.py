"""Helper modules beside the tests can be imported by them; and what several begin with."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from allcores import Interpreter

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="module")
def workers() -> Iterator[tuple[Interpreter, Interpreter]]:
    """Two interpreters."""
    with Interpreter("one") as one, Interpreter("two") as two:
        yield one, two
