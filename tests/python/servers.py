"""Servers in processes of their own, for tests: asked over real sockets, and always ended."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

here = Path(__file__).parent


class ServerProcess:
    """A process that runs `program` and prints the address it serves on."""

    def __init__(self, program: str, arguments: Sequence[str] = ()) -> None:
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed by close())
        environment = {**os.environ, "PYTHONPATH": str(here), "PYTHONFAULTHANDLER": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, *arguments],
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env=environment,
        )
        assert self.process.stdout is not None
        self.first_line = self.process.stdout.readline()
        match = re.search(r"http://([\d.]+):(\d+)", self.first_line)
        if match is None:
            self.process.wait(20)
            raise RuntimeError(f"no address: {self.first_line!r}\n{self.stderr()}")
        self.host, self.port = match[1], int(match[2])

    def stderr(self) -> str:
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace")

    def connect(self) -> HTTPConnection:
        return HTTPConnection(self.host, self.port, timeout=30)

    def socket(self) -> socket.socket:
        return socket.create_connection((self.host, self.port), timeout=30)

    def get(self, path: str, method: str = "GET", **options: object) -> tuple[HTTPResponse, bytes]:
        connection = self.connect()
        try:
            connection.request(method, path, **options)  # type: ignore[arg-type]
            response = connection.getresponse()
            return response, response.read()
        finally:
            connection.close()

    def end(self, number: int = signal.SIGINT) -> int:
        """Ask it to stop; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(30)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.errors.close()


@contextmanager
def serving(arguments: str, imports: str = "") -> Iterator[ServerProcess]:
    """`allcores.serve(<arguments>)` in a process of its own, on a free port."""
    server = ServerProcess(f"import allcores\n{imports}\nallcores.serve({arguments}, port=0)")
    try:
        yield server
    finally:
        server.close()
