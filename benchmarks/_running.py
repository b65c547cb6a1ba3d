"""One server that is running: started, asked for its first answer, frozen, and ended whole."""

from __future__ import annotations

import contextlib
import http.client
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time
from typing import IO

import _processes
import _report as report
import _servers

LOGS = report.TOP / "build" / "benchmark-logs"
START_SECONDS = 120.0
SETTLE_SECONDS = 60.0


class ServerError(Exception):
    """A server that did not start or did not do its work; the text says what it printed."""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fetch(port: int, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


class Running:
    """A server that answers; a context manager that ends with all of its processes gone."""

    def __init__(self, server: _servers.Server, workers: int | None, settle: bool = True) -> None:
        """Starts it and waits for its first answer; with `settle` also for its other workers."""
        self.server = server
        self.workers = workers
        self.port = _free_port()
        self.first_answer = 0.0  # seconds from its start
        LOGS.mkdir(parents=True, exist_ok=True)
        self._log = LOGS / (re.sub("[^a-z0-9]+", "-", server.name.lower()) + ".log")
        self._keeper: subprocess.Popen[bytes] | None = None
        try:
            command = server.command(self.port, workers)
            self.started = time.monotonic()
            with self._log.open("wb") as log:
                self._keeper = self._start(command, log)
            self._wait_until_it_answers()
            if settle:
                self._wait_for_the_other_workers()
        except BaseException:
            self.stop()
            raise

    def _start(self, command: list[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
        keeper = str(pathlib.Path(__file__).with_name("_keeper.py"))
        # As installed, with their bytecode: a server that compiles all its modules in every worker
        # needs a quarter more memory.
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        environment |= dict(self.server.environment)
        return subprocess.Popen(
            [sys.executable, keeper, str(os.getpid()), *command],
            cwd=self.server.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches the benchmark only, which then stops all
        )

    def _wait_until_it_answers(self) -> None:
        path, expected = self.server.first
        deadline = time.monotonic() + START_SECONDS
        last = "no answer"
        while time.monotonic() < deadline:
            if self._keeper is None or self._keeper.poll() is not None:
                raise ServerError(f"did not start: {self.last_words()}")
            try:
                status, body = fetch(self.port, path)
            except (OSError, http.client.HTTPException) as error:
                last = repr(error)
                time.sleep(0.02)
                continue
            if (status, body) == (200, expected):
                self.first_answer = time.monotonic() - self.started
                return
            last = f"GET {path} gave {status} {body[:80]!r}"
        raise ServerError(f"{last} after {START_SECONDS:.0f} s: {self.last_words()}")

    def _wait_for_the_other_workers(self) -> None:
        """One answered: wait until no more come and all are idle. Some never are: those have
        settled when their memory grows no more. A worker that still loads would count as work.
        """
        deadline = time.monotonic() + SETTLE_SECONDS
        before: tuple[list[int], _processes.CpuTime] | None = None
        largest, flat = 0.0, 0
        while time.monotonic() < deadline:
            pids = self.pids()
            used = _processes.CpuTime.of(pids)
            if before is not None and before[0] == pids and used.since(before[1]) < 0.02:
                return
            before = pids, used
            memory = _processes.memory_mib(pids)
            flat = 0 if memory > largest + 0.2 else flat + 1
            largest = max(memory, largest)
            if flat == 6:
                return
            time.sleep(0.3)

    def last_words(self) -> str:
        """The last line that the server printed and that says something."""
        try:
            lines = self._log.read_text(errors="replace").split("\n")
        except OSError:
            return ""
        return next((line.strip() for line in reversed(lines) if line.strip()), "printed nothing")

    def pids(self) -> list[int]:
        return _processes.descendants(self._keeper.pid) if self._keeper else []

    def freeze(self) -> None:
        """Stop all its processes from running, so that an idle server takes nothing from others."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        # Those that watch over others started first: they stop first and go on last.
        for pid in sorted(self.pids(), reverse=number == signal.SIGCONT):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def stop(self) -> None:
        if self._keeper is None:
            return
        self._keeper.terminate()
        self._keeper.wait()
        self._keeper = None

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
