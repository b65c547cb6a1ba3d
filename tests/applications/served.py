"""Applications served by allcores in processes of their own, and many clients at once."""

from __future__ import annotations

import hashlib
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import httpx
from servers import ServerProcess
from websockets.sync.client import connect

FOLDER = Path(__file__).resolve().parent
FOLDERS = (FOLDER / "apps", FOLDER.parents[1] / "python")

# An error's last line, or what Python says of a coroutine or a task that nobody waited for. What a
# test lets an application raise says "on purpose".
COMPLAINT = re.compile(
    r"^(?:[\w.]+(?:Error|Exception|Warning|Interrupt|Exit)\b.*|.*Fatal Python error.*"
    r"|.*was never (?:awaited|retrieved).*|.*destroyed but it is pending.*)$",
    re.MULTILINE,
)


# The server serves as soon as one worker does; tests begin when all do.
ALL_SERVE = """
import time
import allcores
import allcores.http
def serves():
    return sum(each["cpu_seconds"] > 0 for each in allcores.http.statistics()["workers"])
def ready(addresses):
    while serves() < WORKERS:
        time.sleep(0.01)
    print(f"serving on http://{addresses[0]}", flush=True)
"""


@contextmanager
def served(
    application: str,
    workers: int = 3,
    environment: Mapping[str, str] | None = None,
    **options: object,
) -> Iterator[ServerProcess]:
    """`allcores.serve(application, ...)` on a free port, ended at the end of the `with` block.

    Fails when it does not end by itself, or has said that anything failed.
    """
    named = "".join(f", {name}={value!r}" for name, value in options.items())
    serve = f"allcores.serve({application!r}, workers={workers}, port=0, ready=ready{named})"
    program = ALL_SERVE.replace("WORKERS", str(workers)) + serve
    path = os.pathsep.join(map(str, FOLDERS))
    command = [sys.executable, "-W", "error::RuntimeWarning", "-c", program]
    with ServerProcess(command, {"PYTHONPATH": path, **(environment or {})}) as server:
        yield server
        status = server.end()
        said = server.output() + server.stderr()
        assert status == 0, f"status {status}: {said[-8000:]}"
        assert not complaints(server), said[-8000:]


def complaints(server: ServerProcess) -> list[str]:
    """What the server has said of failures that nobody wanted."""
    found = COMPLAINT.findall(server.stderr())
    return [line for line in found if "on purpose" not in line]


def until(what: str, check: Callable[[], object], seconds: float = 30) -> None:
    """Wait for something that another process does."""
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.02)


def memory(server: ServerProcess) -> float:
    """What the process has in memory, in MiB."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) / 1024


def descriptors(server: ServerProcess) -> int:
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def hammer(
    server: ServerProcess,
    ask: Callable[[HTTPConnection, int], None],
    threads: int = 16,
    seconds: float = 2.0,
) -> int:
    """`ask` from many threads, each with a connection of its own; how many times in all.

    Its second argument counts up, over all threads, so that each request can be another one.
    """
    end = time.monotonic() + seconds
    lock = threading.Lock()
    asked = 0

    def one(_: int) -> None:
        nonlocal asked
        connection = server.connect()
        while time.monotonic() < end:
            with lock:
                asked += 1
                number = asked
            ask(connection, number)
        connection.close()

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(one, range(threads)))
    return asked


def withstands(
    server: ServerProcess, ask: Callable[[HTTPConnection, int], None], limit: float = 16
) -> None:
    """Two seconds of 16 clients, twice: the second time costs less than `limit` MiB, their
    descriptors are not left, and the server has nothing to say.
    """
    hammer(server, ask)
    before, open_before = memory(server), descriptors(server)
    hammer(server, ask)
    grown = memory(server) - before
    assert grown < limit, f"{grown} MiB more"
    # A pool of an application's own connections may have grown: by fewer than there were clients.
    until("the connections are closed", lambda: descriptors(server) <= open_before + 12)
    assert not complaints(server), server.stderr()[-6000:]


def check_uploads(client: httpx.Client) -> None:
    """A file in a form and a body in chunks: the application says their size and hash."""
    content = os.urandom(3 << 20)
    expected = {"size": len(content), "hash": hashlib.sha256(content).hexdigest()}
    assert client.post("/upload", files={"file": ("f", content)}).json() == expected
    parts = (content[start : start + 100_000] for start in range(0, len(content), 100_000))
    assert client.post("/raw", content=parts).json() == expected


def check_echo(server: ServerProcess, messages: Iterable[str | bytes]) -> None:
    """The WebSocket at /ws sends back what it gets."""
    with connect(f"ws://{server.host}:{server.port}/ws", proxy=None) as client:
        for message in messages:
            client.send(message)
            assert client.recv(timeout=30) == message
