"""What the tests of examples/neighbours share."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from neighbours_process import Neighbours


@pytest.fixture(scope="session")
def neighbours() -> Iterator[Neighbours]:
    """A server with two workers over a few of the digits, for tests that only ask."""
    with Neighbours("--workers", "2", "--points", "4000") as server:
        yield server
