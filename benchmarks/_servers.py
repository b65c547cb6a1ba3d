"""The servers under test: how each is started, and one that is running."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from typing import IO

import _peers
import _processes
import _report as report

APPS = report.TOP / "benchmarks" / "apps"
LOGS = report.TOP / "build" / "benchmark-logs"
START_SECONDS = 20.0


@dataclasses.dataclass(frozen=True)
class Server:
    """One server under test. `command(port, workers)` starts it; workers None is its default."""

    name: str
    kind: str  # "ours", "peer" or "ceiling"
    command: Callable[[int, int | None], list[str]]
    folder: pathlib.Path = APPS
    runs_python: bool = True


def _peer(name: str, command: Callable[[int, int], list[str]]) -> Server:
    """A peer; its own default is one process in most cases, so it gets one for each core."""
    cores = len(os.sched_getaffinity(0))
    return Server(name, "peer", lambda port, workers: command(port, workers or cores))


# Servers that watch their workers' health would take those for dead that were frozen for a while
# (see Running.freeze), so these checks are off or lenient.


def _uvicorn(port: int, workers: int) -> list[str]:
    return [
        *_peers.tool("uvicorn", "asgi_app:app"), "--port", str(port), "--workers", str(workers),
        "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning",
        "--timeout-worker-healthcheck", "3600",
    ]  # fmt: skip


def _granian(interface: str) -> Callable[[int, int], list[str]]:
    module = "rsgi_app" if interface == "rsgi" else f"{interface}_app"
    loop = [] if interface == "wsgi" else ["--loop", "uvloop"]
    return lambda port, workers: [
        *_peers.tool("granian", f"{module}:app"), "--interface", interface, "--port", str(port),
        "--workers", str(workers), "--log-level", "warning", *loop,
    ]  # fmt: skip


def _fastpysgi(interface: str) -> Callable[[int, int], list[str]]:
    return lambda port, workers: _peers.python(
        "fastpysgi_main.py", interface, str(port), str(workers)
    )


def _gunicorn(application: str, *options: str) -> Callable[[int, int], list[str]]:
    return lambda port, workers: [
        *_peers.tool("gunicorn", application), "--bind", f"127.0.0.1:{port}", "--workers",
        str(workers), "--keep-alive", "600", "--timeout", "0", "--log-level", "warning",
        *options,
    ]  # fmt: skip


def _allcores(port: int, workers: int | None) -> list[str]:
    count = [] if workers is None else [str(workers)]
    return [python_for_servers(), "allcores_main.py", str(port), *count]


def python_for_servers() -> str:
    """This Python, under the name that it has for everybody (see own_copy_of_python)."""
    return sys.executable.removesuffix(OWN_COPY)


OWN_COPY = "-benchmark"


def own_copy_of_python() -> None:
    """Start again as a copy of the interpreter's file.

    A page that this process shared with a server would count for less in the server's memory.
    """
    if sys.executable.endswith(OWN_COPY):
        return
    copy = sys.executable + OWN_COPY
    if not os.path.exists(copy):
        shutil.copy(os.path.realpath(sys.executable), f"{copy}.{os.getpid()}")
        os.replace(f"{copy}.{os.getpid()}", copy)
    os.execv(copy, [copy, *sys.argv])


def all_servers() -> list[Server]:
    """Ours first, then the peers, then the ceiling."""
    return [
        Server("allcores", "ours", _allcores),
        _peer("fastpysgi wsgi", _fastpysgi("wsgi")),
        _peer("fastpysgi asgi", _fastpysgi("asgi")),
        _peer("pyronova", lambda port, n: _peers.python("pyronova_main.py", str(port), str(n))),
        _peer("granian wsgi", _granian("wsgi")),
        _peer("granian rsgi", _granian("rsgi")),
        _peer("granian asgi", _granian("asgi")),
        _peer("uvicorn", _uvicorn),
        _peer("aiohttp", _gunicorn("aiohttp_app:app", "-k", "aiohttp.GunicornUVLoopWebWorker")),
        _peer("gunicorn", _gunicorn("wsgi_app:app", "-k", "gthread", "--threads", "4")),
        Server("C++ ceiling", "ceiling", _peers.ceiling_command, report.TOP, runs_python=False),
    ]


class ServerError(Exception):
    """A server that did not start or did not do its work; the text says what it printed."""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _fetch(port: int, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


class Running:
    """A server that answers; a context manager that ends with all of its processes gone."""

    def __init__(self, server: Server, workers: int | None) -> None:
        self.server = server
        self.workers = workers
        self.port = _free_port()
        LOGS.mkdir(parents=True, exist_ok=True)
        self._log = LOGS / (server.name.replace(" ", "-").replace("+", "p") + ".log")
        self._keeper: subprocess.Popen[bytes] | None = None
        try:
            command = server.command(self.port, workers)
            with self._log.open("wb") as log:
                self._keeper = self._start(command, log)
            self._wait_until_it_answers()
        except BaseException:
            self.stop()
            raise

    def _start(self, command: list[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
        keeper = str(pathlib.Path(__file__).with_name("_keeper.py"))
        return subprocess.Popen(
            [sys.executable, keeper, str(os.getpid()), *command],
            cwd=self.server.folder,
            # As installed, with their bytecode: a server that compiles all its modules in every
            # worker needs a quarter more memory.
            env={k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches the benchmark only, which then stops all
        )

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        last = "no answer"
        while time.monotonic() < deadline:
            if self._keeper is None or self._keeper.poll() is not None:
                raise ServerError(f"did not start: {self.last_words()}")
            try:
                status, body = _fetch(self.port, "/")
            except (OSError, http.client.HTTPException) as error:
                last = repr(error)
                time.sleep(0.02)
                continue
            if (status, body) == (200, b"Hello, World!"):
                self._wait_for_the_other_workers()
                return
            last = f"GET / gave {status} {body[:80]!r}"
        raise ServerError(f"{last} after {START_SECONDS:.0f} s: {self.last_words()}")

    def _wait_for_the_other_workers(self) -> None:
        """One answered: wait until no more come and all are idle; 3 s at most, some never are."""
        deadline = time.monotonic() + 3
        before: tuple[list[int], _processes.CpuTime] | None = None
        while time.monotonic() < deadline:
            pids = self.pids()
            used = _processes.CpuTime.of(pids)
            if before is not None and before[0] == pids and used.since(before[1]) < 0.02:
                return
            before = pids, used
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


def chosen(only: Iterable[str]) -> list[Server]:
    """The servers whose name contains one of `only`, all without any."""
    words = list(only)
    servers = all_servers()
    return [one for one in servers if not words or any(word in one.name for word in words)]
