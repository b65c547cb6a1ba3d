"""ASGI requests over real sockets: what the specification says of scopes, bodies and answers."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from servers import ServerProcess, here, read_until, serving, talk


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with serving("'asgi_app:app', workers=2, root_path='/root/'") as server:
        yield server
        assert server.end() == 0, server.stderr()
        assert server.output().count("lifespan: shutdown") == 2, server.output()


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/", 200, b"hello"),
        ("/nowhere", 404, b"not found"),
        ("/suspend", 200, b"suspended"),
        ("/stream", 200, b"0\n1\n2\n3\n4\n"),
        ("/stream_at_once", 200, b"0\n1\n2\n3\n4\n"),
        ("/context", 200, b"unset set"),
        ("/from_thread", 200, b"from a thread"),
        ("/executor", 200, None),
        ("/pathsend", 200, (here / "asgi_app.py").read_bytes()),
        ("/echo", 200, b""),
        ("/measure", 200, b"0 1"),
    ],
)
def test_answers(server: ServerProcess, path: str, status: int, body: bytes | None) -> None:
    for _ in range(2):  # nothing of a request is left to the next
        response, got = server.get(path)
        assert response.status == status
        assert response.headers["date"].endswith(" GMT")
        assert body is None or got == body


def test_much_is_streamed(server: ServerProcess) -> None:
    _, body = server.get("/much")
    assert body == b"".join(bytes([n % 251]) * 65_536 for n in range(400))


def test_scope(server: ServerProcess) -> None:
    headers = {"X-Mixed-Case": "Value", "cookie": "a=1"}
    _, body = server.get("/scope?q=%20é".replace("é", "%C3%A9"), headers=headers)
    scope = ast.literal_eval(body.decode())
    assert scope["type"] == "http"
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.4"}
    assert (scope["http_version"], scope["method"], scope["scheme"]) == ("1.1", "GET", "http")
    assert (scope["path"], scope["raw_path"]) == ("/root/scope", b"/root/scope")
    assert (scope["query_string"], scope["root_path"]) == (b"q=%20%C3%A9", "/root")
    assert (b"x-mixed-case", b"Value") in scope["headers"]
    assert (b"cookie", b"a=1") in scope["headers"]
    assert scope["client"][0] == "127.0.0.1"
    assert scope["server"] == ("127.0.0.1", server.port)
    assert scope["state"] == {"started": "yes"}
    assert "http.response.trailers" in scope["extensions"]


def test_scope_decodes_the_path(server: ServerProcess) -> None:
    response, _ = server.get("/caf%C3%A9")
    assert response.status == 404
    scope = ast.literal_eval(server.get("/scope")[1].decode())
    assert scope["query_string"] == b""


def test_head_and_length(server: ServerProcess) -> None:
    for path in ("/", "/suspend", "/stream"):
        response, body = server.get(path, "HEAD")
        assert (response.status, body) == (200, b"")
    assert server.get("/", "HEAD")[0].headers["content-length"] == "5"


@pytest.mark.parametrize("size", [0, 1, 1000, 60_000, 100_000, 5_000_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_bodies(server: ServerProcess, size: int, chunked: bool) -> None:
    body = bytes(range(251)) * (size // 251 + 1)
    body = body[:size]
    given = iter([body[:7], body[7:]]) if chunked else body
    connection = server.connect()
    for _ in range(2):  # the connection goes on
        connection.request("POST", "/echo", given, encode_chunked=chunked)
        response = connection.getresponse()
        assert response.read() == body
        given = iter([body]) if chunked else body
    connection.close()


def test_a_connection_goes_on_after_a_chunked_body(server: ServerProcess) -> None:
    """However much of the body has come when the application begins to read it."""
    body = bytes(100_000)
    for _ in range(60):
        connection = server.connect()
        for _ in range(2):
            connection.request("POST", "/echo", iter([body[:7], body[7:]]), encode_chunked=True)
            assert connection.getresponse().read() == body
        connection.close()


def test_a_body_and_its_long_answer_within_one_step(server: ServerProcess, tmp_path: Path) -> None:
    """The whole body is in the socket when the application reads it, and the client reads nothing
    before the application has ended: the rest of the answer is sent without it.
    """
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    target = f"/at_once?{os.fsencode(pipe).hex()}"
    head = f"POST {target} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    with server.socket() as connection, connection.makefile("rb") as answers:
        for _ in range(2):  # the connection goes on
            connection.sendall(head.encode())
            with pipe.open("w"):  # the application is there
                connection.sendall(b"3\r\nabc\r\n0\r\n\r\n")
            while answers.readline() != b"\r\n":
                pass
            assert answers.read(24_000_000) == b"abc" * 8_000_000


def test_a_short_body_comes_whole_a_long_one_in_parts(server: ServerProcess) -> None:
    assert server.get("/measure", "POST", body=bytes(50_000))[1] == b"50000 1"
    size, parts = server.get("/measure", "POST", body=bytes(3_000_000))[1].split()
    assert size == b"3000000"
    assert int(parts) > 1


def test_both_ways_at_once(server: ServerProcess) -> None:
    """Each part is answered before the next is sent: nothing waits for the body's end."""
    with server.socket() as connection:
        connection.sendall(
            b"POST /duplex HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        received = b""
        for word in (b"one", b"two", b"three"):
            connection.sendall(b"%x\r\n%s\r\n" % (len(word), word))
            received = read_until(connection, word.upper(), received)
        connection.sendall(b"0\r\n\r\n")
        read_until(connection, b"\r\n0\r\n\r\n", received)


def test_continue_is_sent_when_the_body_is_wanted(server: ServerProcess) -> None:
    with server.socket() as connection:
        connection.sendall(
            b"POST /measure HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n"
            b"Expect: 100-continue\r\nConnection: close\r\n\r\n"
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.sendall(bytes(200_000))
        received = b""
        while part := connection.recv(4096):
            received += part
    assert b"200000 " in received


def test_a_body_that_nobody_reads(server: ServerProcess) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n"
    last = b"GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    received = talk(server, head + bytes(300_000) + last)
    assert [b"hello" in received, b"not found" in received] == [True, True], received


def test_pipelined_requests_are_answered_in_order(server: ServerProcess) -> None:
    request = b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    paths = (b"/", b"/suspend", b"/stream", b"/", b"/suspend", b"/fails_later")
    received = talk(server, b"".join(request % each for each in paths) + last)
    found = re.findall(rb"hello|suspended|0\n\r\n2\r\n1|Internal Server Error\n", received)
    assert [each[:5] for each in found] == [
        b"hello", b"suspe", b"0\n\r\n2", b"hello", b"suspe", b"Inter", b"hello",
    ]  # fmt: skip


def test_http_1_0(server: ServerProcess) -> None:
    received = talk(server, b"GET /stream HTTP/1.0\r\n\r\n")
    assert b"Transfer-Encoding" not in received
    assert received.endswith(b"\r\n\r\n0\n1\n2\n3\n4\n")
    received = talk(server, b"GET /scope HTTP/1.0\r\n\r\n")
    assert b"'http_version': '1.0'" in received


def test_trailers(server: ServerProcess) -> None:
    received = talk(server, b"GET /trailers HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert received.endswith(b"4\r\nbody\r\n0\r\nx-sum: 42\r\n\r\n")
    received = talk(server, b"GET /trailers?parts HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    parts = b"x-first: 1\r\nx-second: 2\r\nx-good: 3\r\nx-sum: 42\r\n\r\n"
    assert received.endswith(b"4\r\nbody\r\n0\r\n" + parts)


def test_early_hints(server: ServerProcess) -> None:
    received = talk(server, b"GET /early_hint HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\nHTTP/1.1 200 OK"
    assert received.startswith(hint)


def test_messages_that_are_wrong(server: ServerProcess) -> None:
    response, body = server.get("/wrong")
    said = body.decode().split("\n")
    assert response.status == 200
    assert len(said) == 10
    assert "accepted" not in said
    for line, words in zip(
        said,
        ("dict", "'type'", "'type'", "before", "'status'", "'status'", "200 to 999", "headers",
         "websocket.accept", "trailers"),
        strict=True,
    ):  # fmt: skip
        assert words in line, (line, words)


@pytest.mark.parametrize("field", ["x(y=1", "x=a%0Ab", "=1"])
def test_headers_that_are_wrong(server: ServerProcess, field: str) -> None:
    assert server.get(f"/wrong_header?{field}")[0].status == 500


@pytest.mark.parametrize("length", ["4", "6", "-1", "many"])
def test_lengths_that_are_wrong(server: ServerProcess, length: str) -> None:
    assert server.get(f"/wrong_length?{length}")[0].status == 500


def test_many_at_once(server: ServerProcess) -> None:
    paths = ["/suspend", "/", "/stream", "/executor", "/from_thread", "/echo"] * 20
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda path: server.get(path)[0].status, paths))
    assert answers == [200] * len(paths)
