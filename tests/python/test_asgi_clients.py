"""ASGI applications and their clients: those that go away or are slow, and what failures cost."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import IncompleteRead, RemoteDisconnected
from pathlib import Path

import pytest
from servers import ServerProcess, read_until, serving, until_it_printed


@pytest.fixture
def own_server() -> Iterator[ServerProcess]:
    """One whose output is looked at."""
    with serving("'asgi_app:app', workers=1") as server:
        yield server


def test_receive_and_send_as_tasks(own_server: ServerProcess) -> None:
    assert own_server.get("/as_tasks", "POST", body=b"task")[1] == b"task"
    until_it_printed(own_server, "after the response: http.disconnect")


def test_a_receive_that_is_cancelled_loses_nothing(own_server: ServerProcess) -> None:
    with own_server.socket() as connection:
        connection.sendall(
            b"POST /cancelled_receive HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        received = read_until(connection, b"go")
        connection.sendall(b"4\r\nkept\r\n0\r\n\r\n")
        received = read_until(connection, b"\r\n0\r\n\r\n", received)
    assert b"kept" in received


def test_a_client_that_goes_away_is_a_disconnect(own_server: ServerProcess) -> None:
    with own_server.socket() as connection:
        connection.sendall(b"GET /wait_for_the_end HTTP/1.1\r\nHost: x\r\n\r\n")
        until_it_printed(own_server, "waits")
    until_it_printed(own_server, "heard http.disconnect")
    until_it_printed(own_server, "send raised ConnectionResetError")
    assert own_server.end() == 0
    assert "failed" not in own_server.stderr()


@pytest.mark.parametrize("target", [b"/flood", b"/flood_that_fails", b"/flood_that_fails?group"])
def test_a_client_that_goes_away_ends_a_flood(own_server: ServerProcess, target: bytes) -> None:
    with own_server.socket() as connection:
        connection.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        assert len(connection.recv(65536, socket.MSG_WAITALL)) == 65536
    until_it_printed(own_server, "flood ended: ConnectionResetError")
    assert own_server.end() == 0
    assert "failed" not in own_server.stderr()  # the client's doing


def test_a_client_that_goes_away_in_its_body(own_server: ServerProcess) -> None:
    with own_server.socket() as connection:
        connection.sendall(
            b"POST /wait_for_the_end HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\nx"
        )
    for _ in range(20):
        assert own_server.get("/")[1] == b"hello"
    assert own_server.end() == 0


@contextmanager
def kept_for_others(server: ServerProcess) -> Iterator[None]:
    """Twenty connections have requests that the application keeps, meanwhile and afterwards."""
    with ExitStack() as stack:
        connections = [stack.enter_context(server.socket()) for _ in range(20)]
        for each in connections:
            each.sendall(b"GET /keep HTTP/1.1\r\nHost: x\r\n\r\n")
        yield
        assert server.get("/")[1] == b"hello"
        for each in connections:
            each.setblocking(False)
            with pytest.raises(BlockingIOError):
                each.recv(1)


def test_a_part_of_a_body_and_the_end_come_at_once(
    own_server: ServerProcess, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    target = b"/lost_between?" + os.fsencode(tmp_path / "pipe").hex().encode()
    head = b"POST " + target + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n"
    with own_server.socket() as connection:
        connection.sendall(head)
        with open(tmp_path / "pipe", "w"):  # the application is called now, and waits
            connection.sendall(b"part")
            connection.close()
    with kept_for_others(own_server):
        until_it_printed(own_server, "between: ")
    said = "between: 4 True ConnectionResetError ConnectionResetError http.disconnect"
    assert said in own_server.output()
    assert own_server.end() == 0
    assert "failed" not in own_server.stderr()


def test_a_client_that_went_away_before_its_turn(own_server: ServerProcess, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    target = b"/hold_up?" + os.fsencode(tmp_path / "pipe").hex().encode()
    with own_server.socket() as first, own_server.socket() as second:
        first.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        with open(tmp_path / "pipe", "w"):  # the only worker is busy now
            second.sendall(b"GET /lost_at_once HTTP/1.1\r\nHost: x\r\n\r\n")
            second.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            second.close()
        assert first.recv(100)
    with kept_for_others(own_server):
        until_it_printed(own_server, "at once: http.disconnect")
    assert own_server.end() == 0
    assert "failed" not in own_server.stderr()


def test_the_time_for_the_next_request_counts_from_the_answer() -> None:
    """And not from when the connection came, after which a first request has to come soon."""
    request = b"GET /suspend HTTP/1.1\r\nHost: x\r\n\r\n"
    with (
        serving("'asgi_app:app', workers=1, header_timeout=1") as server,
        server.socket() as first,
    ):
        first.sendall(request)
        read_until(first, b"suspended")
        with server.socket() as silent:
            assert silent.recv(1) == b""  # its time is over, and so would be that of the first
        first.sendall(request)
        read_until(first, b"suspended")


def test_a_slow_reader_does_not_hold_up_others(own_server: ServerProcess) -> None:
    with own_server.socket() as connection:
        connection.sendall(b"GET /flood HTTP/1.1\r\nHost: x\r\n\r\n")
        for _ in range(50):
            assert own_server.get("/suspend")[1] == b"suspended"


def test_work_in_the_background(own_server: ServerProcess) -> None:
    assert own_server.get("/background")[1] == b"done"
    until_it_printed(own_server, "background work done")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/fails", "ZeroDivisionError: on purpose"),
        ("/fails_later", "ZeroDivisionError: on purpose, later"),
        ("/says_nothing", "returned without starting a response"),
        ("/says_half", "returned without completing its response"),
        ("/exits", "GET /exits failed: SystemExit(7)"),
        ("/cancels_itself", "in cancels_itself\n    await asyncio.sleep(0)"),
        ("/fails_in_a_group", "BaseExceptionGroup: on purpose, in a group (2 sub-exceptions)"),
    ],
)
def test_failures_cost_one_answer(own_server: ServerProcess, path: str, words: str) -> None:
    for _ in range(2):
        response, body = own_server.get(path)
        assert (response.status, body) == (500, b"Internal Server Error\n")
        assert own_server.get("/")[1] == b"hello"
    assert own_server.end() == 0
    assert own_server.stderr().count(words) == 2, own_server.stderr()
    assert own_server.stderr().count(f"GET {path}") == 2


def test_the_loop_goes_on_when_a_task_exits(own_server: ServerProcess) -> None:
    for _ in range(2):
        assert own_server.get("/exits_in_a_group")[0].status == 500
        assert own_server.get("/")[1] == b"hello"
    assert own_server.end() == 0
    said = own_server.stderr()
    assert said.count("SystemExit(7) in the application's event loop, which goes on") >= 2
    assert "Exception ignored" not in said


def test_a_failure_in_the_body_breaks_it_off(own_server: ServerProcess) -> None:
    with pytest.raises((IncompleteRead, RemoteDisconnected, ConnectionError)):
        own_server.get("/fails_in_the_body")
    assert own_server.get("/")[1] == b"hello"
    assert own_server.end() == 0
    assert own_server.stderr().count("ZeroDivisionError: on purpose, in the body") == 1


def test_what_is_in_flight_may_finish(own_server: ServerProcess) -> None:
    """A signal comes while a client waits for an answer that takes the rest of its body."""
    with own_server.socket() as connection:
        connection.sendall(b"POST /measure HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
        connection.sendall(bytes(50_000))
        own_server.get("/")
        own_server.process.terminate()
        connection.sendall(bytes(50_000))
        received = b""
        while part := connection.recv(4096):
            received += part
    assert received.split(b"\r\n\r\n")[1].startswith(b"100000")
    assert own_server.end() == 0
    assert "lifespan: shutdown" in own_server.output()


def test_the_grace_is_all_that_requests_get() -> None:
    with (
        serving("'asgi_app:app', workers=1, grace=0.2") as server,
        server.socket() as connection,
    ):
        connection.sendall(b"GET /wait_for_the_end HTTP/1.1\r\nHost: x\r\n\r\n")
        until_it_printed(server, "waits")
        assert server.end() == 0, server.stderr()
        assert "lifespan: shutdown" in server.output()
        assert "heard http.disconnect" in server.output()
