"""Handlers, clients and options that do what they should not: nobody else feels it."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator

import misuse_app
import pytest
from servers import ServerProcess, here, serving, started

import allcores


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with serving("'misuse_app:router', workers=2") as server:
        yield server
        assert server.end() == 0, server.stderr()


def said_meanwhile(
    server: ServerProcess, path: str, body: bytes = b"Internal Server Error\n"
) -> str:
    """What the server logs for a request that fails; its connection lives on."""
    before = len(server.stderr())
    connection = server.connect()
    connection.request("GET", path)
    response = connection.getresponse()
    assert (response.status, response.read()) == (500, body)
    connection.request("GET", "/ok")
    assert connection.getresponse().read() == b"ok"
    connection.close()
    return server.stderr()[before:]


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("exit", "SystemExit: 3"),
        ("interrupt", "KeyboardInterrupt"),
        ("generator-exit", "GeneratorExit"),
        ("own", "misuse_app.Own: mine"),
        ("speechless", "misuse_app.Speechless: <exception str() failed>"),
    ],
)
def test_whatever_a_handler_raises_is_one_answer(
    server: ServerProcess, what: str, line: str
) -> None:
    said = said_meanwhile(server, f"/raise/{what}")
    assert said.splitlines()[-1] == line
    assert said.count("Traceback") == 1


@pytest.mark.parametrize("what", ["generator", "object", "class", "set"])
def test_nonsense_that_a_handler_returns_is_named(server: ServerProcess, what: str) -> None:
    assert "TypeError: a response can't be a" in said_meanwhile(server, f"/return/{what}")


def test_what_is_nested_too_deeply_is_logged_in_few_words(server: ServerProcess) -> None:
    said = said_meanwhile(server, "/return/deep")
    assert "RecursionError" in said
    assert said.count("\n") < 100


def test_a_log_that_fails_does_not_lose_the_error() -> None:
    with serving("'misuse_app:router', workers=1") as server:
        said = said_meanwhile(server, "/no-logging", b"")
        assert "ValueError: the handler's own" in said


def test_processes_of_a_handler(server: ServerProcess) -> None:
    # CPython can't fork in another interpreter than main, and says so.
    assert server.get("/processes")[1] == (
        b'["fork not supported for isolated subinterpreters","hi\\n",7]'
    )


def test_a_thread_that_outlives_the_server_is_left_behind() -> None:
    with serving("'misuse_app:router', workers=2, grace=0.1") as server:
        assert server.get("/thread")[1] == b"started"
        assert server.end() == 0
        assert "Traceback" not in server.stderr()


@pytest.mark.parametrize("path", ["method", "bound"])
def test_objects_that_are_handlers(path: str) -> None:
    with serving(f"'misuse_app:{path}', workers=1") as server:
        assert server.get("/")[0].status == 200


@pytest.mark.parametrize(
    ("handler", "line"),
    [
        ("'misuse_app:no_argument'", "can't be called with one argument"),
        ("'misuse_app:two_arguments', interface='handler'", "is not a handler"),
        ("'misuse_app:asynchronous', interface='handler'", "is not a handler"),
        ("misuse_app.two_arguments, interface='handler'", "is not a handler"),
        ("misuse_app.asynchronous, interface='handler'", "is not a handler"),
        ("lambda: 1", "can't be called with one argument"),
    ],
)
def test_a_handler_that_can_not_be_one_is_refused_at_the_start(handler: str, line: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import allcores, misuse_app\nallcores.serve({handler}, port=0)"],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=here,
    )
    assert done.returncode == 1
    assert line in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"handler": 5}, TypeError, "the handler must be a function or 'module:name', not int"),
        ({"max_body": -1}, ValueError, "max_body must be 0 to "),
        ({"max_header": 0}, ValueError, "max_header must be 1 to "),
        ({"max_connections": 0}, ValueError, "max_connections must be 1 to "),
        ({"max_body": "1"}, TypeError, "max_body must be an int, not str"),
        ({"min_body_rate": -1}, ValueError, "min_body_rate must be 0 to "),
        ({"backlog": 2**40}, ValueError, "backlog must be 1 to "),
        ({"workers": True}, TypeError, "workers must be an int, not bool"),
        ({"port": 65536}, ValueError, "port must be 0 to 65535, not 65536"),
        ({"header_timeout": 0}, ValueError, "header_timeout must be more than 0 seconds"),
        ({"send_timeout": float("nan")}, ValueError, "send_timeout must be more than 0 seconds"),
        ({"keep_alive_timeout": "5"}, TypeError, "keep_alive_timeout must be a number of seconds"),
        ({"grace": -0.1}, ValueError, "grace must be 0 or more seconds"),
        ({"host": 5}, TypeError, "host must be a str, or a list of such, not int"),
        ({"host": ["::1", b""]}, TypeError, "host must be a str, or a list of such, not bytes"),
        ({"fd": True}, TypeError, "fd must be a int, or a list of such, not bool"),
        ({"factory": 1}, TypeError, "factory must be True or False, not int"),
        ({"interface": None}, TypeError, "interface must be a str, not NoneType"),
        ({"root_path": 1}, TypeError, "root_path must be a str, not int"),
        ({"headers": [("a",)]}, TypeError, "headers must be pairs of str, not ('a',)"),
        ({"headers": {"a": 1}}, TypeError, "headers must be pairs of str, not ('a', 1)"),
        ({"headers": 5}, TypeError, "headers must be pairs of str, not 5"),
        ({"server_name": "a\r\nX: b"}, ValueError, "server_name must be of visible ASCII"),
        ({"ready": 5}, TypeError, "ready must be a function or None"),
    ],
)
def test_options_that_are_none(
    options: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=re.escape(f"serve: {message}")):
        allcores.serve(**{"handler": misuse_app.ok, "port": 0, **options})  # type: ignore[arg-type]


def test_a_client_that_speaks_tls_is_told_in_plain_text(server: ServerProcess) -> None:
    with server.socket() as client:
        client.sendall(bytes.fromhex("16030100f8010000f40303") + os.urandom(240))
        client.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: client.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 400 ")


def test_a_body_that_drips_is_timed_out_and_others_are_not() -> None:
    options = "body_timeout=0.3, min_body_rate=10**9, workers=2"
    with serving(f"'misuse_app:router', {options}") as server, server.socket() as client:
        client.sendall(b"POST /ok HTTP/1.1\r\nHost: h\r\nContent-Length: 9999999\r\n\r\n")
        client.setblocking(False)
        while True:
            client.send(b"x")
            assert server.get("/ok")[1] == b"ok"
            try:
                answer = client.recv(100)
                break
            except BlockingIOError:
                continue
        assert answer.startswith(b"HTTP/1.1 408 ")


OBJECTS = """
import sys, threading
import allcores


class Fails:
    def __call__(self, request):
        return "never"


class FailsHere(Fails):
    lock = None
    def __init__(self):
        self.lock = threading.Lock()


class FailsThere(Fails):
    def __setstate__(self, state):
        raise RuntimeError("no copies")
    def __getstate__(self):
        return {"some": "state"}


allcores.serve(globals()[sys.argv[1]](), port=0, workers=1)
"""


@pytest.mark.parametrize(
    ("name", "line"),
    [("FailsHere", "cannot pickle '_thread.lock' object"), ("FailsThere", "no copies")],
)
def test_an_application_that_can_not_be_copied(name: str, line: str) -> None:
    with started([sys.executable, "-c", OBJECTS, name]) as process:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 1
    assert out == ""
    assert line in err
    assert "is served by its name: allcores.serve('module:name')" in err


IN_A_THREAD = """
import threading
import allcores

ready = threading.Event()
arguments = dict(port=0, workers=1, ready=lambda addresses: ready.set())
serve = lambda: allcores.serve("asgi_app:app", **arguments)
threading.Thread(target=serve, daemon=True).start()
ready.wait()
"""


def test_a_program_may_end_while_a_thread_serves() -> None:
    """Without a word about the worker, which waits."""
    with started([sys.executable, "-c", IN_A_THREAD], {"PYTHONPATH": str(here)}) as process:
        _, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, "")
