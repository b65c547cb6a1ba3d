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
    interface: str = ""  # "asgi" or "wsgi", where the application is one of these


def _peer(name: str, command: Callable[[int, int], list[str]], interface: str = "") -> Server:
    """A peer; its own default is one process in most cases, so it gets one for each core."""
    cores = len(os.sched_getaffinity(0))
    return Server(
        name, "peer", lambda port, workers: command(port, workers or cores), interface=interface
    )


# Servers that watch their workers' health would take those for dead that were frozen for a while
# (see Running.freeze), so these checks are off or lenient.


def _uvicorn(application: str) -> Callable[[int, int], list[str]]:
    return lambda port, workers: [
        *_peers.tool("uvicorn", application), "--port", str(port),
        "--workers", str(workers), "--loop", "uvloop", "--http", "httptools", "--no-access-log",
        "--log-level", "warning", "--timeout-worker-healthcheck", "3600",
    ]  # fmt: skip


def _hypercorn(application: str) -> Callable[[int, int], list[str]]:
    return lambda port, workers: [
        *_peers.tool("hypercorn", application), "--bind", f"127.0.0.1:{port}", "--workers",
        str(workers), "--worker-class", "uvloop", "--log-level", "warning",
    ]  # fmt: skip


def _granian(interface: str, application: str) -> Callable[[int, int], list[str]]:
    loop = [] if interface == "wsgi" else ["--loop", "uvloop"]
    return lambda port, workers: [
        *_peers.tool("granian", application), "--interface", interface, "--port", str(port),
        "--workers", str(workers), "--log-level", "warning", *loop,
    ]  # fmt: skip


def _fastpysgi(module: str) -> Callable[[int, int], list[str]]:
    return lambda port, workers: _peers.python("fastpysgi_main.py", module, str(port), str(workers))


def _gunicorn(application: str, *options: str) -> Callable[[int, int], list[str]]:
    return lambda port, workers: [
        *_peers.tool("gunicorn", application), "--bind", f"127.0.0.1:{port}", "--workers",
        str(workers), "--keep-alive", "600", "--timeout", "0", "--log-level", "warning",
        *options,
    ]  # fmt: skip


def _gunicorn_threads(application: str, *more: str) -> Callable[[int, int], list[str]]:
    return _gunicorn(application, "-k", "gthread", "--threads", "4", *more)


def _pyronova(prefix: str = "") -> Callable[[int, int], list[str]]:
    return lambda port, workers: _peers.python(f"{prefix}pyronova_main.py", str(port), str(workers))


def _allcores(prefix: str = "", suffix: str = "") -> Callable[[int, int | None], list[str]]:
    def command(port: int, workers: int | None) -> list[str]:
        count = [] if workers is None else [str(workers)]
        return [python_for_servers(), f"{prefix}allcores{suffix}_main.py", str(port), *count]

    return command


def _allcores_with_peers(application: str) -> Callable[[int, int | None], list[str]]:
    """By the peers' Python, and so with their packages."""

    def command(port: int, workers: int | None) -> list[str]:
        count = [] if workers is None else ["--workers", str(workers)]
        return _peers.python("-m", "allcores", "serve", application, "--port", str(port), *count)

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
    asgi, wsgi = "asgi_app:app", "wsgi_app:app"
    aiohttp = _gunicorn("aiohttp_app:app", "-k", "aiohttp.GunicornUVLoopWebWorker")
    return [
        Server("allcores", "ours", _allcores()),
        Server("allcores wsgi", "ours", _allcores("", "_wsgi"), interface="wsgi"),
        Server("allcores asgi", "ours", _allcores("", "_asgi"), interface="asgi"),
        _peer("fastpysgi wsgi", _fastpysgi("wsgi_app"), "wsgi"),
        _peer("fastpysgi asgi", _fastpysgi("asgi_app"), "asgi"),
        _peer("pyronova", _pyronova()),
        _peer("granian wsgi", _granian("wsgi", wsgi), "wsgi"),
        _peer("granian rsgi", _granian("rsgi", "rsgi_app:app")),
        _peer("granian asgi", _granian("asgi", asgi), "asgi"),
        _peer("uvicorn", _uvicorn(asgi), "asgi"),
        _peer("hypercorn", _hypercorn(asgi), "asgi"),
        _peer("aiohttp", aiohttp),
        _peer("gunicorn", _gunicorn_threads(wsgi), "wsgi"),
        Server("C++ ceiling", "ceiling", _peers.ceiling_command, report.TOP, runs_python=False),
    ]


def framework_servers(name: str, interface: str, answer: bytes) -> list[Server]:
    """Ours, then the peers, for benchmarks/apps/framework_NAME.py, whose /json gives `answer`."""
    module = f"framework_{name}"
    application = f"{module}:app"
    ours = Server(
        "allcores",
        "ours",
        _allcores_with_peers(application),
        environment=(("PYTHONPATH", str(report.TOP / "python")),),
    )
    servers = [
        ours,
        _peer("granian", _granian(interface, application)),
        _peer("fastpysgi", _fastpysgi(module)),
    ]
    if interface == "asgi":
        servers += [
            _peer("uvicorn", _uvicorn(application)),
            _peer("hypercorn", _hypercorn(application)),
        ]
    else:
        servers.append(_peer("gunicorn", _gunicorn_threads(application)))
    return [
        dataclasses.replace(one, interface=interface, first=("/json", answer)) for one in servers
    ]


def application_peers(prefix: str) -> list[Server]:
    """uvicorn, granian and gunicorn with the ASGI and WSGI applications of that name."""
    asgi, wsgi = f"{prefix}asgi_app:app", f"{prefix}wsgi_app:app"
    return [
        _peer("uvicorn", _uvicorn(asgi)),
        _peer("granian asgi", _granian("asgi", asgi)),
        _peer("granian wsgi", _granian("wsgi", wsgi)),
        _peer("gunicorn", _gunicorn_threads(wsgi)),
    ]


def extension_servers(first: tuple[str, bytes]) -> list[Server]:
    """Ours, then the peers, for the search of examples/neighbours. Each peer is there twice: as it
    is by itself, and with one thread for each worker's BLAS and OpenMP.
    """
    prefix = "neighbours_"
    asgi, wsgi = f"{prefix}asgi_app:app", f"{prefix}wsgi_app:app"
    peers = [
        _peer("pyronova", _pyronova(prefix)),
        _peer("granian wsgi", _granian("wsgi", wsgi)),
        _peer("granian rsgi", _granian("rsgi", f"{prefix}rsgi_app:app")),
        _peer("granian asgi", _granian("asgi", asgi)),
        _peer("uvicorn", _uvicorn(asgi)),
        _peer("gunicorn", _gunicorn_threads(wsgi)),
        _peer("gunicorn preload", _gunicorn_threads(wsgi, "--preload")),
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
