"""The search server as a process of its own, for tests and measurements."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from types import TracebackType
from typing import Any, Self

FOLDER = Path(__file__).resolve().parent
ADDRESS = re.compile(r"serving on http://(\S+):(\d+)")


class Server:
    """`python examples/search ARGS --port 0`, started; its address is read from what it prints.

    `cache` is its XDG_CACHE_HOME. The process ends with the `with` block.
    """

    def __init__(self, *arguments: str | Path, cache: Path) -> None:
        self.lines: list[str] = []
        self.ready = threading.Event()
        self.process = subprocess.Popen(
            [sys.executable, str(FOLDER), "--port", "0", *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "XDG_CACHE_HOME": str(cache)},
            text=True,
        )
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        self.ready.wait(120)
        found = [match for line in self.lines if (match := ADDRESS.search(line))]
        if not found:
            self.close()
            raise RuntimeError("the server did not start:\n" + "".join(self.lines))
        self.host, self.port = found[0][1], int(found[0][2])
        self.url = f"http://{self.host}:{self.port}"

    def read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if ADDRESS.search(line):
                self.ready.set()
        self.ready.set()

    def get(
        self, target: str, headers: dict[str, str] | None = None, method: str = "GET"
    ) -> tuple[HTTPResponse, bytes]:
        """One request on a connection of its own; the target is sent as it is."""
        connection = HTTPConnection(self.host, self.port, timeout=30)
        try:
            connection.request(method, target, headers=headers or {})
            answer = connection.getresponse()
            return answer, answer.read()
        finally:
            connection.close()

    def stop(self, number: int = signal.SIGINT, seconds: float = 30) -> int:
        """The exit status after a signal."""
        self.process.send_signal(number)
        status = self.process.wait(seconds)
        self.reader.join(10)
        return status

    def output(self) -> str:
        return "".join(self.lines)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.reader.join(10)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def run(*arguments: str | Path, cache: Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """The program run to its end: for what it refuses."""
    command: Sequence[str] = [sys.executable, str(FOLDER), *map(str, arguments)]
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    return subprocess.run(
        command,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
        **options,
    )
