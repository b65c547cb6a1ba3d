"""What the tests of applications share. The stage `applications` of ./test runs them."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent
# The servers of tests/python, and the browser of the search example.
for folder in (FOLDER, FOLDER.parent / "python", FOLDER.parents[1] / "examples" / "search"):
    sys.path.insert(0, str(folder))

import browser  # noqa: E402
import httpx  # noqa: E402
from browser import Browser  # noqa: E402
from servers import ServerProcess  # noqa: E402


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    missing = browser.missing()
    if missing:
        pytest.skip(missing)
    with Browser() as opened:
        yield opened


@pytest.fixture
def client(server: ServerProcess) -> Iterator[httpx.Client]:
    """A client of the module's server, which keeps cookies for a test."""
    with httpx.Client(base_url=server.url, trust_env=False, timeout=30) as client:
        yield client
