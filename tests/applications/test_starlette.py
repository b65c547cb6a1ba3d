"""Starlette: its middleware, static files, streams, and clients that go away."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from http.client import HTTPConnection, IncompleteRead
from pathlib import Path

import httpx
import pytest
from served import memory, served, until, withstands
from servers import ServerProcess

CONTENT = bytes(range(256)) * 1000


@pytest.fixture(scope="module", params=["app", "checked"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("static")
    (folder / "data.bin").write_bytes(CONTENT)
    (folder / "page.html").write_text("<h1>static</h1>")
    with served(f"starlette_app:{request.param}", environment={"APP_STATIC": str(folder)}) as up:
        yield up
    assert up.output().count("starlette: up") == 3
    assert up.output().count("starlette: down") == 3


def test_middleware_and_lifespan_state(client: httpx.Client, server: ServerProcess) -> None:
    found = client.get("/?a=1")
    assert found.headers["x-middleware"] == "passed"
    assert found.json()["seen"] == "by the middleware"
    assert found.json()["url"] == f"{server.url}/?a=1"
    assert found.json()["client"] == "127.0.0.1"
    assert client.get("/sync").text.startswith("not the loop's thread: AnyIO worker thread")


def test_gzip(client: httpx.Client) -> None:
    text = "allcores " * 222
    for encoding in ("gzip", "identity"):
        found = client.get("/text", headers={"Accept-Encoding": encoding})
        assert found.text == text
        assert found.headers.get("content-encoding", "identity") == encoding
        assert (int(found.headers["content-length"]) < 200) == (encoding == "gzip")
    streamed = client.get("/stream?count=500", headers={"Accept-Encoding": "gzip"})
    assert streamed.headers["content-encoding"] == "gzip"
    assert streamed.text == "".join(f"line {number}\n" for number in range(500))


def test_cors(client: httpx.Client) -> None:
    asked = {"Origin": "http://other", "Access-Control-Request-Method": "PUT"}
    found = client.options("/upload", headers=asked)
    assert (found.status_code, found.text) == (200, "OK")
    assert found.headers["access-control-allow-origin"] == "http://other"
    refused = client.options("/upload", headers=asked | {"Origin": "http://else"})
    assert refused.status_code == 400


def test_session_is_in_every_worker(client: httpx.Client) -> None:
    assert [client.get("/session").text for _ in range(12)] == [str(n) for n in range(1, 13)]


def test_trusted_host(client: httpx.Client) -> None:
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 400


def test_endpoint(client: httpx.Client) -> None:
    assert client.get("/items/7").json() == {"number": 7}
    made = client.post("/items/8", json={"name": "ä"})
    assert (made.status_code, made.json()) == (201, {"got": {"name": "ä"}, "number": 8})
    refused = client.delete("/items/8")
    assert refused.status_code == 405
    assert set(refused.headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}
    assert client.get("/items/x").status_code == 404
    assert client.head("/items/7").content == b""


def test_form_with_a_file(client: httpx.Client) -> None:
    content = os.urandom(3_000_000)  # more than Starlette keeps in memory
    found = client.post(
        "/form", data={"title": "größer"}, files={"file": ("a b.bin", content, "image/x")}
    ).json()
    assert found == {
        "name": "a b.bin",
        "type": "image/x",
        "size": len(content),
        "hash": hashlib.sha256(content).hexdigest(),
        "title": "größer",
    }


def test_redirect_error_and_refusal(client: httpx.Client, server: ServerProcess) -> None:
    moved = client.get("/moved")
    assert (moved.status_code, moved.headers["location"]) == (307, "/")
    refused = client.get("/refuses")
    assert (refused.status_code, refused.text) == (418, "no coffee")
    failed = client.get("/fails")
    assert (failed.status_code, failed.text) == (500, "Internal Server Error")
    until("the traceback", lambda: "LookupError: fails on purpose" in server.stderr())
    caught = client.get("/caught")
    assert (caught.status_code, caught.text) == (422, "caught: caught on purpose")
    # The connection is cut, so that the client knows.
    with pytest.raises(IncompleteRead):
        server.get("/fails_in_the_stream")


def test_background(client: httpx.Client, server: ServerProcess) -> None:
    before = server.output().count("starlette: background")
    for _ in range(5):
        assert client.get("/background").status_code == 202
    until("they ran", lambda: server.output().count("starlette: background") == before + 5)


@pytest.mark.parametrize(
    ("asked", "status", "start", "end"),
    [
        (None, 200, 0, len(CONTENT)),
        ("bytes=0-0", 206, 0, 1),
        ("bytes=100-299", 206, 100, 300),
        ("bytes=255990-", 206, 255_990, len(CONTENT)),
        ("bytes=-10", 206, len(CONTENT) - 10, len(CONTENT)),
    ],
)
def test_static_files(
    client: httpx.Client, asked: str | None, status: int, start: int, end: int
) -> None:
    found = client.get("/static/data.bin", headers={"Range": asked} if asked else {})
    assert found.status_code == status
    assert found.content == CONTENT[start:end]
    if asked:
        assert found.headers["content-range"] == f"bytes {start}-{end - 1}/{len(CONTENT)}"


def test_static_files_conditions(client: httpx.Client) -> None:
    page = client.get("/static/page.html")
    assert page.text == "<h1>static</h1>"
    again = client.get("/static/page.html", headers={"If-None-Match": page.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    ranges = client.get("/static/data.bin", headers={"Range": "bytes=0-9,20-29"})
    assert ranges.status_code == 206
    assert ranges.headers["content-type"].startswith("multipart/byteranges")
    assert CONTENT[20:30] in ranges.content
    beyond = client.get("/static/data.bin", headers={"Range": "bytes=9999999-"})
    assert beyond.status_code == 416
    assert client.get("/static/../starlette_app.py").status_code == 404
    assert client.get("/static/%2e%2e/starlette_app.py").status_code == 404
    source = client.get("/file")
    assert source.content == (Path(__file__).parent / "apps" / "starlette_app.py").read_bytes()


def test_server_sent_events(client: httpx.Client, server: ServerProcess) -> None:
    before = server.output().count("starlette: events end")
    with client.stream("GET", "/events", headers={"Accept-Encoding": "identity"}) as found:
        assert found.headers["content-type"].startswith("text/event-stream")
        lines = found.iter_lines()
        for number in range(20):
            assert [next(lines) for _ in range(3)] == [f"id: {number}", f"data: event {number}", ""]
    until("its end", lambda: server.output().count("starlette: events end") == before + 1)


def test_is_disconnected(server: ServerProcess) -> None:
    before = server.output().count("starlette: polled")
    ended = server.output().count("starlette: disconnected")
    connections = [server.socket() for _ in range(6)]
    for connection in connections:
        connection.sendall(b"GET /poll HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    until("all wait", lambda: server.output().count("starlette: polled") == before + 6)
    for connection in connections:
        connection.close()
    until("all know", lambda: server.output().count("starlette: disconnected") == ended + 6)


def test_large_upload_is_never_in_memory(server: ServerProcess) -> None:
    part = os.urandom(1 << 20)
    whole = hashlib.sha256()
    for _ in range(100):
        whole.update(part)
    server.get("/upload", "POST", body=part)
    before, peak = memory(server), 0.0

    def body() -> Iterator[bytes]:
        nonlocal peak
        for _ in range(100):
            yield part
            peak = max(peak, memory(server))

    for length in ({"Content-Length": str(100 << 20)}, {}):
        _, answer = server.get(
            "/upload", "POST", body=body(), headers=length, encode_chunked=not length
        )
        found = json.loads(answer)
        assert (found["size"], found["hash"]) == (100 << 20, whole.hexdigest())
        assert found["largest"] < 4 << 20
        assert peak - before < 24


def test_many_clients(server: ServerProcess) -> None:
    def ask(connection: HTTPConnection, number: int) -> None:
        which = number % 6
        if which == 0:
            connection.request("GET", f"/items/{number}")
            assert json.load(connection.getresponse()) == {"number": number}
        elif which == 1:
            content = number.to_bytes(8) * (number % 5000)
            connection.request("POST", "/upload", content)
            found = json.load(connection.getresponse())
            assert found["hash"] == hashlib.sha256(content).hexdigest()
        elif which == 2:
            count = number % 40
            connection.request("GET", f"/stream?count={count}")
            lines = connection.getresponse().read().decode().splitlines()
            assert lines == [f"line {each}" for each in range(count)]
        elif which == 3:
            start = number % 250_000
            asked = {"Range": f"bytes={start}-{start + 5000}"}
            connection.request("GET", "/static/data.bin", headers=asked)
            assert connection.getresponse().read() == CONTENT[start : start + 5001]
        elif which == 4:
            connection.request("GET", "/sync")
            assert connection.getresponse().read().startswith(b"not the loop's thread")
        else:  # goes away in the middle
            connection.request("GET", "/events")
            connection.getresponse().read(10)
            connection.close()

    withstands(server, ask)
