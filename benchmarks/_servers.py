"""The servers under test: how each is started."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import shutil
import sys
from collections.abc import Callable, Iterable

import _peers
import _report as report

APPS = report.TOP / "benchmarks" / "apps"


@dataclasses.dataclass(frozen=True)
class Server:
    """One server under test. `command(port, workers)` starts it; workers None is its default."""

    name: str
    kind: str  # "ours", "peer" or "ceiling"
    command: Callable[[int, int | None], list[str]]
    folder: pathlib.Path = APPS
    runs_python: bool = True
    first: tuple[str, bytes] = ("/", b"Hello, World!")  # what is asked at the start, its answer
    environment: tuple[tuple[str, str], ...] = ()  # variables besides those of this process


def _peer(name: str, command: Callable[[int, int], list[str]]) -> Server:
    """A peer; its own default is one process in most cases, so it gets one for each core."""
    cores = len(os.sched_getaffinity(0))
    return Server(name, "peer", lambda port, workers: command(port, workers or cores))


# Servers that watch their workers' health would take those for dead that were frozen for a while
# (see Running.freeze), so these checks are off or lenient.


# All take the beginning of their applications' names: "" for those of ./bench http.


def _uvicorn(prefix: str) -> Callable[[int, int], list[str]]:
    return lambda port, workers: [
        *_peers.tool("uvicorn", f"{prefix}asgi_app:app"), "--port", str(port),
        "--workers", str(workers), "--loop", "uvloop", "--http", "httptools", "--no-access-log",
        "--log-level", "warning", "--timeout-worker-healthcheck", "3600",
    ]  # fmt: skip


def _granian(interface: str, prefix: str = "") -> Callable[[int, int], list[str]]:
    module = f"{prefix}{interface}_app"
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


def _gunicorn_threads(prefix: str = "", *more: str) -> Callable[[int, int], list[str]]:
    return _gunicorn(f"{prefix}wsgi_app:app", "-k", "gthread", "--threads", "4", *more)


def _pyronova(prefix: str = "") -> Callable[[int, int], list[str]]:
    return lambda port, workers: _peers.python(f"{prefix}pyronova_main.py", str(port), str(workers))


def _allcores(prefix: str = "", suffix: str = "") -> Callable[[int, int | None], list[str]]:
    def command(port: int, workers: int | None) -> list[str]:
        count = [] if workers is None else [str(workers)]
        return [python_for_servers(), f"{prefix}allcores{suffix}_main.py", str(port), *count]

    return command


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
        Server("allcores", "ours", _allcores()),
        Server("allcores wsgi", "ours", _allcores("", "_wsgi")),
        Server("allcores asgi", "ours", _allcores("", "_asgi")),
        _peer("fastpysgi wsgi", _fastpysgi("wsgi")),
        _peer("fastpysgi asgi", _fastpysgi("asgi")),
        _peer("pyronova", _pyronova()),
        _peer("granian wsgi", _granian("wsgi")),
        _peer("granian rsgi", _granian("rsgi")),
        _peer("granian asgi", _granian("asgi")),
        _peer("uvicorn", _uvicorn("")),
        _peer("aiohttp", _gunicorn("aiohttp_app:app", "-k", "aiohttp.GunicornUVLoopWebWorker")),
        _peer("gunicorn", _gunicorn_threads()),
        Server("C++ ceiling", "ceiling", _peers.ceiling_command, report.TOP, runs_python=False),
    ]


def extension_servers(first: tuple[str, bytes]) -> list[Server]:
    """Ours, then the peers, for the search of examples/neighbours. Each peer is there twice: as it
    is by itself, and with one thread for each worker's BLAS and OpenMP.
    """
    prefix = "neighbours_"
    peers = [
        _peer("pyronova", _pyronova(prefix)),
        _peer("granian wsgi", _granian("wsgi", prefix)),
        _peer("granian rsgi", _granian("rsgi", prefix)),
        _peer("granian asgi", _granian("asgi", prefix)),
        _peer("uvicorn", _uvicorn(prefix)),
        _peer("gunicorn", _gunicorn_threads(prefix)),
        _peer("gunicorn preload", _gunicorn_threads(prefix, "--preload")),
    ]
    one_thread = (("OPENBLAS_NUM_THREADS", "1"), ("OMP_NUM_THREADS", "1"))
    tuned = [
        dataclasses.replace(one, name=f"{one.name}, 1 thread", environment=one_thread)
        for one in peers
    ]
    servers = [Server("allcores", "ours", _allcores(prefix)), *peers, *tuned]
    return [dataclasses.replace(one, first=first) for one in servers]


def having(servers: list[Server], words: list[str]) -> list[Server]:
    """The servers whose name contains one of `words`, all without any."""
    return [one for one in servers if not words or any(word in one.name for word in words)]


def chosen(only: Iterable[str]) -> list[Server]:
    """Those of `./bench http` whose name contains one of `only`, all without any."""
    return having(all_servers(), list(only))
