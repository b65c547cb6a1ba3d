"""Quart: sessions, uploads, streams, background tasks, WebSocket."""

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
    with served(f"quart_app:{request.param}", workers=2) as up:
        yield up
    assert up.output().count("quart: up") == 2
    assert up.output().count("quart: down") == 2


def test_answers(client: httpx.Client, server: ServerProcess) -> None:
    assert client.get("/?a=1").json() == {"url": f"{server.url}/?a=1", "scheme": "http"}
    assert client.get("/page/<b>").text == "<h1>&lt;b&gt;</h1>"
    assert client.get("/sync").text == "from a thread"
    assert [client.get("/session").text for _ in range(6)] == list("123456")
    assert client.get("/nowhere").status_code == 404
    assert client.get("/fails").status_code == 500
    until("the traceback", lambda: "LookupError: fails on purpose" in server.stderr())


def test_uploads(client: httpx.Client) -> None:
    check_uploads(client)


def test_streams_and_background(client: httpx.Client, server: ServerProcess) -> None:
    found = client.get("/stream/1000").text.split()
    assert found == [str(number) for number in range(1000)]
    assert client.get("/background").status_code == 202
    until("it ran", lambda: "quart: background" in server.output())


def test_websocket(server: ServerProcess) -> None:
    check_echo(server, ("text", b"bytes", "ä" * 50_000))


def test_many_clients(server: ServerProcess) -> None:
    def ask(connection: HTTPConnection, number: int) -> None:
        if number % 3 == 0:
            connection.request("GET", f"/page/{number}")
            assert connection.getresponse().read() == f"<h1>{number}</h1>".encode()
        elif number % 3 == 1:
            connection.request("GET", f"/stream/{number % 100}")
            lines = connection.getresponse().read().split()
            assert [int(line) for line in lines] == list(range(number % 100))
        else:
            content = number.to_bytes(4) * (number % 30_000)
            connection.request("POST", "/raw", content)
            assert json.load(connection.getresponse())["size"] == len(content)

    withstands(server, ask)
