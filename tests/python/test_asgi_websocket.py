"""WebSockets of an ASGI application, with a client that others wrote (websockets)."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any, BinaryIO

import pytest
from servers import ServerProcess, serving
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with serving("'websocket_app:app', workers=2") as server:
        yield server
        assert server.end() == 0, server.stderr()


@pytest.fixture
def own_server() -> Iterator[ServerProcess]:
    with serving("'websocket_app:app', workers=1") as server:
        yield server


def open_at(server: ServerProcess, path: str, **options: Any) -> ClientConnection:
    return connect(f"ws://{server.host}:{server.port}{path}", max_size=None, **options)


@pytest.mark.parametrize("compression", ["deflate", None])
def test_echo(server: ServerProcess, compression: str | None) -> None:
    with open_at(server, "/echo", compression=compression) as client:
        said = (
            client.response.headers.get("Sec-WebSocket-Extensions", "") if client.response else ""
        )
        assert ("permessage-deflate" in said) == (compression is not None)
        for message in (
            "",
            "hi",
            "é" * 1000,
            b"",
            b"\x00\xff",
            "x" * 100_000,
            os.urandom(2_000_000),
        ):
            client.send(message)
            assert client.recv(timeout=30) == message
        assert client.ping().wait(30)


def test_fragments(server: ServerProcess) -> None:
    with open_at(server, "/echo") as client:
        client.send(["one ", "two ", "three"])
        assert client.recv(timeout=30) == "one two three"


def test_many_messages_in_order(server: ServerProcess) -> None:
    with open_at(server, "/echo") as client:
        for number in range(500):
            client.send(str(number))
        assert [client.recv(timeout=30) for _ in range(500)] == [str(n) for n in range(500)]


def test_many_at_once(server: ServerProcess) -> None:
    def one(number: int) -> bool:
        with open_at(server, "/slow-accept") as client:
            for step in range(10):
                client.send(f"{number} {step}")
                if client.recv(timeout=60) != f"{number} {step}":
                    return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(one, range(48)))


def test_scope_and_accept(server: ServerProcess) -> None:
    with open_at(server, "/scope?a=%201", subprotocols=["chat", "other"]) as client:
        scope = ast.literal_eval(str(client.recv(timeout=30)))
        assert client.subprotocol == "chat"
        assert client.response is not None
        assert client.response.headers["x-accepted"] == "yes"
    assert (scope["type"], scope["scheme"]) == ("websocket", "ws")
    assert (scope["path"], scope["query_string"]) == ("/scope", b"a=%201")
    assert scope["subprotocols"] == ["chat", "other"]
    assert "method" not in scope
    assert "websocket.http.response" in scope["extensions"]
    assert (b"upgrade", b"websocket") in scope["headers"]


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/refuse", 403, b""),
        ("/respond", 418, b"no tea"),
        ("/raise", 500, b""),
        ("/nothing", 500, b""),
    ],
)
def test_refusals(server: ServerProcess, path: str, status: int, body: bytes) -> None:
    if path == "/nothing":
        status = 403
    with pytest.raises(InvalidStatus) as caught:
        open_at(server, path)
    assert caught.value.response.status_code == status
    assert caught.value.response.body == body


@pytest.mark.parametrize(
    ("path", "code", "reason"),
    [("/close", 3001, "so long"), ("/fail", 1011, ""), ("/return", 1000, "")],
)
def test_the_application_closes(server: ServerProcess, path: str, code: int, reason: str) -> None:
    with open_at(server, path) as client:
        with pytest.raises(ConnectionClosed) as caught:
            client.recv(timeout=30)
        assert caught.value.rcvd is not None
        assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (code, reason)


def test_messages_that_are_wrong(server: ServerProcess) -> None:
    with open_at(server, "/wrong") as client:
        assert client.recv(timeout=30) == "TypeError RuntimeError RuntimeError TypeError ValueError"


def test_the_client_closes(own_server: ServerProcess) -> None:
    with open_at(own_server, "/echo") as client:
        client.close(3333, "enough")
    client = open_at(own_server, "/echo")
    client.socket.close()  # without a word
    with open_at(own_server, "/echo") as other:
        other.send("still there")
        assert other.recv(timeout=30) == "still there"
    assert own_server.end() == 0
    assert "disconnect 3333 'enough'" in own_server.output()
    assert "disconnect 1006 ''" in own_server.output()
    assert "failed" not in own_server.stderr()


def test_what_waits_is_not_garbage(own_server: ServerProcess) -> None:
    """A WebSocket that nothing but its own task refers to lives as long as its client."""
    with open_at(own_server, "/echo") as client:
        client.send("before")
        assert client.recv(timeout=30) == "before"
        for _ in range(3):
            assert own_server.get("/")[1] == b"http"  # collects
        client.send("after")
        assert client.recv(timeout=30) == "after"


def test_the_server_stops(own_server: ServerProcess) -> None:
    with open_at(own_server, "/echo") as client:
        client.send("one")
        assert client.recv(timeout=30) == "one"
        own_server.process.terminate()
        with pytest.raises(ConnectionClosed) as caught:
            client.recv(timeout=30)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1012
    assert own_server.end() == 0
    assert "disconnect 1012" in own_server.output()


def test_a_client_that_does_not_read_ends_a_flood(own_server: ServerProcess) -> None:
    client = open_at(own_server, "/flood", compression=None, max_queue=1)
    with open_at(own_server, "/echo") as other:
        other.send("not held up")
        assert other.recv(timeout=30) == "not held up"
    client.socket.close()
    until(own_server, "flood ended")
    assert own_server.end() == 0
    assert "flood ended: ConnectionResetError" in own_server.output()
    assert "failed" not in own_server.stderr()


def test_what_nobody_receives_waits_with_the_client(own_server: ServerProcess) -> None:
    """Pings are answered though the application is deaf; its memory does not grow without limit."""
    with open_at(own_server, "/deaf", compression=None) as client:
        for _ in range(40):  # more than the queue takes
            client.send("unheard")
        assert own_server.get("/")[1] == b"http"


# Options


def options(text: str) -> AbstractContextManager[ServerProcess]:
    return serving(f"'websocket_app:app', workers=1, {text}")


@pytest.mark.parametrize("compression", ["deflate", None])
def test_a_message_may_have_so_many_bytes(compression: str | None) -> None:
    with options("ws_max_size=1000") as server:
        for messages in (["x" * 1001], [["x" * 600, "y" * 401]], [b"", bytes(100_000)]):
            with open_at(server, "/echo", compression=compression) as client:
                client.send("x" * 1000)
                assert client.recv(timeout=30) == "x" * 1000
                with pytest.raises(ConnectionClosed) as caught:
                    for message in messages:
                        client.send(message)
                    while True:
                        assert client.recv(timeout=30) == b""
                assert caught.value.rcvd is not None
                assert caught.value.rcvd.code == 1009
        assert server.end() == 0
        assert "disconnect 1009" in server.output()


def test_compression_can_be_switched_off() -> None:
    with options("ws_per_message_deflate=False") as server:
        with open_at(server, "/echo", compression="deflate") as client:
            assert client.response is not None
            assert "Sec-WebSocket-Extensions" not in client.response.headers
            client.send("x" * 10_000)
            assert client.recv(timeout=30) == "x" * 10_000
        assert server.end() == 0


def test_so_many_messages_wait_for_the_application() -> None:
    """A ping behind them is read when they are received, not before."""
    with options("ws_max_queue=2, ws_ping_interval=None") as server:
        with open_at(server, "/deaf-until-told", compression=None) as client:
            for number in range(10):
                client.send(str(number))
            pong = client.ping()
            for _ in range(3):
                server.get("/")
            assert not pong.is_set()
            server.get("/tell")
            assert [client.recv(timeout=30) for _ in range(10)] == [str(n) for n in range(10)]
            assert pong.wait(30)
        assert server.end() == 0


def silent(server: ServerProcess) -> BinaryIO:
    """What comes from a WebSocket at /echo whose client sends nothing more."""
    with server.socket() as connection:
        connection.sendall(handshake("/echo", HANDSHAKE))
        came = connection.makefile("rwb")
    while came.readline() != b"\r\n":
        pass
    return came


def test_a_client_that_does_not_answer_pings_is_gone() -> None:
    with options("ws_ping_interval=0.02, ws_ping_timeout=0.02") as server:
        with silent(server) as came:
            assert came.read() == b"\x89\x00"
        until(server, "disconnect 1006")
        assert server.end() == 0


@pytest.mark.parametrize("timeout", ["60", "0", "None"])
def test_pings_go_on(timeout: str) -> None:
    with options(f"ws_ping_interval=0.02, ws_ping_timeout={timeout}") as server:
        with silent(server) as came:
            for _ in range(4):
                assert came.read(2) == b"\x89\x00"
                if timeout == "60":  # else nobody waits for the answer
                    came.write(b"\x8a\x80abcd")
                    came.flush()
        assert server.end() == 0


@pytest.mark.parametrize("interval", ["0", "None"])
def test_no_pings(interval: str) -> None:
    with options(f"ws_ping_interval={interval}, ws_ping_timeout=0.01") as server:
        with silent(server) as came:
            for _ in range(20):
                server.get("/")
            server.process.terminate()
            assert came.read(4)[:1] == b"\x88"  # the end of the server, and nothing before
        assert server.end() == 0


HANDSHAKE = {
    "Host": "x",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def handshake(path: str, fields: dict[str, str]) -> bytes:
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"GET {path} HTTP/1.1\r\n{head}\r\n".encode()


def until(server: ServerProcess, text: str) -> None:
    for _ in range(2000):
        if text in server.output():
            return
        server.get("/")
    raise AssertionError(f"{text!r} was not said: {server.output()}{server.stderr()}")


def test_a_client_that_goes_before_it_is_accepted(own_server: ServerProcess) -> None:
    """Both that wait in receive() hear of it, and a third is told that there is no more."""
    with own_server.socket() as connection:
        connection.sendall(handshake("/never-accept", HANDSHAKE))
        until(own_server, "waits")
    until(own_server, "never accepted: [1006, 1006, 'ASGI: receive() after websocket.disconnect']")


BAD_HANDSHAKES = [
    ("Sec-WebSocket-Version: 12", 426),
    ("Sec-WebSocket-Key: short", 400),
]


@pytest.mark.parametrize(("field", "status"), BAD_HANDSHAKES)
def test_handshakes_that_are_wrong(server: ServerProcess, field: str, status: int) -> None:
    name, _, value = field.partition(": ")
    with server.socket() as connection:
        connection.sendall(handshake("/echo", {**HANDSHAKE, name: value}))
        received = connection.recv(65536)
    assert re.match(rb"HTTP/1.1 (\d+)", received)[1] == str(status).encode()  # type: ignore[index]


def test_frames_that_are_wrong_close_it(server: ServerProcess) -> None:
    with open_at(server, "/echo") as client:
        client.socket.sendall(b"\x83\x80abcd")  # an opcode that is none
        with pytest.raises(ConnectionClosed) as caught:
            client.recv(timeout=30)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1002
