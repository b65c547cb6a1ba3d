"""wsgi.input in a server of its own process: bodies that are here whole, and those that come.

With body_buffer=0 the application gets them as they come; otherwise see test_wsgi_slow_bodies.py.
"""

from __future__ import annotations

import ast
import contextlib
import socket
from collections.abc import Iterator

import pytest
from servers import ServerProcess, serving

LONG = bytes(range(256)) * 20_000  # 5 MB: it may be handed over before it has come


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with serving("'wsgi_app:app', workers=2, body_buffer=0") as server:
        yield server
        assert server.end() == 0, server.stderr()


@pytest.fixture(scope="module", params=["workers=2, body_buffer=0", "workers=2", "workers=1"])
def each_kind(request: pytest.FixtureRequest) -> Iterator[ServerProcess]:
    """As they come; from fast clients only; never."""
    with serving(f"'wsgi_app:app', {request.param}") as server:
        yield server
        assert server.end() == 0, server.stderr()


@pytest.fixture(scope="module")
def alone() -> Iterator[ServerProcess]:
    """With one worker, so that each request is the next of the same one."""
    with serving("'wsgi_app:app', workers=1, body_timeout=1.0, body_buffer=0") as server:
        yield server
        assert server.end() == 0, server.stderr()


def read_all(client: socket.socket) -> bytes:
    return b"".join(iter(lambda: client.recv(65536), b""))


def chunked(body: bytes, size: int) -> bytes:
    parts = [body[i : i + size] for i in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


# The calls, and what they give for b"one\ntwo\n\nfour".
CALLS = {
    "file.read()": [b"one\ntwo\n\nfour"],
    "file.read(-1);file.read(-1);file.read(1)": [b"one\ntwo\n\nfour", b"", b""],
    "file.read(None)": [b"one\ntwo\n\nfour"],
    "file.read(0);file.read(3);file.read(100)": [b"", b"one", b"\ntwo\n\nfour"],
    "file.readline();file.readline(2);file.readline(100)": [b"one\n", b"tw", b"o\n"],
    "file.readline(-1);file.readline(None);file.readline(0)": [b"one\n", b"two\n", b""],
    "file.readlines()": [[b"one\n", b"two\n", b"\n", b"four"]],
    "file.readlines(5);file.readlines(0)": [[b"one\n", b"two\n"], [b"\n", b"four"]],
    "list(file);list(file);file.readline()": [[b"one\n", b"two\n", b"\n", b"four"], [], b""],
    "next(file);file.read(2);next(file)": [b"one\n", b"tw", b"o\n"],
    "iter(file) is file;file.read(10**30)": [True, b"one\ntwo\n\nfour"],
}


@pytest.mark.parametrize("calls", CALLS)
@pytest.mark.parametrize("how", ["whole", "length", "chunks", "single bytes"])
def test_reading(each_kind: ServerProcess, calls: str, how: str) -> None:
    body = b"one\ntwo\n\nfour"
    target = calls.encode().hex()
    head = f"POST /read?{target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n".encode()
    with each_kind.socket() as client:
        if how in ("whole", "length"):
            client.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body))
            client.sendall(body)
        else:
            # No length, so that the application may be called before it has come.
            client.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
            client.sendall(chunked(body, 3 if how == "chunks" else 1))
        answer = read_all(client)
    assert ast.literal_eval(answer.partition(b"\r\n\r\n")[2].decode()) == CALLS[calls]


@pytest.mark.parametrize("call", ["file.read(1.5)", "file.read('1')", "file.read(1, 2)"])
def test_wrong_arguments(server: ServerProcess, call: str) -> None:
    before = server.stderr().count("TypeError")
    assert server.get(f"/read?{call.encode().hex()}")[0].status == 500
    assert server.stderr().count("TypeError") == before + 1


@pytest.mark.parametrize("step", [1000, 65536, 1_000_000, 100_000_000])
def test_a_long_body(each_kind: ServerProcess, step: int) -> None:
    connection = each_kind.connect()
    for _ in range(3):
        connection.request("POST", f"/count?{step}", body=LONG)
        assert connection.getresponse().read() == str(len(LONG)).encode()
        connection.request("POST", f"/count?{step}", body=iter([LONG, b"", b"more"]))
        assert connection.getresponse().read() == str(len(LONG) + 4).encode()
    connection.request("POST", "/echo", body=LONG)
    response = connection.getresponse()
    assert response.headers["X-Length"] == str(len(LONG))
    assert response.read() == LONG
    connection.close()


def test_100_continue_comes_when_the_body_is_read(server: ServerProcess) -> None:
    head = b"POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\nExpect: 100-continue\r\n\r\n"
    with server.socket() as client:
        client.sendall(head % b"/count?1000")
        assert client.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"x" * 100_000)
        client.shutdown(socket.SHUT_WR)
        assert read_all(client).endswith(b"\r\n\r\n100000")
    with server.socket() as client:  # not for who does not read it
        client.sendall(head % b"/ignore")
        answer = read_all(client)
        assert answer.startswith(b"HTTP/1.1 403 ")
        assert b"Connection: close" in answer


def test_what_follows_a_long_body_is_served(each_kind: ServerProcess) -> None:
    post = b"POST /count?65536 HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
    stream = b"POST /count?7000 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    get = b"GET / HTTP/1.1\r\nHost: a\r\n"
    sent = (
        post % 300_000 + b"x" * 300_000
        + get + b"\r\n"
        + stream + chunked(b"y" * 200_000, 1000)
        + stream + chunked(b"y", 1000)
        + get + b"Connection: close\r\n\r\n"
    )  # fmt: skip
    for cut in (len(sent), 300_000, 65_536, 299_999):
        with each_kind.socket() as client:
            for i in range(0, len(sent), cut):
                client.sendall(sent[i : i + cut])
            answers = read_all(client)
        bodies = [each.partition(b"\r\n\r\n")[2] for each in answers.split(b"HTTP/1.1 ")[1:]]
        assert bodies == [b"300000", b"hello", b"200000", b"1", b"hello"]


@pytest.mark.parametrize("size", [10, 100_000, 600_000, 5_000_000])
@pytest.mark.parametrize("path", ["/ignore", "/some"])
def test_a_body_that_is_not_read(each_kind: ServerProcess, path: str, size: int) -> None:
    answer = {"/ignore": b"no", "/some": b"xxxxx is enough"}[path]
    for body in (b"x" * size, iter([b"x" * size])):
        connection = each_kind.connect()
        with contextlib.suppress(BrokenPipeError):  # it need not take the rest
            connection.request("POST", path, body=body)
        response = connection.getresponse()
        assert response.read() == answer
        told = path == "/ignore" or (size < 1_000_000 and isinstance(body, bytes))
        if response.headers["Connection"] != "close" and told:
            connection.request("GET", "/")
            assert connection.getresponse().read() == b"hello"
        connection.close()


AWAITED = 1024 * 1024  # a body of more than that may be read as it comes


@pytest.mark.parametrize("start", [b"", b"some of it"])
@pytest.mark.parametrize("framing", [b"Content-Length: 2000000", b"Transfer-Encoding: chunked"])
def test_a_client_that_goes_away(server: ServerProcess, start: bytes, framing: bytes) -> None:
    said = "read raised ConnectionResetError: [Errno 104] the client went away"
    before, errors = server.stderr().count(said), server.stderr().count("ERROR")
    with server.socket() as client:
        client.sendall(b"POST /upload-gone HTTP/1.1\r\nHost: a\r\n" + framing + b"\r\n\r\n")
        if framing[0:1] == b"T":
            client.sendall(b"%x\r\n" % (2 * AWAITED) + bytes(AWAITED + 1))
        client.sendall(start)
    server.wait_until_it_said(said, before + 1)
    # No failure of the application.
    assert server.get("/")[1] == b"hello"
    assert server.stderr().count("ERROR") == errors


def test_a_client_that_sends_nothing_is_cut(alone: ServerProcess) -> None:
    with alone.socket() as client:
        client.sendall(
            b"POST /upload-gone HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\nabc"
        )
        assert read_all(client).startswith(b"HTTP/1.1 408 ")
    alone.wait_until_it_said("and again")
    assert alone.get("/")[1] == b"hello"


def test_a_body_that_is_malformed_in_the_middle(server: ServerProcess) -> None:
    before = server.stderr().count("read raised")
    asked = server.stderr().count("reads\n")
    with server.socket() as client:
        client.sendall(
            b"POST /upload-gone HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            + b"%x\r\n%s\r\n" % (AWAITED + 1, bytes(AWAITED + 1))
        )
        server.wait_until_it_said("reads\n", asked + 1)  # else it would not have been asked
        client.sendall(b"nonsense\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert b"200 OK" not in read_all(client)
    server.wait_until_it_said("read raised", before + 1)


def test_reading_on_another_thread(server: ServerProcess) -> None:
    assert server.get("/read-thread", "POST", body=b"short")[1] == b"b'short'"
    answer = server.get("/read-thread", "POST", body=iter([b"x"] * 3))[1]
    assert answer.startswith((b"wsgi.input: a body that still comes can be read only", b"b'xxx'"))


def test_what_is_kept_after_the_request(alone: ServerProcess) -> None:
    over = [
        "start_response was called after its request was answered",
        "write was called after its request was answered",
    ]
    for body, rest in (
        (b"body", "b'dy'"),
        (b"x" * 2_000_000, "wsgi.input: the request was answered, its body is not there"),
    ):
        assert alone.get("/keep", "POST", body=body)[1] == b"kept"
        said = alone.get("/kept", "POST", body=b"another")[1].decode().splitlines()
        assert said == ["/keep", rest, *over]
        assert alone.get("/echo", "POST", body=b"own")[1] == b"own"


def test_nothing_is_left_of_requests(alone: ServerProcess) -> None:
    paths = ["/", "/parts", "/write", "/several-large", "/file?plain", "/file?zipped", "/raises",
             "/breaks", "/too-late", "/wrong?none", "/closed?whole"]  # fmt: skip
    found = []
    for _ in range(3):
        for path in paths * 5:
            with contextlib.suppress(OSError, Exception):
                alone.get(path)
            alone.get("/echo", "POST", body=iter([b"x" * 1000] * 5))
        alone.get("/garbage")
        found.append(int(alone.get("/garbage")[1]))
    assert found[2] - found[1] < 20, found
