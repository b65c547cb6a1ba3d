"""The plugin of pytest under which Starlette's own tests meet allcores.

Whatever of them makes a TestClient gets one with a server behind it (live_client.py). Servers that
a test has left are ended with it. Only tests that make one are run, and with asyncio.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator

import live_client
import live_differences
import pytest
import starlette.testclient

starlette.testclient.TestClient = live_client.LiveClient  # type: ignore[misc]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--loop", default="auto", help="the event loop of the server")


def pytest_configure(config: pytest.Config) -> None:
    live_client.LOOP = config.getoption("loop")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left = [
        item
        for item in items
        if "test_client_factory" not in getattr(item, "fixturenames", ())
        or item.name.partition("[")[2].startswith("trio")
        or any(
            fnmatch.fnmatchcase(item.nodeid, f"tests/{which}")
            for which in live_differences.LEFT_OUT
        )
    ]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in left]


@pytest.fixture(autouse=True)
def servers_end() -> Iterator[None]:
    yield
    while live_client.LiveServer.running:
        live_client.LiveServer.running[-1].stop()
