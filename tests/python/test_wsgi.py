"""WSGI applications in a server of its own process: environ, heads, bodies (PEP 3333)."""

from __future__ import annotations

import json
import os
import pathlib
import socket
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse

import pytest
from servers import ServerProcess, serving
from wsgi_pages import LARGE


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with serving("'wsgi_app:app', workers=2") as server:
        yield server
        assert server.end() == 0, server.stderr()


@pytest.fixture(scope="module")
def validated() -> Iterator[ServerProcess]:
    """The same with wsgiref.validate around them."""
    with serving("'wsgi_app:validated', interface='wsgi', workers=2") as server:
        yield server
        assert server.end() == 0, server.stderr()
        assert "Error" not in server.stderr(), server.stderr()


def exchange(server: ServerProcess, sent: bytes) -> bytes:
    """All that the server answers to these bytes, until it closes the connection."""
    with server.socket() as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65536), b""))


def environ_of(server: ServerProcess, sent: bytes) -> dict[str, object]:
    answer = exchange(server, sent)
    found = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("size", [5, 20_000, 60_000, 200_000])
@pytest.mark.parametrize("how", ["ends", "closes", "write"])
def test_a_whole_body_is_sent_at_once(
    how: str, size: int, server: ServerProcess, tmp_path: pathlib.Path
) -> None:
    """What the application does behind it waits for the client here, not the other way round."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    connection = server.connect()
    for said in ("one", "two"):
        connection.request("GET", f"/later?{how}:{size}:{pipe}")
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, b"x" * size)
        pipe.write_text(said)
        server.wait_until_it_said(f"{how}: b'{said}'\n", 1)
    connection.close()


def test_a_request_whose_body_was_sent_counts_no_more(tmp_path: pathlib.Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with serving("'wsgi_app:app', workers=2, limit_concurrency=1") as server:
        connection = server.connect()
        connection.request("GET", f"/later?closes:5:{pipe}")
        assert connection.getresponse().read() == b"xxxxx"
        for _ in range(5):
            assert server.get("/")[1] == b"hello"  # by the other worker
        pipe.write_text("end")
        server.wait_until_it_said("closes: b'end'\n")
        connection.close()
        assert server.end() == 0, server.stderr()


def test_whole_bodies_of_a_client_that_pipelines(server: ServerProcess) -> None:
    requests = [("/", b"hello"), ("/later?no:7:-", b"x" * 7), ("/later?no:20000:-", b"x" * 20_000)]
    with server.socket() as client:
        for path, _ in requests * 3:
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        file = client.makefile("rb")
        for _, body in requests * 3:
            assert file.readline() == b"HTTP/1.1 200 OK\r\n"
            while file.readline() != b"\r\n":
                pass
            assert file.read(len(body)) == body
        file.close()


# environ


def test_environ_has_all_of_the_request(server: ServerProcess) -> None:
    found = environ_of(
        server,
        b"POST /environ/caf%C3%A9%2F%zz?a=%20b HTTP/1.1\r\nHost: example.org:99\r\n"
        b"Content-Type: x/y\r\nContent-Length: 2\r\nX-Two: a\r\nx-two: b\r\nX_Under: no\r\n"
        b"Cookie: a=1\r\nCookie: b=2\r\nX-Latin: caf\xe9\r\nX-Empty:\r\n\r\nxy",
    )
    expected = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/environ/caf\xc3\xa9/%zz",
        "QUERY_STRING": "a=%20b",
        "RAW_URI": "/environ/caf%C3%A9%2F%zz?a=%20b",
        "REQUEST_URI": "/environ/caf%C3%A9%2F%zz?a=%20b",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": str(server.port),
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_TYPE": "x/y",
        "CONTENT_LENGTH": "2",
        "HTTP_HOST": "example.org:99",
        "HTTP_X_TWO": "a, b",
        "HTTP_COOKIE": "a=1; b=2",
        "HTTP_X_LATIN": "caf\xe9",
        "HTTP_X_EMPTY": "",
        "wsgi.version": [1, 0],
        "wsgi.url_scheme": "http",
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
    }
    assert {name: found.get(name) for name in expected} == expected
    assert str(found["REMOTE_PORT"]).isdecimal()
    others = {name for name in found if name.startswith(("HTTP_", "CONTENT_"))} - expected.keys()
    assert others == set()


def test_environ_of_a_short_request(server: ServerProcess) -> None:
    found = environ_of(server, b"GET http://else.where/environ HTTP/1.0\r\n\r\n")
    assert found["SERVER_PROTOCOL"] == "HTTP/1.0"
    assert found["PATH_INFO"] == "/environ"
    assert found["RAW_URI"] == "http://else.where/environ"
    assert found["QUERY_STRING"] == ""
    assert not {"CONTENT_TYPE", "CONTENT_LENGTH", "HTTP_HOST"} & found.keys()


def test_many_header_names_and_long_ones(server: ServerProcess) -> None:
    # More than the cache of names has places, twice with other values, and in between.
    names = [f"X-{'n' * (n % 60)}-{n}" for n in range(90)]
    for turn in ("first", "second", "x" * 260):
        lines = "".join(f"{name}: {turn} {name}\r\n" for name in names)
        found = environ_of(server, f"GET /environ HTTP/1.1\r\nHost: a\r\n{lines}\r\n".encode())
        for name in names:
            assert found["HTTP_" + name.upper().replace("-", "_")] == f"{turn} {name}"


def test_what_an_application_changes_in_its_environ_is_its_own(server: ServerProcess) -> None:
    for _ in range(5):
        assert server.get("/change")[1] == b"False"


def test_nothing_of_the_request_before_is_left(alone: ServerProcess) -> None:
    """By one worker, from two connections in turns."""
    requests = [
        ("GET", "/environ?a=1", "1.1", "one"),
        ("POST", "/environ/other", "1.0", "two"),
        ("GET", "/environ/other", "1.1", "one"),
        ("PUT", "/environ?b", "1.1", "two"),
        ("GET", "/environ", "1.1", "two"),
    ]
    with alone.socket() as first, alone.socket() as second:
        for number in range(20):
            method, target, version, name = requests[number % len(requests)]
            client = (first, second)[number % 2]
            client.sendall(
                f"{method} {target} HTTP/{version}\r\nHost: a\r\nX-{name}: {number}\r\n"
                "Connection: keep-alive\r\nContent-Length: 0\r\n\r\n".encode()
            )
            response = HTTPResponse(client, method=method)
            response.begin()
            found = json.loads(response.read())
            path, _, query = target.partition("?")
            said = {key: value for key, value in found.items() if key.startswith("HTTP_X_")}
            assert said == {f"HTTP_X_{name.upper()}": str(number)}
            expected = {
                "REQUEST_METHOD": method,
                "RAW_URI": target,
                "REQUEST_URI": target,
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "SERVER_PROTOCOL": f"HTTP/{version}",
                "REMOTE_PORT": str(client.getsockname()[1]),
            }
            assert {key: found[key] for key in expected} == expected


@pytest.fixture(scope="module")
def alone() -> Iterator[ServerProcess]:
    with serving("'wsgi_app:app', workers=1") as server:
        yield server
        assert server.end() == 0, server.stderr()


@pytest.mark.parametrize(
    ("path", "script_name", "path_info"),
    [
        ("/under/environ", "/under", "/environ"),
        ("/environ", "/under", "/environ"),  # a proxy took it off
        ("/environ/under/x", "/under", "/environ/under/x"),
    ],
)
def test_root_path(path: str, script_name: str, path_info: str, rooted: ServerProcess) -> None:
    found = json.loads(rooted.get(path)[1])
    assert (found["SCRIPT_NAME"], found["PATH_INFO"]) == (script_name, path_info)


@pytest.fixture(scope="module")
def rooted() -> Iterator[ServerProcess]:
    with serving("'wsgi_app:app', root_path='/under', workers=1") as server:
        yield server


# wsgiref.validate

GET = b"GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    ("sent", "status", "body"),
    [
        (GET % b"/", b"200", b"5\r\nhello\r\n0\r\n\r\n"),
        (GET % b"/?a=b", b"200", None),
        (b"GET / HTTP/1.0\r\n\r\n", b"200", b"hello"),
        (b"HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", b"200", b""),
        (b"OPTIONS / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", b"200", None),
        (GET % b"/several", b"200", None),
        (GET % b"/parts", b"200", None),
        (GET % b"/parts-length", b"200", b"one,two"),
        (GET % b"/nothing", b"200", None),
        (GET % b"/late-start", b"200", None),
        (GET % b"/write", b"200", None),
        (GET % b"/write-length", b"200", b"written!"),
        (GET % b"/replaced", b"503", None),
        (GET % b"/errors", b"200", None),
        (GET % b"/nowhere", b"404", None),
        (
            b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Type: a/b\r\n"
            b"Connection: close\r\n\r\nabc",
            b"200",
            None,
        ),
        (
            b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
            b"Connection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            b"200",
            None,
        ),
    ],
)
def test_wsgiref_validates(
    validated: ServerProcess, sent: bytes, status: bytes, body: bytes | None
) -> None:
    answer = exchange(validated, sent)
    head, _, got = answer.partition(b"\r\n\r\n")
    assert head.split(b" ")[1] == status, answer
    if body is not None:
        assert got == body


# Heads


def test_the_applications_head_is_sent_as_it_is(server: ServerProcess) -> None:
    answer = exchange(server, GET % b"/head")
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 299 In Our Own Words"
    assert sorted(lines[1:]) == sorted(
        [
            b"Content-Type: x/y",
            b"Set-Cookie: a=1",
            b"Set-Cookie: b=2",
            b"X-Latin: caf\xe9",
            b"Date: Thu, 01 Jan 1970 00:00:00 GMT",
            b"Server: mine",
            b"Connection: close",
            b"Content-Length: 4",
        ]
    )
    assert body == b"body"
    # And the next is the server's own again.
    usual = exchange(server, GET % b"/")
    assert usual.startswith(b"HTTP/1.1 200 OK\r\nDate: ")
    assert b"1970" not in usual
    assert b"Server: allcores\r\n" in usual


def test_the_application_closes_the_connection(server: ServerProcess) -> None:
    with server.socket() as client:
        client.sendall(b"GET /close HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert b"Connection: close" in answer
    assert answer.endswith(b"closed")


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        ("(b'200 OK', [])", "TypeError: start_response: status must be a str like '200 OK', not"),
        ("('OK', [])", "ValueError: start_response: status must be a number"),
        ("('200OK', [])", "ValueError: start_response: status must be a number"),
        ("('100 Continue', [])", "ValueError: start_response: status must be a number"),
        ("('20', [])", "ValueError: start_response: status must be a number"),
        ("('200 O\\nK', [])", "ValueError: start_response: status: the reason phrase has"),
        ("('200 \u20ac', [])", "ValueError: start_response: status must be of Latin-1"),
        ("('200 OK', {'a': 'b'})", "TypeError: start_response: headers must be a list"),
        ("('200 OK', None)", "TypeError: start_response: headers must be a list"),
        ("('200 OK', ['a'])", "TypeError: start_response: a header must be a tuple"),
        ("('200 OK', [('a', 1)])", "TypeError: start_response: a header must be a tuple"),
        ("('200 OK', [(b'a', b'b')])", "TypeError: start_response: a header must be a tuple"),
        ("('200 OK', [('a', 'b', 'c')])", "TypeError: start_response: a header must be a tuple"),
        ("('200 OK', [('a b', 'c')])", "ValueError: start_response: header a b: the name"),
        ("('200 OK', [('', 'c')])", "ValueError: start_response: header : the name"),
        ("('200 OK', [('a', 'b\\r\\nc: d')])", "ValueError: start_response: header a: the value"),
        ("('200 OK', [('a', '\u20ac')])", "ValueError: start_response: a header must be of Latin"),
        ("('200 OK', [('Content-Type', 'a\\n')])", "ValueError: start_response: header Content"),
        ("('200 OK', [('Date', '\\0')])", "ValueError: start_response: header Date"),
        ("('200 OK', [('Transfer-Encoding', 'chunked')])", "ValueError: start_response: header"),
        ("('200 OK', [('upgrade', 'x')])", "ValueError: start_response: header ('upgrade', 'x')"),
        ("('200 OK', [('Connection', 'upgrade')])", "ValueError: start_response: header"),
        ("('200 OK', [('Keep-Alive', '5')])", "ValueError: start_response: header"),
        ("('200 OK', [('Content-Length', '-1')])", "ValueError: start_response: header"),
        ("('200 OK', [('Content-Length', '')])", "ValueError: start_response: header"),
        ("('200 OK', [('Content-Length', '1')] + [('Content-Length', '2')])", "ValueError: start"),
        ("('200 OK', [], 5)", "TypeError: start_response: exc_info must be what sys.exc_info()"),
        ("('200 OK',)", "TypeError: start_response takes (status, headers, exc_info=None)"),
        ("('200 OK', [], None, None)", "TypeError: start_response takes (status, headers"),
        ("('200 OK', [('a', 'b'), ('A', 'b')])", "taken"),
        ("('200', ())", "taken"),
    ],
)
def test_start_response_says_what_is_wrong(
    server: ServerProcess, arguments: str, answer: str
) -> None:
    _, body = server.get(f"/start?{arguments.encode().hex()}")
    assert body.decode().startswith(answer)


def test_start_response_by_name(server: ServerProcess) -> None:
    assert server.get("/by-name")[1] == b"by name"


def test_a_head_is_replaced_before_it_is_sent(server: ServerProcess) -> None:
    response, body = server.get("/replaced")
    assert (response.status, body) == (503, b"sorry")
    assert (response.headers["X-First"], response.headers["X-Second"]) == (None, "2")
    assert response.headers["Content-Length"] == "5"


# Bodies


def get_on(connection: HTTPConnection, path: str, method: str = "GET") -> HTTPResponse:
    connection.request(method, path)
    return connection.getresponse()


@pytest.mark.parametrize(
    ("path", "body", "length"),
    [
        ("/", b"hello", "5"),
        ("/empty-list", b"", "0"),
        ("/nothing", b"", "0"),
        ("/several", b"one,two,three", "13"),
        ("/several-large", LARGE * 2 + b"end", None),
        ("/large", LARGE * 8, str(len(LARGE) * 8)),
        ("/parts", b"one,two", None),
        ("/parts-length", b"one,two", "7"),
        ("/parts-large", LARGE * 32, None),
        ("/late-start", b"late", None),
        ("/write", b"written,twice,and returned", None),
        ("/write-length", b"written!", "8"),
    ],
)
def test_bodies(server: ServerProcess, path: str, body: bytes, length: str | None) -> None:
    connection = server.connect()
    for _ in range(2):  # the connection lives on
        response = get_on(connection, path)
        assert response.status == 200
        assert response.read() == body
        assert response.headers["Content-Length"] == length
        assert response.headers["Transfer-Encoding"] == (None if length else "chunked")
        response = get_on(connection, path, "HEAD")
        assert (response.status, response.read()) == (200, b"")
        assert response.headers["Transfer-Encoding"] is None
    connection.close()


def test_head_names_the_length_that_the_application_names(server: ServerProcess) -> None:
    assert server.get("/head-length", "HEAD")[0].headers["Content-Length"] == "12345"
    assert server.get("/empty-list", "HEAD")[0].headers["Content-Length"] is None
    assert server.get("/parts-length", "HEAD")[0].headers["Content-Length"] == "7"
    assert server.get("/endless", "HEAD")[0].status == 200


@pytest.mark.parametrize("status", [204, 304, 205])
def test_statuses_without_a_body(server: ServerProcess, status: int) -> None:
    connection = server.connect()
    response = get_on(connection, f"/status?{status}")
    assert (response.status, response.reason, response.read()) == (status, "As Asked", b"")
    assert get_on(connection, "/").read() == b"hello"
    connection.close()


def test_http_1_0(server: ServerProcess) -> None:
    answer = exchange(server, b"GET /parts HTTP/1.0\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert body == b"one,two"
    assert b"Transfer-Encoding" not in head
    assert b"Content-Length" not in head
    answer = exchange(server, b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" * 2)
    assert answer.count(b"hello") == 2
    assert answer.count(b"Connection: keep-alive") == 2


def test_pipelined_requests_are_answered_in_order(server: ServerProcess) -> None:
    paths = [b"/", b"/parts", b"/several", b"/write", b"/nowhere", b"/parts-length"] * 5
    body = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
    wanted = b"".join(b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % path + body for path in paths)
    with server.socket() as client:
        client.sendall(wanted + GET % b"/large")
        answers = b"".join(iter(lambda: client.recv(65536), b""))
    expected = [b"hello", b"4\r\none,", b"one,two,three", b"written,", b"not found", b"one,two"] * 5
    place = 0
    for each in expected:
        place = answers.index(each, place)
        place = answers.index(b"abc", place)
    assert answers.endswith(LARGE * 8)
    assert answers.count(b"HTTP/1.1 ") == 61


def test_parts_come_as_they_are_made() -> None:
    with serving("'wsgi_app:app', workers=2, body_buffer=0") as server, server.socket() as client:
        client.sendall(
            b"POST /one-at-a-time HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        answers = client.makefile("rb")
        while answers.readline() != b"\r\n":
            pass
        for n in range(3):
            size = int(answers.readline(), 16)
            part = answers.read(size + 2)
            assert part == (b"got line %d\n\r\n" % (n - 1) if n else b"ready\n\r\n")
            client.sendall(b"7\r\nline %d\n\r\n" % n)
        client.sendall(b"0\r\n\r\n")
        assert answers.readline() == b"b\r\n"
        assert answers.read(13) == b"got line 2\n\r\n"
        assert answers.readline() == b"0\r\n"


def test_a_file_is_sent(server: ServerProcess) -> None:
    expected = {
        "plain": (LARGE, str(len(LARGE))),
        "raw": (LARGE, str(len(LARGE))),
        "position": (LARGE[1000:], str(len(LARGE) - 1000)),
        "temporary": (LARGE[1000:], str(len(LARGE) - 1000)),
        "zipped": (LARGE, None),
        "memory": (LARGE, None),
        "pipe": (b"through a pipe", None),
        "empty": (b"", "0"),
        "other": (b"".join(LARGE[i : i + 4096][::-1] for i in range(0, len(LARGE), 4096)), None),
        "plain&3": (LARGE[:3], "3"),
        "memory&1048576": (LARGE, "1048576"),
        "closing": (LARGE, str(len(LARGE))),
    }
    connection = server.connect()
    for name, (body, length) in expected.items():
        response = get_on(connection, f"/file?{name}")
        assert response.read() == body, name
        assert response.headers["Content-Length"] == length, name
        response = get_on(connection, f"/file?{name}", "HEAD")
        assert (response.status, response.read()) == (200, b""), name
    connection.close()
    server.wait_until_it_said("the file was closed\n", 2)


def test_errors_are_written_to_stderr(server: ServerProcess) -> None:
    assert server.get("/errors")[1] == b"said"
    assert "said to wsgi.errors\nand more\n" in server.stderr()


def test_write_refuses_what_is_no_bytes(server: ServerProcess) -> None:
    assert server.get("/write-wrong")[1].decode().split(";") == [
        "write takes bytes, not str",
        "write takes one argument: bytes",
        "write takes one argument: bytes",
    ]


def test_write_on_another_thread_is_refused(server: ServerProcess) -> None:
    assert server.get("/write-thread")[1].startswith(b"write can be called only on the thread")
