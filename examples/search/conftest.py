"""What the tests of examples/search share."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER))

from serving import Server  # noqa: E402

REAL_DUMP = FOLDER.parents[2] / "shared" / "data" / "enwiki-206-pages.xml.bz2"


@pytest.fixture(scope="session")
def real_dump() -> Path:
    """206 pages of the English Wikipedia, packed."""
    if not REAL_DUMP.exists():
        pytest.skip(f"{REAL_DUMP} is not there")
    return REAL_DUMP


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder for the whole run: Python's documentation is gathered once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def documentation(cache: Path) -> Iterator[Server]:
    """A server over Python's documentation."""
    with Server("--workers", "2", cache=cache) as server:
        yield server
