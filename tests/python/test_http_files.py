"""Files over real sockets: ranges, conditions and large bodies, with allcores.serve and with the
C++ server on its own where it is built."""

import contextlib
import os
import random
import re
import sys
from pathlib import Path

import pytest

folder = Path(__file__).resolve().parents[1] / "conformance" / "http_semantics"
sys.path.insert(0, str(folder))
try:
    from running import commands, running
    from wire import Connection, ProtocolError, Response
finally:
    sys.path.remove(str(folder))

SIZE = 3_000_000
CONTENT = random.Random(1).randbytes(SIZE)
CHANGED = 784111777
DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
LATER = "Sun, 06 Nov 1994 08:49:38 GMT"
EARLIER = "Sun, 06 Nov 1994 08:49:36 GMT"


@pytest.fixture(scope="module", params=commands)
def port(request, tmp_path_factory):
    served = tmp_path_factory.mktemp("served")
    for name, content in (("big", CONTENT), ("empty", b""), ("small", CONTENT[:1000])):
        (served / name).write_bytes(content)
        os.utime(served / name, (CHANGED, CHANGED))
    (served / "folder").mkdir()
    os.mkfifo(served / "fifo")
    with running(request.param, served) as port:
        yield port


@pytest.fixture
def connection(port):
    with contextlib.closing(Connection(port)) as connection:
        yield connection


def ask(connection: Connection, path: str, *fields: str, method: str = "GET") -> Response:
    lines = [f"{method} {path} HTTP/1.1", "Host: h", *fields, "", ""]
    connection.send("\r\n".join(lines).encode())
    return connection.response(to_head=method == "HEAD")


def test_whole(connection):
    answer = ask(connection, "/file/big")
    assert answer.status == 200
    assert answer.body == CONTENT
    assert answer.get("content-type") == "text/plain; charset=utf-8"
    assert answer.get("last-modified") == DATE
    assert answer.get("accept-ranges") == "bytes"
    assert re.fullmatch(r'"[!#-~]+"', answer.get("etag"))
    connection.require_open()


def test_head(connection):
    answer = ask(connection, "/file/big", "Range: bytes=0-9", method="HEAD")
    assert answer.status == 200
    assert answer.get("content-length") == str(SIZE)
    assert answer.fields == [
        field if field[0] != "date" else ("date", answer.get("date"))
        for field in ask(connection, "/file/big").fields
    ]
    connection.require_open()


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-499", 0, 500),
        ("bytes=10-", 10, SIZE),
        ("bytes=-7", SIZE - 7, SIZE),
        ("bytes=2999990-9999999", 2999990, SIZE),
        ("bytes=5000000-,5-9", 5, 10),
        ("bytes=0-9,5-14", 0, 15),
        ("bytes=1000000-1999999", 1000000, 2000000),
    ],
)
def test_one_range(connection, asked, start, stop):
    answer = ask(connection, "/file/big", "Range: " + asked)
    assert answer.status == 206
    assert answer.get("content-range") == f"bytes {start}-{stop - 1}/{SIZE}"
    assert answer.body == CONTENT[start:stop]
    connection.require_open()


def parts_of(answer: Response) -> list[tuple[str, bytes]]:
    kind = re.fullmatch(
        r"multipart/byteranges; boundary=([0-9A-Za-z]+)", answer.get("content-type")
    )
    assert kind is not None
    delimiter = b"--" + kind[1].encode()
    first, *pieces, last = (b"\r\n" + answer.body).split(b"\r\n" + delimiter)
    assert first == b""
    assert last == b"--\r\n"
    parts = []
    for piece in pieces:
        header, _, content = piece.partition(b"\r\n\r\n")
        empty, content_type, content_range = header.decode().split("\r\n")
        assert (empty, content_type) == ("", "Content-Type: text/plain; charset=utf-8")
        parts.append((content_range.removeprefix("Content-Range: "), content))
    return parts


def test_several_ranges(connection):
    answer = ask(connection, "/file/big", "Range: bytes=500000-999999,0-9, -5")
    assert answer.status == 206
    assert answer.get("content-range") is None
    assert parts_of(answer) == [
        (f"bytes 500000-999999/{SIZE}", CONTENT[500000:1000000]),
        (f"bytes 0-9/{SIZE}", CONTENT[:10]),
        (f"bytes {SIZE - 5}-{SIZE - 1}/{SIZE}", CONTENT[-5:]),
    ]
    connection.require_open()


@pytest.mark.parametrize(
    ("path", "fields", "status"),
    [
        ("/file/big", ["Range: bytes=3000000-"], 416),
        ("/file/big", ["Range: bytes=-0"], 416),
        ("/file/empty", ["Range: bytes=0-"], 416),
        ("/file/empty", [], 200),
        ("/file/small", ["Range: bytes=9-1"], 200),
        ("/file/small", ["Range: lines=1-9"], 200),
        ("/file/small", ["Range: bytes=0-0," + "1-1," * 32], 200),
        ("/file/small", ["Range: bytes=0-1", "Range: bytes=2-3"], 200),
        ("/file/small", ["If-Modified-Since: " + DATE], 304),
        ("/file/small", ["If-Modified-Since: " + LATER], 304),
        ("/file/small", ["If-Modified-Since: " + EARLIER], 200),
        ("/file/small", ["If-Modified-Since: nonsense"], 200),
        ("/file/small", ["If-Unmodified-Since: " + EARLIER], 412),
        ("/file/small", ["If-Unmodified-Since: " + DATE], 200),
        ("/file/small", ["If-None-Match: *"], 304),
        ("/file/small", ['If-None-Match: "x"', "If-Modified-Since: " + DATE], 200),
        ("/file/small", ['If-Match: "x"'], 412),
        ("/file/small", ["If-Match: *"], 200),
        ("/file/small", ["Range: bytes=0-1", "If-Range: " + DATE], 206),
        ("/file/small", ["Range: bytes=0-1", "If-Range: " + EARLIER], 200),
        ("/file/small", ["Range: bytes=0-1", 'If-Range: "x"'], 200),
        ("/file/missing", [], 404),
        ("/file/folder", [], 404),
        ("/file/fifo", [], 404),
        ("/file/small/x", [], 404),
        ("/part/small", [], 200),
        ("/part/small", ["Range: bytes=100-"], 416),
        ("/part/empty", [], 500),
    ],
)
def test_statuses(connection, path, fields, status):
    answer = ask(connection, path, *fields)
    assert answer.status == status
    size = {"/file/big": SIZE, "/file/empty": 0, "/part/small": 100}.get(path)
    if status == 416:
        assert answer.get("content-range") == f"bytes */{size}"
    if status == 304:
        assert answer.body == b""
        assert answer.get("etag") is not None
    connection.require_open()


def test_tags(connection):
    tag = ask(connection, "/file/small").get("etag")
    assert ask(connection, "/file/small", "If-None-Match: W/" + tag).status == 304
    assert ask(connection, "/file/small", f'If-None-Match: "x", {tag}').status == 304
    assert ask(connection, "/file/small", "If-Match: " + tag).status == 200
    assert ask(connection, "/file/small", "If-Match: W/" + tag).status == 412
    partial = ask(connection, "/file/small", "Range: bytes=-1", "If-Range: " + tag)
    assert (partial.status, partial.body) == (206, CONTENT[999:1000])
    assert ask(connection, "/part/small").get("etag") != tag
    assert ask(connection, "/file/empty").get("etag") != tag


def test_a_part_is_the_whole(connection):
    answer = ask(connection, "/part/small")
    assert (answer.status, answer.body) == (200, CONTENT[100:200])
    partial = ask(connection, "/part/small", "Range: bytes=90-")
    assert partial.get("content-range") == "bytes 90-99/100"
    assert partial.body == CONTENT[190:200]


def test_pipelined(connection):
    for path in ("/file/big", "/1", "/file/small", "/file/big", "/2"):
        connection.send(f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    assert connection.response().body == CONTENT
    assert connection.response().echo()["path"] == "/1"
    assert connection.response().body == CONTENT[:1000]
    assert connection.response().body == CONTENT
    assert connection.response().echo()["path"] == "/2"
    connection.require_open()


def test_a_client_that_goes_away_disturbs_nobody(port):
    for _ in range(20):
        with contextlib.closing(Connection(port)) as leaver:
            leaver.send(b"GET /file/big HTTP/1.1\r\nHost: h\r\n\r\n")
    with contextlib.closing(Connection(port)) as connection:
        assert ask(connection, "/file/big").body == CONTENT


def test_many_at_once(port):
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(contextlib.closing(Connection(port))) for _ in range(20)]
        for number, client in enumerate(clients):
            first = number * 1000
            client.send(
                f"GET /file/big HTTP/1.1\r\nHost: h\r\nRange: bytes={first}-\r\n\r\n".encode()
            )
        for number, client in reversed(list(enumerate(clients))):
            assert client.response().body == CONTENT[number * 1000 :]


def test_the_client_here_is_strict(port):
    with contextlib.closing(Connection(port)) as connection:
        connection.received += b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"
        with pytest.raises(ProtocolError, match="no date"):
            connection.response()
