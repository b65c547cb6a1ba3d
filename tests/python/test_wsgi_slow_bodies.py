"""Bodies that come slowly are whole before a WSGI application gets them, so that those who send
them hold no worker: more clients that stop in the middle than there are workers, in most tests.

Servers with one worker have none that may wait for a client, so every long body goes through a
file; those with more have some that may (src/http/worker_body.cpp).
"""

from __future__ import annotations

import hashlib
import os
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from servers import ServerProcess, read_until, serving

BODY = hashlib.shake_128(b"body").digest(5 * 1024 * 1024)
HALF = len(BODY) // 2
GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"


def by_length(body: bytes, path: str = "/hash?65536") -> tuple[bytes, bytes]:
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode(), body


def by_chunks(body: bytes, path: str = "/hash?65536") -> tuple[bytes, bytes]:
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    parts = (body[i : i + 10_007] for i in range(0, len(body), 10_007))
    framed = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    return head.encode(), framed + b"0\r\n\r\n"


Framing = Callable[..., tuple[bytes, bytes]]
FRAMINGS = pytest.mark.parametrize("framing", [by_length, by_chunks])


def answers_of(client: socket.socket, count: int) -> list[bytes]:
    """The bodies of the answers that come next, and nothing after them."""
    received, found = b"", []
    for _ in range(count):
        received = read_until(client, b"\r\n\r\n", received)
        head, _, received = received.partition(b"\r\n\r\n")
        length = re.search(rb"Content-Length: (\d+)", head)
        assert head.startswith(b"HTTP/1.1 200 "), head
        assert length, head
        while len(received) < int(length[1]):
            part = client.recv(65536)
            assert part, head + received
            received += part
        found.append(received[: int(length[1])])
        received = received[int(length[1]) :]
    assert received == b""
    return found


def answer_of(client: socket.socket) -> bytes:
    return answers_of(client, 1)[0]


def seats(workers: int) -> int:
    """How many workers may wait for a client."""
    return workers - min(os.process_cpu_count() or 1, (workers + 1) // 2)


def hashed(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest().encode()


def asks(server: ServerProcess) -> None:
    assert server.get("/")[1] == b"hello"


def kept_bytes(server: ServerProcess) -> list[int]:
    """The sizes of the server's files that have no name."""
    found = []
    for each in Path(f"/proc/{server.process.pid}/fd").iterdir():
        if each.name == "2":  # what the tests read of it is such a file too
            continue
        try:
            target = os.readlink(each)
            if re.fullmatch(r"/\S*/(#\d+|allcores-body-\w+) \(deleted\)", target):
                found.append(each.stat().st_size)
        except FileNotFoundError:  # closed meanwhile
            pass
    return found


def until_it_keeps(server: ServerProcess, is_so: Callable[[list[int]], bool]) -> None:
    """Others are served meanwhile."""
    while not is_so(kept_bytes(server)):
        asks(server)


@pytest.fixture(scope="module")
def alone() -> Iterator[ServerProcess]:
    with serving("'wsgi_app:app', workers=1") as server:
        yield server
        assert kept_bytes(server) == []
        assert server.end() == 0, server.stderr()


@FRAMINGS
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_more_slow_clients_than_workers(framing: Framing, workers: int) -> None:
    head, sent = framing(BODY)
    with serving(f"'wsgi_app:app', workers={workers}") as server, ExitStack() as all_of_them:
        clients = [all_of_them.enter_context(server.socket()) for _ in range(3 * workers + 2)]
        asked = 0
        for cut in (0, 1000, HALF):  # the last as fast as can be, so that some get a worker
            for client in clients:
                client.sendall(head if cut == 0 else sent[asked:cut])
            asked = cut
            for _ in range(5):
                asks(server)
            called = server.stderr().count("hashes\n")
            assert called <= (seats(workers) if cut == HALF else 0)
        for client in clients:
            client.sendall(sent[HALF:])
            asks(server)
        for client in clients:
            assert answer_of(client).split()[0] == hashed(BODY)
        assert kept_bytes(server) == []
        assert server.end() == 0, server.stderr()


@FRAMINGS
@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 200_000, 1_048_577, 3_000_000])
@pytest.mark.parametrize("step", [1_000, 65_536, 100_000_000])
def test_a_body_out_of_a_file(alone: ServerProcess, framing: Framing, size: int, step: int) -> None:
    body = BODY[:size]
    head, sent = framing(body, f"/hash?{step}")
    with alone.socket() as client:
        client.sendall((head + sent) * 2)  # the second is there when the first is served
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        said = answers_of(client, 3)
    length = b"%d" % size if framing is by_length else b"none"
    assert said == [hashed(body) + b" " + length] * 2 + [b"hello"]


def test_lines_out_of_a_file(alone: ServerProcess) -> None:
    lines = [b"%d %s\n" % (i, b"x" * (i % 3000)) for i in range(2000)] + [b"no end"]
    calls = "len(file.readline()), file.read(3), [hash(x) == hash(x) for x in file][-1]"
    calls += ";file.read();file.readline()"
    head, sent = by_chunks(b"".join(lines), f"/read?{calls.encode().hex()}")
    with alone.socket() as client:
        client.sendall(head + sent)
        assert answer_of(client) == repr([(3, b"1 x", True), b"", b""]).encode()
    calls = "[len(x) for x in file] == [len(b'%d %s\\n' % (i, b'x' * (i % 3000))) "
    calls += "for i in range(2000)] + [6]"
    head, sent = by_chunks(b"".join(lines), f"/read?{calls.encode().hex()}")
    with alone.socket() as client:
        client.sendall(head + sent)
        assert answer_of(client) == b"[True]"


@pytest.mark.parametrize("path", ["/ignore", "/some"])
def test_a_file_that_is_not_read(alone: ServerProcess, path: str) -> None:
    with alone.socket() as client:
        head, sent = by_length(BODY, path)
        client.sendall(head + sent)
        assert read_until(client, b"no" if path == "/ignore" else b"is enough\r\n0\r\n\r\n")
        head, sent = by_length(BODY)  # the same connection goes on
        client.sendall(head + sent)
        assert answer_of(client).split()[0] == hashed(BODY)
    until_it_keeps(alone, lambda sizes: not sizes)


@FRAMINGS
def test_a_client_that_goes_away(alone: ServerProcess, framing: Framing) -> None:
    before = alone.stderr().count("hashes\n")
    head, sent = framing(BODY)
    with alone.socket() as client:
        client.sendall(head + sent[:HALF])
        until_it_keeps(alone, lambda sizes: len(sizes) == 1 and sizes[0] > 1_000_000)
    until_it_keeps(alone, lambda sizes: not sizes)
    assert alone.stderr().count("hashes\n") == before


def test_memory(alone: ServerProcess) -> None:
    """Of what many have sent, little is in memory."""

    def resident() -> int:
        status = Path(f"/proc/{alone.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found
        return int(found[1]) * 1024

    head, sent = by_chunks(BODY)
    part = 500_000
    with ExitStack() as all_of_them:
        before = resident()
        for _ in range(100):
            client = all_of_them.enter_context(alone.socket())
            client.sendall(head + sent[:part])
        until_it_keeps(alone, lambda sizes: sum(sizes) > 0.8 * 100 * part)
        assert resident() - before < 100 * part / 3
    until_it_keeps(alone, lambda sizes: not sizes)


@pytest.mark.parametrize(
    ("options", "framing", "status"),
    [
        ("max_body=300_000", by_length, 413),
        ("max_body=300_000", by_chunks, 413),
        ("body_timeout=0.3", by_length, 408),
        ("body_timeout=0.3", by_chunks, 408),
        ("body_timeout=0.3, min_body_rate=10**9", by_chunks, 408),
    ],
)
@pytest.mark.parametrize("start", [0, 1_000, 200_000])
def test_over_a_limit(options: str, framing: Framing, status: int, start: int) -> None:
    with serving(f"'wsgi_app:app', workers=1, {options}") as server, server.socket() as client:
        head, sent = framing(BODY)
        client.sendall(head + sent[:start])
        if status == 413 and framing is by_chunks:
            client.sendall(sent[start:310_000])
        received = b"".join(iter(lambda: client.recv(65536), b""))
        assert received.startswith(b"HTTP/1.1 %d " % status), received
        assert received.count(b"HTTP/1.1 ") == 1
        asks(server)
        assert kept_bytes(server) == []
        assert server.end() == 0, server.stderr()
        assert "hashes" not in server.stderr()


def test_100_continue_is_the_servers_to_say(alone: ServerProcess) -> None:
    for framing in (by_length, by_chunks):
        head, sent = framing(BODY)
        with alone.socket() as client:
            client.sendall(head[:-2] + b"Expect: 100-continue\r\n\r\n")
            assert read_until(client, b"\r\n\r\n") == GO_ON
            client.sendall(sent)
            assert answer_of(client).split()[0] == hashed(BODY)


FULL = "no more of long bodies can be kept until they are whole"


@pytest.mark.parametrize("why", ["no folder", "full"])
def test_where_nothing_can_be_kept(why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one worker there is none that may wait: the client is told, in time."""
    if why == "no folder":
        monkeypatch.setenv("TMPDIR", "/proc/nowhere")
    options = "body_timeout=0.5" + (", body_buffer=100_000" if why == "full" else "")
    with serving(f"'wsgi_app:app', workers=1, {options}") as server, server.socket() as client:
        head, sent = by_length(BODY)
        client.sendall(head + sent[:200_000])
        asks(server)
        received = b"".join(iter(lambda: client.recv(65536), b""))
        assert received.startswith(b"HTTP/1.1 503 "), received
        asks(server)
        assert server.stderr().count(FULL) == 1
        assert server.end() == 0, server.stderr()


@FRAMINGS
@pytest.mark.parametrize("buffer", [1, 70_000, 1_000_000, 8_000_000])
def test_where_little_can_be_kept(framing: Framing, buffer: int) -> None:
    """They take turns with the worker that may wait for one of them."""
    head, sent = framing(BODY)
    with (
        serving(f"'wsgi_app:app', workers=2, body_buffer={buffer}") as server,
        ExitStack() as all_of_them,
    ):
        clients = [all_of_them.enter_context(server.socket()) for _ in range(4)]
        for client in clients:
            client.sendall(head + sent[:100_000])
        asks(server)
        rest = [threading.Thread(target=each.sendall, args=(sent[100_000:],)) for each in clients]
        for thread in rest:
            thread.start()
        for client, thread in zip(clients, rest, strict=True):
            assert answer_of(client).split()[0] == hashed(BODY)
            thread.join()
        asks(server)
        assert kept_bytes(server) == []
        assert server.end() == 0, server.stderr()


def test_who_is_fast_passes_who_is_slow() -> None:
    """One client stops in the middle, with or without the only worker that may wait for it."""
    with (
        serving("'wsgi_app:app', workers=2") as server,
        server.socket() as first,
        server.socket() as second,
    ):
        head, sent = by_length(BODY)
        first.sendall(head + sent[:HALF])
        while "hashes\n" not in server.stderr() and not kept_bytes(server):
            asks(server)
        second.sendall(head + sent)
        assert answer_of(second).split()[0] == hashed(BODY)
        first.sendall(sent[HALF:])
        assert answer_of(first).split()[0] == hashed(BODY)
        assert server.end() == 0, server.stderr()


def test_the_stop_waits_for_a_body() -> None:
    with serving("'wsgi_app:app', workers=1, grace=30.0") as server, server.socket() as client:
        head, sent = by_length(BODY)
        client.sendall(head + sent[:HALF])
        until_it_keeps(server, lambda sizes: len(sizes) == 1 and sizes[0] > 1_000_000)
        server.process.send_signal(2)
        client.sendall(sent[HALF:])
        assert answer_of(client).split()[0] == hashed(BODY)
        assert server.end() == 0, server.stderr()


def test_the_stop_does_not_wait_for_ever() -> None:
    with serving("'wsgi_app:app', workers=1, grace=0.2") as server, server.socket() as client:
        head, sent = by_length(BODY)
        client.sendall(head + sent[:HALF])
        until_it_keeps(server, lambda sizes: len(sizes) == 1 and sizes[0] > 1_000_000)
        assert server.end() == 0, server.stderr()
