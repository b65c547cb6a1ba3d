"""Flask by WSGI: sessions, uploads, streams with the request's context, files."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest
import requests
from served import memory, served, until, withstands
from servers import ServerProcess


@pytest.fixture(scope="module", params=["app", "validated"])
def server(request: pytest.FixtureRequest) -> Iterator[ServerProcess]:
    # wsgiref's validator is a function that can be called in any way.
    with served(f"flask_app:{request.param}", interface="wsgi") as up:
        yield up


@pytest.fixture
def client() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


def test_requests(client: requests.Session, server: ServerProcess) -> None:
    found = client.get(f"{server.url}/?a=1")
    assert found.headers["x-steps"] == "before after"
    assert found.json() == {
        "url": f"{server.url}/?a=1",
        "root": f"{server.url}/",
        "client": "127.0.0.1",
    }
    assert client.get(f"{server.url}/items/7").json() == 7
    gone = client.delete(f"{server.url}/items/7")
    assert (gone.status_code, gone.content) == (204, b"")
    assert client.head(f"{server.url}/items/7").content == b""
    assert client.get(f"{server.url}/teapot").status_code == 418
    assert "not found" in client.get(f"{server.url}/nowhere").json()["error"]
    assert client.get(f"{server.url}/fails").status_code == 500
    until("the traceback", lambda: "LookupError: fails on purpose" in server.stderr())


def test_sessions(client: requests.Session, server: ServerProcess) -> None:
    assert [client.get(f"{server.url}/session").text for _ in range(8)] == list("12345678")
    page = client.post(f"{server.url}/flash", {"name": "Ä"})
    assert "<p>Hello &lt;Ä&gt;</p>" in page.text
    assert "<p>" not in client.get(f"{server.url}/flash").text


def test_streams(client: requests.Session, server: ServerProcess) -> None:
    for count in (0, 1, 3000):
        found = client.get(f"{server.url}/stream?count={count}")
        assert found.text == "".join(f"/stream {number}\n" for number in range(count))


def test_client_that_leaves_a_stream(client: requests.Session, server: ServerProcess) -> None:
    before = server.output().count("flask: closed")
    with client.get(f"{server.url}/endless", stream=True) as found:
        assert len(found.raw.read(200_000)) == 200_000
    until("the generator is closed", lambda: server.output().count("flask: closed") > before)


def test_files(client: requests.Session, server: ServerProcess) -> None:
    source = (Path(__file__).parent / "apps" / "flask_app.py").read_bytes()
    found = client.get(f"{server.url}/file")
    assert found.content == source
    etag = {"If-None-Match": found.headers["etag"]}
    assert client.get(f"{server.url}/file", headers=etag).status_code == 304
    part = client.get(f"{server.url}/file", headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, source[10:20])
    assert client.get(f"{server.url}/memory").content == b"from memory"


def test_uploads(client: requests.Session, server: ServerProcess) -> None:
    content = os.urandom(3 << 20)
    files, digest = {"file": ("a b.bin", content)}, hashlib.sha256(content).hexdigest()
    found = client.post(f"{server.url}/upload", files=files, data={"n": "ü"}).json()
    assert found == {"name": "a b.bin", "size": len(content), "hash": digest, "note": "ü"}
    part = content[: 1 << 20]
    digest = hashlib.sha256(part * 100).hexdigest()
    before, peak = memory(server), 0.0

    def body() -> Iterator[bytes]:
        nonlocal peak
        for _ in range(100):
            yield part
            peak = max(peak, memory(server))

    assert client.post(f"{server.url}/raw", body()).json() == {"size": 100 << 20, "hash": digest}
    assert peak - before < 24, f"{peak - before} MiB more"


def test_many_clients(server: ServerProcess) -> None:
    def ask(connection: HTTPConnection, number: int) -> None:
        which = number % 5
        if which == 0:
            connection.request("GET", f"/items/{number}")
            assert json.load(connection.getresponse()) == number
        elif which == 1:
            connection.request("GET", f"/stream?count={number % 200}")
            lines = connection.getresponse().read().decode().splitlines()
            assert lines == [f"/stream {each}" for each in range(number % 200)]
        elif which == 2:
            content = number.to_bytes(4) * (number % 30_000)
            connection.request("PUT", "/raw", content)
            found = json.load(connection.getresponse())
            assert found["hash"] == hashlib.sha256(content).hexdigest()
        elif which == 3:
            connection.request("GET", "/file", headers={"Range": f"bytes={number % 900}-999"})
            assert len(connection.getresponse().read()) == 1000 - number % 900
        else:  # goes away in the middle
            connection.request("GET", "/endless")
            connection.getresponse().read(10)
            connection.close()

    withstands(server, ask)
