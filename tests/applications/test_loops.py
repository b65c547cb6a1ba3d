"""The event loops of ASGI workers: asyncio's, and uvloop, on which what others wrote runs too.

The tests of FastAPI's application that are imported here are those of test_fastapi.py, with the
server below.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path

import pytest
from served import served, withstands
from servers import ServerProcess
from test_fastapi import (  # noqa: F401
    test_background_tasks,
    test_failures,
    test_many_clients,
    test_many_websockets,
    test_models,
    test_streams,
    test_upload_file,
    test_upload_of_100_mib,
    test_websocket,
)

LOOPS = ("asyncio", "uvloop")
EXPECTED = {
    "timers": "[0, 1, 2, 3]",
    "from_a_thread": "called",
    "threads_of_anyio": "140",
    "pipe": "through a pipe",
    "sockets": "over a socket",
    "stops_the_loop": "stopped",
}


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with served("fastapi_app:app", loop="uvloop") as up:
        yield up
    assert up.output().count("fastapi: up") == 3
    assert up.output().count("fastapi: down") == 3


@pytest.fixture(scope="module", params=LOOPS)
def loops(request: pytest.FixtureRequest) -> Iterator[tuple[str, ServerProcess]]:
    with served("loop_app:app", loop=request.param) as up:
        yield request.param, up


def test_the_loop_is_the_one_that_was_asked_for(loops: tuple[str, ServerProcess]) -> None:
    assert loops[1].get("/which")[1].decode() == loops[0]


@pytest.mark.parametrize("page", EXPECTED)
def test_ways_to_wait(loops: tuple[str, ServerProcess], page: str) -> None:
    for _ in range(5):
        assert loops[1].get(f"/{page}")[1].decode() == EXPECTED[page]


def test_many_at_once(loops: tuple[str, ServerProcess]) -> None:
    """What waits for the loop, a thread, a descriptor, or not at all, on the same connections."""
    pages = [*EXPECTED]
    pages.remove("stops_the_loop")

    def ask(connection: HTTPConnection, number: int) -> None:
        page = pages[number % len(pages)]
        connection.request("GET", f"/{page}")
        assert connection.getresponse().read().decode() == EXPECTED[page]

    withstands(loops[1], ask)


def test_one_after_the_other_waits_for_nobody(loops: tuple[str, ServerProcess]) -> None:
    """No wake-up is lost: otherwise each would wait until the server looks by itself, after
    half a second.
    """
    begin = time.monotonic()
    with ThreadPoolExecutor(4) as pool:

        def ask(_: int) -> None:
            connection = loops[1].connect()
            for page in ("from_a_thread", "threads_of_anyio", "which") * 20:
                connection.request("GET", f"/{page}")
                connection.getresponse().read()
            connection.close()

        list(pool.map(ask, range(4)))
    assert time.monotonic() - begin < 15


def test_who_has_nothing_to_do_costs_nothing(loops: tuple[str, ServerProcess]) -> None:
    def used() -> int:
        fields = Path(f"/proc/{loops[1].process.pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    loops[1].get("/timers")
    least = 100
    for _ in range(3):  # whatever ran still when it began
        before = used()
        time.sleep(1)
        least = min(least, used() - before)
    assert least <= 3  # ticks of 10 ms
