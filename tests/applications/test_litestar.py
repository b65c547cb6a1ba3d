"""Litestar: typed handlers, dependencies, uploads, streams, WebSocket."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from http.client import HTTPConnection

import httpx
import pytest
from served import served, until, withstands
from servers import ServerProcess
from websockets.sync.client import connect


@pytest.fixture(scope="module", params=["app", "checked"])
def server(request: pytest.FixtureRequest) -> Iterator[ServerProcess]:
    with served(f"litestar_app:{request.param}", workers=2) as up:
        yield up
    assert up.output().count("litestar: up") == 2
    assert up.output().count("litestar: down") == 2


@pytest.fixture
def client(server: ServerProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, trust_env=False, timeout=30) as client:
        yield client


def test_answers(client: httpx.Client, server: ServerProcess) -> None:
    assert client.get("/?q=x").json() == {"first": "async x", "second": "sync"}
    assert client.get("/sync/5").json() == {"number": 5}
    made = client.post("/orders", json={"number": 1, "parts": ["b", "a"]})
    assert (made.status_code, made.json()) == (201, {"number": 2, "parts": ["a", "b"]})
    assert client.post("/orders", json={"number": "x", "parts": []}).status_code == 400
    assert client.get("/schema/openapi.json").json()["openapi"].startswith("3.")
    assert client.get("/nowhere").status_code == 404
    assert client.get("/fails").status_code == 500


def test_uploads(client: httpx.Client) -> None:
    content = os.urandom(3 << 20)
    expected = {"size": len(content), "hash": hashlib.sha256(content).hexdigest()}
    assert client.post("/upload", files={"file": ("f", content)}).json() == expected
    parts = (content[start : start + 100_000] for start in range(0, len(content), 100_000))
    assert client.post("/raw", content=parts).json() == expected


def test_streams_and_background(client: httpx.Client, server: ServerProcess) -> None:
    found = client.get("/stream/1000").text.split()
    assert found == [str(number) for number in range(1000)]
    assert client.get("/background").status_code == 202
    until("it ran", lambda: "litestar: background" in server.output())


def test_websocket(server: ServerProcess) -> None:
    with connect(f"ws://{server.host}:{server.port}/ws", proxy=None) as client:
        for message in ("text", "ä" * 50_000):
            client.send(message)
            assert client.recv(timeout=30) == message


def test_many_clients(server: ServerProcess) -> None:
    def ask(connection: HTTPConnection, number: int) -> None:
        if number % 3 == 0:
            body = json.dumps({"number": number, "parts": ["b", "a"]})
            connection.request("POST", "/orders", body, {"Content-Type": "application/json"})
            found = json.load(connection.getresponse())
            assert found == {"number": number + 1, "parts": ["a", "b"]}
        elif number % 3 == 1:
            connection.request("GET", f"/stream/{number % 100}")
            lines = connection.getresponse().read().split()
            assert [int(line) for line in lines] == list(range(number % 100))
        else:
            content = number.to_bytes(4) * (number % 30_000)
            connection.request("POST", "/raw", content)
            assert json.load(connection.getresponse())["size"] == len(content)

    withstands(server, ask)
