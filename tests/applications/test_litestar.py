"""Litestar: typed handlers, dependencies, uploads, streams, WebSocket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.client import HTTPConnection

import httpx
import pytest
from served import check_echo, check_uploads, served, until, withstands
from servers import ServerProcess


@pytest.fixture(scope="module", params=["app", "checked"])
def server(request: pytest.FixtureRequest) -> Iterator[ServerProcess]:
    with served(f"litestar_app:{request.param}", workers=2) as up:
        yield up
    assert up.output().count("litestar: up") == 2
    assert up.output().count("litestar: down") == 2


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
    check_uploads(client)


def test_streams_and_background(client: httpx.Client, server: ServerProcess) -> None:
    found = client.get("/stream/1000").text.split()
    assert found == [str(number) for number in range(1000)]
    assert client.get("/background").status_code == 202
    until("it ran", lambda: "litestar: background" in server.output())


def test_websocket(server: ServerProcess) -> None:
    check_echo(server, ("text", "ä" * 50_000))


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
