"""Servers in processes of their own, for tests: asked over real sockets, and always ended."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from types import TracebackType
from typing import Self

here = Path(__file__).parent
ADDRESS = re.compile(r"serving on (?:http://([\d.]+):(\d+)|unix:([^, ]+))")


class ServerProcess:
    """A command that prints the address it serves on; RuntimeError when it does not.

    What it prints is in `output()`. What it says on standard error is in `stderr()`, or with
    `together` among the rest. The process ends with the `with` block.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        environment: Mapping[str, str] | None = None,
        together: bool = False,
    ) -> None:
        self.lines: list[str] = []
        self.ready = threading.Event()
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed by close())
        self.process = subprocess.Popen(
            [str(each) for each in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if together else self.errors,
            text=True,
            env={**os.environ, "PYTHONFAULTHANDLER": "1", **(environment or {})},
        )
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        self.ready.wait(120)
        found = [match for line in self.lines if (match := ADDRESS.search(line))]
        if not found:
            said = self.output() + self.stderr()
            self.close()
            raise RuntimeError("the server did not start:\n" + said)
        self.host, self.port = found[0][1] or "localhost", int(found[0][2] or 0)
        self.path = found[0][3]  # of a unix socket, where it listens on nothing else
        self.url = f"http://{self.host}:{self.port}"

    def read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if ADDRESS.search(line):
                self.ready.set()
        self.ready.set()

    def output(self) -> str:
        return "".join(self.lines)

    def stderr(self) -> str:
        # Without moving the file's position, which is the process's own too.
        descriptor = self.errors.fileno()
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode(errors="replace")

    def wait_until_it_said(self, text: str, times: int = 1) -> None:
        """Until that was on its standard error so often; RuntimeError when it ends before."""
        while self.stderr().count(text) < times:
            try:
                self.process.wait(0.005)
            except subprocess.TimeoutExpired:
                continue
            raise RuntimeError(f"the server did not say {text!r}, but:\n{self.stderr()}")

    def connect(self) -> HTTPConnection:
        return HTTPConnection(self.host, self.port, timeout=30)

    def socket(self) -> socket.socket:
        if self.path is not None:
            return connect_unix(self.path)
        return socket.create_connection((self.host, self.port), timeout=30)

    def get(self, path: str, method: str = "GET", **options: object) -> tuple[HTTPResponse, bytes]:
        """One request on a connection of its own; the path is sent as it is."""
        connection = self.connect()
        if self.path is not None:
            connection.sock = self.socket()
        try:
            connection.request(method, path, **options)  # type: ignore[arg-type]
            response = connection.getresponse()
            return response, response.read()
        finally:
            connection.close()

    def end(self, number: int = signal.SIGINT) -> int:
        """Ask it to stop; its exit status, when it has said all."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(30)
        self.reader.join(10)
        return status

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.reader.join(10)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.errors.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def connect_unix(path: str | Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(30)
    connection.connect(str(path))
    return connection


@contextmanager
def started(
    command: Sequence[str], environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A server that need not come so far as to serve, and ends with the `with` block."""
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONFAULTHANDLER": "1", **(environment or {})},
    ) as process:
        try:
            yield process
        finally:
            process.kill()  # where it has ended, nothing


@contextmanager
def serving(arguments: str, imports: str = "") -> Iterator[ServerProcess]:
    """`allcores.serve(<arguments>)` in a process of its own, on a free port."""
    program = f"import allcores\n{imports}\nallcores.serve({arguments}, port=0)"
    environment = {"PYTHONPATH": str(here)}
    with ServerProcess([sys.executable, "-c", program], environment) as server:
        yield server


def until_it_printed(server: ServerProcess, text: str) -> str:
    """What the server prints until that, for as long as it may take it to do."""
    for _ in range(2000):
        if text in server.output():
            return server.output()
        server.get("/")
    raise AssertionError(f"{text!r} was not said: {server.output()}{server.stderr()}")


def talk(server: ServerProcess, *parts: bytes) -> bytes:
    """Send the parts, and read until the server closes."""
    with server.socket() as connection:
        for part in parts:
            connection.sendall(part)
        received = b""
        while part := connection.recv(65536):
            received += part
    return received


def read_until(connection: socket.socket, end: bytes, received: bytes = b"") -> bytes:
    while end not in received:
        part = connection.recv(65536)
        assert part, received
        received += part
    return received
