"""Autobahn's cases against an ASGI application that is served, through sockets.

The suite itself can't be used: the registry's autobahntestsuite is for Python 2.7 and its Twisted,
and the library autobahn, which is for Python 3, is a client and a server without the cases. So they
are here as data (autobahn_cases.py), as they are for the protocol alone, in every cut, in
tests/unit/http/websocket_autobahn_test.cpp.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import BinaryIO

import pytest
from autobahn_cases import CLOSE, GROUPS, NORMAL, Case, Event, close, pieces
from servers import ServerProcess, serving

HANDSHAKE = (
    b"GET /echo HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
SMALL = 1000  # bytes that are sent one by one, too


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with serving("'websocket_app:app', workers=2") as server:
        yield server
        assert server.end() == 0, server.stderr()
        assert "failed" not in server.stderr()


def read_frame(came: BinaryIO) -> Event | None:
    """A server's frame, which is never masked; None at the end."""
    head = came.read(2)
    if not head:
        return None
    assert head[0] & 0xF0 == 0x80, "a fragment, or reserved bits"
    size = head[1]
    if size == 126:
        size = int.from_bytes(came.read(2))
    elif size == 127:
        size = int.from_bytes(came.read(8))
    return head[0] & 0x0F, came.read(size)


def run(server: ServerProcess, case: Case, cut: int) -> list[Event]:
    """What a client gets until the server ends the connection."""
    with server.socket() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(HANDSHAKE)
        came = connection.makefile("rb")
        while came.readline() != b"\r\n":
            pass

        def send() -> None:
            try:
                for piece in pieces(case.sent, cut or len(case.sent)):
                    connection.sendall(piece)
            except OSError:
                pass  # the server has closed it: it has said why

        sender = threading.Thread(target=send)
        sender.start()
        got: list[Event] = []
        closes = False
        try:
            while True:
                if not case.is_closed and len(got) == len(case.got) and not closes:
                    sender.join()
                    connection.sendall(close())
                    closes = True
                event = read_frame(came)
                if event is None:
                    break
                got.append(event)
        except ConnectionResetError:
            assert got and got[-1][0] == CLOSE  # with bytes of ours that it has not read
        sender.join()
        came.close()
    return got


@pytest.mark.parametrize("group", GROUPS)
def test_group(server: ServerProcess, group: str) -> None:
    wrong = []
    for case in GROUPS[group]():
        for cut in {case.cut, 1} if len(case.sent) <= SMALL else {case.cut}:
            got = run(server, case, cut)
            # The reason of a close is our own.
            short = [(what, data[:2] if what == CLOSE else data) for what, data in got]
            if not case.is_closed:
                assert short.pop() == NORMAL, case.number
            if not case.allows(short):
                wrong.append((case.number, cut, [(what, data[:40]) for what, data in got]))
    assert not wrong
