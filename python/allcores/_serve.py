"""`allcores.serve`: an HTTP server whose handler runs on every core of this process."""

from __future__ import annotations

from _signal import SIGHUP, SIGINT, SIGTERM, set_wakeup_fd, signal  # type: ignore[import-not-found]
from errno import EACCES, EADDRINUSE, EEXIST
from sys import version_info

from allcores import _core
from allcores._core import Server
from allcores._cpus import cpu_count
from allcores._functions import Kept, dumps
from allcores._options import (
    LOG_LEVELS,
    check_all,
    check_handler,
    check_ready,
    fields_of,
    folders_of,
    list_of,
    networks_of,
)
from allcores._worker import COPY_NOTE, payload

# Not from typing, and not signal, threading and contextlib: what they import costs a program that
# only serves two megabytes.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from allcores._core import Request

workers_per_core = 4
# gunicorn's.
STANDARD_FORMAT = '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"'
default_max_body = 16 * 1024 * 1024


class ServeError(SystemExit):
    """The server can't start. Uncaught, it prints one line and ends the program with status 1.

    `status` is what the command `allcores serve` ends with: 3 where the application itself fails to
    start.
    """

    def __init__(self, message: str, status: int = 1, no_module: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.no_module = no_module  # that of the handler's name


def serve(
    handler: Callable[[Request], Any] | str,
    *,
    interface: str = "auto",
    loop: str = "auto",
    factory: bool = False,
    lifespan: str = "auto",
    root_path: str = "",
    host: str | Sequence[str] | None = None,
    port: int = 8000,
    uds: str | Sequence[str] | None = None,
    uds_permissions: int = 0o666,
    fd: int | Sequence[int] | None = None,
    backlog: int = 4096,
    workers: int | None = None,
    log_level: str = "info",
    headers: Mapping[str, str] | Sequence[tuple[str, str] | str] = (),
    server_name: str = "allcores",
    date_header: bool = True,
    proxy_headers: bool = True,
    forwarded_allow_ips: str | Sequence[str] | None = None,
    access_log: bool = False,
    access_log_format: str | None = None,
    static: Mapping[str, str] | Sequence[tuple[str, str] | str] = (),
    health: str | None = None,
    metrics: str | None = None,
    ws_max_size: int = 16 * 1024 * 1024,
    ws_max_queue: int = 32,
    ws_ping_interval: float | None = 20.0,
    ws_ping_timeout: float | None = 20.0,
    ws_per_message_deflate: bool = True,
    limit_concurrency: int | None = None,
    grace: float = 10.0,
    worker_timeout: float | None = None,
    limit_max_requests: int | None = None,
    limit_max_requests_jitter: int = 0,
    max_header: int = 32 * 1024,
    max_body: int | None = None,
    body_buffer: int = 1024 * 1024 * 1024,
    max_connections: int = 16384,
    min_body_rate: int = 500,
    header_timeout: float = 10.0,
    body_timeout: float = 30.0,
    keep_alive_timeout: float = 75.0,
    send_timeout: float = 30.0,
    ready: Callable[[list[str]], Any] | None = None,
) -> None:
    """Serve HTTP/1.1 until SIGINT or SIGTERM.

    `handler` is a function request -> response, an ASGI 3 or a WSGI application, or "module:name"
    of one; `interface` says which ("handler", "asgi", "wsgi"; by default how it can be called
    tells), and with `factory` it is a function that makes it. It runs in `workers`
    interpreters at once (by default 4 for each CPU that the process may use), each with its own
    GIL; whichever is free serves the next request. As many of them load the handler at a time as
    there are CPUs, and each serves as soon as it has it. A function that can be imported is
    imported in each worker, any other is sent by value; what it closes over must be frozen data,
    modules, or values that can be copied. A response is bytes, a str, a JSON-able value,
    `http.Response` or `http.FileResponse`. A handler that raises costs one answer with status 500
    and one traceback in the log.

    An ASGI application has an event loop in each worker: asyncio's, which `loop="auto"` is, or
    "uvloop", where that is installed. Its lifespan runs in each (`lifespan`: "auto", "on", which
    makes it an error not to have one, or "off"); `root_path` is what it finds in the scope.

    Of an ASGI application's WebSockets: `ws_max_size` is the bytes that a message may have (1009),
    `ws_max_queue` how many wait for `receive()` before the client has to. A client that has been
    silent for `ws_ping_interval` seconds gets a ping, and is gone if nothing comes within
    `ws_ping_timeout` (0 or None: no pings, and as long as it likes). `ws_per_message_deflate`
    compresses where the client can.

    Sizes are bytes: `max_header` of a request's head (431), `max_body` (413; by default 16 MiB for
    handlers, without limit for applications, which take it in parts). Times are seconds:
    `header_timeout` for a request's head and `body_timeout` between two parts of its body (408),
    `keep_alive_timeout` between two requests, `send_timeout` for a client that does not read. A
    body in all may take `body_timeout` and the time that its bytes take at `min_body_rate` bytes a
    second (408; 0 for as long as it likes). A body that comes slowly is whole before a WSGI
    application gets it, in a file where it is long: `body_buffer` is what all such files may have
    together; with 0 there are none, and a worker waits.
    `host` is a name or an address, or several; 127.0.0.1 where neither `uds` nor `fd` says where to
    listen. `port=0` takes a free port. `uds` is the path of a unix socket, made with
    `uds_permissions`; `fd` the number of a socket that was opened for this process. `ready` is
    called with the addresses, instead of printing them.

    `headers` are on every response. With `proxy_headers` a request's client and scheme are what
    X-Forwarded-For and X-Forwarded-Proto say, when it comes from `forwarded_allow_ips`: addresses,
    networks, or "*" for everybody; by default the environment's FORWARDED_ALLOW_IPS or 127.0.0.1.
    `access_log` writes a line for each request to standard output, in `access_log_format` if that
    is given, of gunicorn's atoms. Above `limit_concurrency` requests at a time others are 503.

    Without Python are answered: the files of the folders of `static` (from prefix to folder), the
    path `health`, and the path `metrics` in the format of Prometheus.

    On SIGHUP new workers load the code anew and take the places of the old ones, which finish what
    they have: no request is lost. A worker that is with one request for longer than
    `worker_timeout` seconds is reported, with its stack, and replaced, and so is one that has
    served `limit_max_requests`.

    On the first SIGINT or SIGTERM no new connections are taken, and what is in flight has `grace`
    seconds to finish, and so has a worker that loads the handler still, the step that it is in;
    then `serve` returns. A second signal cuts that short. Signals are only handled when called on
    the main thread.

    Raises ServeError, which as a SystemExit ends the program with one clear line, for an address
    that can't be had and a handler that can't be found, and with a traceback for a handler that
    can't be loaded. Where only a worker that comes after others can't, the server stops first, as
    on a signal. TypeError and ValueError for arguments that are none.
    """
    given = locals()
    check_handler(handler)
    check_ready(ready)
    check_all(given)
    count = cpu_count() * workers_per_core if workers is None else workers
    fields = fields_of("headers", headers)
    own = {name.lower() for name, _ in fields}
    options = {
        "interface": interface,
        "factory": factory,
        "lifespan": lifespan,
        "root_path": root_path.rstrip("/"),
        "log_level": log_level,
        "loop": loop,
        "worker_timeout": worker_timeout or 0.0,
        "websockets": (
            ws_max_size,
            ws_max_queue,
            ws_ping_interval or 0.0,
            ws_ping_timeout or 0.0,
            ws_per_message_deflate,
        ),
    }
    kept = Kept()
    by_name = isinstance(handler, str)
    # One that is no function: an application's object, which not every framework's can be.
    options["is_copy"] = not (by_name or hasattr(handler, "__code__"))
    try:
        sent = handler if by_name else dumps(handler, kept)
    except TypeError as error:
        if options["is_copy"]:
            error.add_note(COPY_NOTE)
        raise
    server = Server(
        payload=payload(sent, options),
        host="127.0.0.1",
        port=port,
        workers=count,
        backlog=backlog,
        max_header=max_header,
        max_body=default_max_body if max_body is None else max_body,
        max_streamed=2**63 - 1 if max_body is None else max_body,
        max_connections=max_connections,
        min_body_rate=min_body_rate,
        header_timeout=header_timeout,
        body_timeout=body_timeout,
        keep_alive_timeout=keep_alive_timeout,
        send_timeout=send_timeout,
        server_name="" if "server" in own else server_name,
        loading=cpu_count(),
        options={
            "hosts": list_of("host", host, str),
            "paths": list_of("uds", uds, str),
            "path_permissions": uds_permissions,
            "descriptors": list_of("fd", fd, int),
            "fields": "".join(f"{name}: {text}\r\n" for name, text in fields).encode("latin-1"),
            "says_date": date_header and "date" not in own,
            "log_level": LOG_LEVELS[log_level],
            "worker_timeout": worker_timeout or 0.0,
            "trusted": networks_of("", forwarded_allow_ips) if proxy_headers else "",
            "files": folders_of("static", static),
            "health": health or "",
            "metrics": metrics or "",
            "most_requests": limit_concurrency or 0,
            "body_buffer": body_buffer,
            **({"access_log": access_log_format or STANDARD_FORMAT} if access_log else {}),
            "max_requests": limit_max_requests or 0,
            "max_requests_jitter": limit_max_requests_jitter,
            # Where the loop waits by itself all workers do, of both generations at a restart
            # (src/http/worker_look.cpp).
            **({"on_duty": 2 * count} if loop == "uvloop" else {}),
        },
    )
    try:
        addresses = server.listen()
    except OSError as error:
        raise ServeError(f"allcores: {_listen_problem(error, host, port)}") from None
    with _Signals(server, grace) as stopped:
        try:
            server.start()
            failure = server.wait_serving()
            if failure is None:
                if not stopped:
                    _announce(ready, addresses, server.interface(), given | {"workers": count})
                failure = server.wait_returned()
            if stopped:  # Ctrl-C goes also to processes that the handler's import has started
                failure = None
            if failure is not None:  # perhaps of one that came after others: what they have begun
                server.stop(grace)
                server.wait_returned()
        finally:
            server.stop(0)
            server.end(1.0 if len(stopped) < 2 else 0.4)
    if failure is not None:
        raise _load_problem(failure)


def _announce(
    ready: Callable[[list[str]], Any] | None,
    addresses: list[str],
    interface: str,
    given: dict[str, Any],
) -> None:
    if ready is not None:
        ready(addresses)
        return
    if LOG_LEVELS[given["log_level"]] > LOG_LEVELS["info"]:
        return
    names = " and ".join(
        each if each.startswith("unix:") else f"http://{each}" for each in addresses
    )
    workers = given["workers"]
    plural = "worker" if workers == 1 else "workers"
    python = f"{version_info.major}.{version_info.minor}.{version_info.micro}"
    try:
        print(
            f"allcores {_core.__version__}: serving on {names} with {workers} {plural} "
            f"({interface}), Python {python}; Ctrl-C or SIGTERM stops",
            flush=True,
        )
    except OSError:  # a pipe without a reader, a disk that is full: no reason not to serve
        return


def _listen_problem(error: OSError, host: Any, port: int) -> str:
    place = str(error.strerror).partition(": ")[0].removeprefix("cannot listen on ")
    if place.startswith("unix:"):
        path = place.removeprefix("unix:")
        if error.errno == EADDRINUSE:
            return f"{path} is taken: a server listens there"
        if error.errno == EEXIST:
            return f"{path} is there and is no socket: remove it, or choose another path"
        return f"can't listen on {path}: {_reason(error)}"
    if place.startswith("descriptor "):
        return f"can't listen on {place}: {_reason(error)}"
    hosts = " and ".join(list_of("host", host, str)) or "127.0.0.1"
    if error.errno == EADDRINUSE:
        return f"port {port} on {hosts} is taken: stop what listens there, or choose another port"
    if error.errno == EACCES:
        return f"no permission to listen on port {port}: ports below 1024 need root"
    return f"can't listen on {hosts} port {port}: {error.strerror}"


def _reason(error: OSError) -> str:
    return str(error.strerror).rpartition(": ")[2]


def _load_problem(failure: tuple[str, str, str]) -> ServeError:
    kind, message, traceback = failure  # as _failures.explain() has them
    name = kind.rpartition(".")[2]
    is_theirs = name not in ("HandlerNotFound", "ModuleNotThere", "LoopMissing")
    text = f"{traceback}allcores: {message}"
    return ServeError(text, 3 if is_theirs else 1, no_module=name == "ModuleNotThere")


class _Signals:
    """Lets SIGINT and SIGTERM stop the server; gives the list of signals that came."""

    def __init__(self, server: Server, grace: float) -> None:
        self._server = server
        self._grace = grace
        self._came: list[int] = []
        self._before: dict[int, Any] = {}
        self._woke_before = -1

    def __enter__(self) -> list[int]:
        wake = self._server.wake_descriptor()
        try:
            self._woke_before = set_wakeup_fd(wake, warn_on_full_buffer=False)
            for number in (SIGINT, SIGTERM):
                self._before[number] = signal(number, self._stop)
            self._before[SIGHUP] = signal(SIGHUP, self._restart)
        except ValueError:  # not the main thread: signals are not handled
            pass
        return self._came

    def _stop(self, number: int, _frame: object) -> None:
        self._came.append(number)
        self._server.stop(self._grace if len(self._came) == 1 else 0)

    def _restart(self, _number: int, _frame: object) -> None:
        self._server.restart(self._grace)

    def __exit__(self, *_error: object) -> None:
        for number, handler in self._before.items():
            signal(number, handler)
        if self._before:
            set_wakeup_fd(self._woke_before)
