"""`allcores.serve`: an HTTP server whose handler runs on every core of this process."""

from __future__ import annotations

from _signal import SIGINT, SIGTERM, set_wakeup_fd, signal  # type: ignore[import-not-found]
from errno import EACCES, EADDRINUSE

from allcores._core import Server
from allcores._cpus import cpu_count
from allcores._functions import dumps
from allcores._interfaces import INTERFACES
from allcores._options import (
    check_choice,
    check_handler,
    check_int,
    check_ready,
    check_seconds,
    check_text,
)
from allcores._worker import payload

# Not from typing, and not signal, threading and contextlib: what they import costs a program that
# only serves two megabytes.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from allcores._core import Request

workers_per_core = 4
default_max_body = 16 * 1024 * 1024


class ServeError(SystemExit):
    """The server can't start. Uncaught, it prints one line and ends the program with status 1."""


def serve(
    handler: Callable[[Request], Any] | str,
    *,
    interface: str = "auto",
    factory: bool = False,
    lifespan: str = "auto",
    root_path: str = "",
    host: str = "127.0.0.1",
    port: int = 8000,
    workers: int | None = None,
    grace: float = 10.0,
    backlog: int = 4096,
    max_header: int = 32 * 1024,
    max_body: int | None = None,
    max_connections: int = 16384,
    min_body_rate: int = 500,
    header_timeout: float = 10.0,
    body_timeout: float = 30.0,
    keep_alive_timeout: float = 75.0,
    send_timeout: float = 30.0,
    server_name: str = "allcores",
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

    An ASGI application has an event loop of asyncio's in each worker. Its lifespan runs in each
    (`lifespan`: "auto", "on", which makes it an error not to have one, or "off"); `root_path` is
    what it finds in the scope.

    Sizes are bytes: `max_header` of a request's head (431), `max_body` (413; by default 16 MiB for
    handlers, without limit for applications, which take it in parts). Times are seconds:
    `header_timeout` for a request's head and `body_timeout` between two parts of its body (408),
    `keep_alive_timeout` between two requests, `send_timeout` for a client that does not read. A
    body in all may take `body_timeout` and the time that its bytes take at `min_body_rate` bytes a
    second (408; 0 for as long as it likes).
    `port=0` takes a free port. `ready` is called with the addresses, instead of printing them.

    On the first signal no new connections are taken, and what is in flight has `grace` seconds to
    finish; then `serve` returns. A second signal cuts that short. Signals are only handled when
    called on the main thread.

    Raises ServeError, which as a SystemExit ends the program with one clear line, for an address
    that can't be had and a handler that can't be found, and with a traceback for a handler that
    can't be loaded. Where only a worker that comes after others can't, the server stops first, as
    on a signal. TypeError and ValueError for arguments that are none.
    """
    count = cpu_count() * workers_per_core if workers is None else workers
    check_handler(handler)
    check_ready(ready)
    check_choice("interface", interface, INTERFACES)
    check_choice("lifespan", lifespan, ("auto", "on", "off"))
    check_text("root_path", root_path)
    check_text("host", host)
    check_text("server_name", server_name)
    check_int("port", port, 0, 65535)
    check_int("workers", count, 1, 4096)
    check_int("backlog", backlog, 1, 2**31 - 1)
    check_int("max_header", max_header, 1, 2**31 - 1)
    if max_body is not None:
        check_int("max_body", max_body, 0, 2**63 - 1)
    check_int("max_connections", max_connections, 1, 10_000_000)
    check_int("min_body_rate", min_body_rate, 0, 2**32 - 1)
    check_seconds("grace", grace, may_be_zero=True)
    check_seconds("header_timeout", header_timeout)
    check_seconds("body_timeout", body_timeout)
    check_seconds("keep_alive_timeout", keep_alive_timeout)
    check_seconds("send_timeout", send_timeout)
    options = {
        "interface": interface,
        "factory": bool(factory),
        "lifespan": lifespan,
        "root_path": root_path.rstrip("/"),
    }
    server = Server(
        payload=payload(handler if isinstance(handler, str) else dumps(handler), options),
        host=host,
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
        server_name=server_name,
        loading=cpu_count(),
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
                    _announce(ready, addresses, count)
                failure = server.wait_returned()
            if stopped:  # whoever still loaded then need not have come to an end
                failure = None
            if failure is not None:  # perhaps of one that came after others: what they have begun
                server.stop(grace)
                server.wait_returned()
        finally:
            server.stop(0)
            server.end(1.0)
    if failure is not None:
        raise ServeError(_load_problem(failure))


def _announce(ready: Callable[[list[str]], Any] | None, addresses: list[str], workers: int) -> None:
    if ready is not None:
        ready(addresses)
        return
    names = " and ".join(f"http://{address}" for address in addresses)
    plural = "worker" if workers == 1 else "workers"
    print(f"allcores: serving on {names} with {workers} {plural}", flush=True)


def _listen_problem(error: OSError, host: str, port: int) -> str:
    if error.errno == EADDRINUSE:
        return f"port {port} on {host} is taken: stop what listens there, or choose another port"
    if error.errno == EACCES:
        return f"no permission to listen on port {port}: ports below 1024 need root"
    return f"can't listen on {host} port {port}: {error.strerror}"


def _load_problem(failure: tuple[str, str, str]) -> str:
    kind, message, traceback = failure
    if kind.rpartition(".")[2] == "HandlerNotFound":
        return f"allcores: handler not found: {message}"
    return f"{traceback}allcores: the handler can't be loaded: {kind}: {message}"


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
        except ValueError:  # not the main thread: signals are not handled
            pass
        return self._came

    def _stop(self, number: int, _frame: object) -> None:
        self._came.append(number)
        self._server.stop(self._grace if len(self._came) == 1 else 0)

    def __exit__(self, *_error: object) -> None:
        for number, handler in self._before.items():
            signal(number, handler)
        if self._before:
            set_wakeup_fd(self._woke_before)
