"""WSGI applications that fail or break the rules: what the client sees, and what is logged."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from http.client import IncompleteRead
from pathlib import Path

import pytest
from servers import ServerProcess, serving


@pytest.fixture
def server() -> Iterator[ServerProcess]:
    """A new one for each test, whose log then is that test's."""
    with serving("'wsgi_app:app', workers=1") as server:
        yield server


def log_of(server: ServerProcess) -> str:
    """All that it has said, when it has ended."""
    assert server.end() == 0, server.stderr()
    return server.stderr()


@pytest.mark.parametrize(
    ("path", "logged"),
    [
        ("/wrong?none", "the WSGI application returned None; it must return an iterable of bytes"),
        ("/wrong?str", "the WSGI application returned str; it must return an iterable of bytes"),
        ("/wrong?bytes", "the WSGI application returned bytes; it must return an iterable of"),
        ("/wrong?number", "the WSGI application returned a int; it must return an iterable of"),
        ("/wrong?item", "has a part of its body that is not bytes but str"),
        ("/wrong?later", "has a part of its body that is not bytes but int"),
        ("/wrong?many", "has a part of its body that is not bytes but str"),
        ("/unstarted?list", "has a body, and did not call start_response before"),
        ("/unstarted?empty", "has a body, and did not call start_response before"),
        ("/unstarted?iterator", "has a body, and did not call start_response before"),
        ("/unstarted?nothing", "has a body, and did not call start_response before"),
        ("/short?list", "said Content-Length: 10, and its body has 5 bytes"),
        ("/short?none", "said Content-Length: 10, and its body has 0 bytes"),
        ("/short?empty", "said Content-Length: 10, and its body has 0 bytes"),
    ],
)
def test_rules_that_are_broken_before_the_head_is_sent(
    server: ServerProcess, path: str, logged: str
) -> None:
    connection = server.connect()
    connection.request("GET", path)
    response = connection.getresponse()
    assert (response.status, response.read()) == (500, b"Internal Server Error\n")
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    connection.request("GET", "/")  # the connection lives on
    assert connection.getresponse().read() == b"hello"
    connection.close()
    log = log_of(server)
    assert log.count("ERROR") == 1
    assert f"ERROR GET {path}: the WSGI application" in log
    assert logged in log
    assert "Traceback" not in log


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/raises", "ZeroDivisionError: on purpose"),
        ("/raises?started", "ZeroDivisionError: on purpose"),
        ("/raises?exit", "SystemExit: 3"),
        ("/twice", "AssertionError: start_response was called before: a second call must have"),
        ("/closed?raises", "ValueError: first part"),
    ],
)
def test_an_application_that_raises(server: ServerProcess, path: str, error: str) -> None:
    response, body = server.get(path)
    assert (response.status, body) == (500, b"Internal Server Error\n")
    assert response.headers["X-Lost"] is None
    response, body = server.get(path, "HEAD")
    assert (response.status, body) == (500, b"")
    response, body = server.get(path, "POST", body=iter([b"x" * 100_000]))
    assert (response.status, body) == (500, b"Internal Server Error\n")
    assert server.get("/")[1] == b"hello"
    log = log_of(server)
    assert log.count("Traceback (most recent call last)") == 3
    assert log.count(error) == 3
    assert f"ERROR GET {path} failed" in log


@pytest.mark.parametrize(
    ("path", "partial", "logged"),
    [
        ("/breaks", b"begun", "ZeroDivisionError: in the middle"),
        ("/too-late", b"begun", "KeyError: 'after the head'"),
        ("/closed?breaks", b"a", "ValueError: second part"),
        ("/short?parts", b"short", "said Content-Length: 10, and its body has 5 bytes"),
        ("/closed?short", b"abc", "said Content-Length: 10, and its body has 3 bytes"),
    ],
)
def test_an_error_in_the_middle_ends_the_connection(
    server: ServerProcess, path: str, partial: bytes, logged: str
) -> None:
    connection = server.connect()
    connection.request("GET", path)
    response = connection.getresponse()
    assert response.status == 200
    with pytest.raises(IncompleteRead) as caught:
        response.read()
    assert caught.value.partial == partial
    connection.close()
    assert server.get("/")[1] == b"hello"
    log = log_of(server)
    assert log.count("ERROR") == 1
    assert log.count(logged) == 1


@pytest.mark.parametrize("path", ["/long?list", "/long?parts", "/long?behind"])
def test_a_body_that_is_too_long_is_cut(server: ServerProcess, path: str) -> None:
    connection = server.connect()
    for _ in range(2):
        connection.request("GET", path)
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, b"too")
        assert response.headers["Content-Length"] == "3"
    connection.close()
    log = log_of(server)
    assert log.count("ERROR") == 2
    assert "the rest was not sent" in log


def test_what_raises_behind_a_whole_body(server: ServerProcess) -> None:
    connection = server.connect()
    for _ in range(2):  # on one connection: the client has all of it
        connection.request("GET", "/later?fails:5:-")
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, b"xxxxx")
    connection.close()
    log = log_of(server)
    assert log.count("ERROR") == log.count("ZeroDivisionError: after all") == 2


@pytest.mark.parametrize("name", ["whole", "raises", "breaks", "text", "unstarted", "fails",
                                  "short"])  # fmt: skip
def test_close_is_called_once_whatever_happens(server: ServerProcess, name: str) -> None:
    connection = server.connect()
    connection.request("GET", f"/closed?{name}")
    response = connection.getresponse()
    if name in ("whole", "fails"):
        assert (response.status, response.read()) == (200, b"ab" if name == "whole" else b"a")
    connection.close()
    log = log_of(server)
    assert log.count(f"{name} was closed\n") == 1
    assert log.count("RuntimeError: fails can't be closed") == (name == "fails")


def test_close_is_called_for_head(server: ServerProcess) -> None:
    assert server.get("/closed?endless", "HEAD")[0].status == 200
    assert log_of(server).count("endless was closed\n") == 1


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/endless", "endless was closed\n"),
        ("/closed?endless", "endless was closed\n"),
        ("/write-gone", "write raised ConnectionResetError: the client went away"),
    ],
)
@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_a_client_that_goes_away(
    server: ServerProcess, path: str, said: str, version: bytes
) -> None:
    with server.socket() as client:
        client.sendall(b"GET " + path.encode() + b" HTTP/" + version + b"\r\nHost: a\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 200 OK")
    assert server.get("/")[1] == b"hello"  # by the one worker, so it has come to an end
    log = log_of(server)
    assert log.count(said) == 1
    assert "ERROR" not in log  # it is not the application's


def test_a_client_that_does_not_read_is_cut() -> None:
    with serving("'wsgi_app:app', workers=1, send_timeout=0.5") as server:
        with server.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.sendall(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
            assert server.get("/")[1] == b"hello"
        assert server.stderr() == "endless was closed\n"


def test_a_worker_that_waits_holds_up_nobody(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with serving("'wsgi_app:app', workers=2") as server, server.socket() as client:
        client.sendall(b"GET /wait?%s HTTP/1.1\r\nHost: a\r\n\r\n" % bytes(pipe).hex().encode())
        with pipe.open("w"):  # opens when the application has
            for _ in range(20):
                assert server.get("/")[1] == b"hello"
        assert client.recv(1000).endswith(b"waited")


def test_requests_in_flight_finish_when_the_server_ends() -> None:
    with serving("'wsgi_app:app', workers=2, body_buffer=0") as server, server.socket() as client:
        client.sendall(
            b"POST /one-at-a-time HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        answers = client.makefile("rb")
        while answers.readline() != b"ready\n":
            pass
        server.process.terminate()
        client.sendall(b"5\r\nlast\n\r\n0\r\n\r\n")
        assert answers.read().endswith(b"got last\n\r\n0\r\n\r\n")
        assert server.process.wait(20) == 0


def test_a_body_that_does_not_come_is_not_waited_for_at_the_end() -> None:
    options = "workers=2, grace=0.2, body_buffer=0"
    with serving(f"'wsgi_app:app', {options}") as server, server.socket() as client:
        client.sendall(
            b"POST /upload-gone HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\nabc"
        )
        assert server.get("/")[1] == b"hello"
        assert server.end() == 0
        assert "read raised ConnectionResetError" in server.stderr()
