"""Socket.IO with its own client, by polling, by WebSocket, and from one to the other."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from typing import Any

import pytest
import socketio
from served import served, until
from servers import ServerProcess

# Clients that come by polling need the worker that knows them, under any server of many processes
# too; with one worker there is no other.
TRANSPORTS = [["polling"], ["websocket"], ["polling", "websocket"]]


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with served("socketio_app:app", workers=1) as up:
        yield up


class Client:
    def __init__(self, server: ServerProcess, transports: list[str], name: str) -> None:
        self.heard: queue.Queue[tuple[str, Any]] = queue.Queue()
        self.client = socketio.Client(reconnection=False)
        self.client.on("*", lambda event, data: self.heard.put((event, data)))
        self.client.connect(server.url, transports=transports, auth=name, wait_timeout=30)
        assert self.heard.get(timeout=30) == ("welcome", {"name": name})

    def call(self, event: str, data: object) -> object:
        return self.client.call(event, data, timeout=30)


@pytest.mark.parametrize("transports", TRANSPORTS, ids="-".join)
def test_events(server: ServerProcess, transports: list[str]) -> None:
    left = server.output().count("socketio: left")
    one, two = (Client(server, transports, name) for name in ("one", "two"))
    assert one.client.transport() == transports[-1]
    for value in ("text", {"a": [1, 2.5, None]}, b"bytes \x00\xff", "ä" * 20_000):
        assert one.call("echo", value) == value
    assert [each.call("join", "room") for each in (one, two)] == ["room", "room"]
    for number in range(20):
        one.client.emit("say", ("room", f"number {number}"))
        for each in (one, two):
            assert each.heard.get(timeout=30) == ("said", ["one", f"number {number}"])
    for each in (one, two):
        if transports == ["polling"]:
            # Told to by the server: when it ends by itself, this client waits for its last poll.
            each.client.emit("leave")
            each.client.wait()
        else:
            each.client.disconnect()
    until("both have left", lambda: server.output().count("socketio: left") == left + 2)


def test_refused(server: ServerProcess) -> None:
    client = socketio.Client(reconnection=False)
    with pytest.raises(socketio.exceptions.ConnectionError):
        client.connect(server.url, auth="refuse", wait_timeout=30)


def test_beside_it(server: ServerProcess) -> None:
    assert server.get("/")[1] == b"beside it"
