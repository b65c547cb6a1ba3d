"""The applications that the tests of WSGI serve in processes of their own, one for each path."""

import json
import logging
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref.validate import validator

import wsgi_file_pages  # noqa: F401 (its pages)
import wsgi_input_pages  # noqa: F401
from wsgi_pages import LARGE, TEXT, Environ, StartResponse, applications, at, say

logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(message)s")


def app(environ: Environ, start_response: StartResponse) -> Any:
    """All of them."""
    application = applications.get(environ["PATH_INFO"])
    if application is None and environ["PATH_INFO"].startswith("/environ"):
        application = say_environ
    if application is None:
        start_response("404 Not Found", TEXT)
        return [b"not found"]
    return application(environ, start_response)


validated = validator(app)


@at("/")
def hello(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return [b"hello"]


@at("/environ")
def say_environ(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    plain = {k: v for k, v in environ.items() if isinstance(v, (str, bool, tuple))}
    body = json.dumps(plain).encode()
    start_response("200 OK", [("Content-Type", "application/json")])
    return (body,)


@at("/change")
def change_environ(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    seen = "my.own" in environ or environ["wsgi.version"] != (1, 0)
    seen = seen or environ["RAW_URI"] != "/change" or environ["wsgi.input"].read() != b""
    environ["my.own"] = environ["wsgi.version"] = "changed"
    environ["RAW_URI"] = environ["REMOTE_PORT"] = environ["wsgi.input"] = "changed"
    environ.pop("HTTP_HOST")
    environ.pop("REQUEST_METHOD")
    start_response("200 OK", TEXT)
    return [str(seen).encode()]


# Heads


@at("/head")
def head(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response(
        "299 In Our Own Words",
        [
            ("content-type", "x/y"),
            ("Set-Cookie", "a=1"),
            ("Set-Cookie", "b=2"),
            ("X-Latin", "caf\xe9"),
            ("Date", "Thu, 01 Jan 1970 00:00:00 GMT"),
            ("Server", "mine"),
            ("Connection", "keep-alive"),
            ("Content-Length", "4"),
        ],
    )
    return [b"body"]


@at("/close")
def close_connection(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [*TEXT, ("Connection", "close")])
    return [b"closed"]


@at("/start")
def start_with(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """start_response with the arguments of the query, as Python; what it raises is the answer."""
    arguments = eval(bytes.fromhex(environ["QUERY_STRING"]))
    try:
        start_response(*arguments)
    except Exception as error:
        start_response("200 OK", TEXT)
        return [f"{type(error).__name__}: {error}".encode()]
    return [b"taken"]


@at("/by-name")
def start_by_name(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response(status="200 OK", response_headers=TEXT, exc_info=None)
    return [b"by name"]


@at("/twice")
def start_twice(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", TEXT)
    start_response("201 Created", TEXT)
    return [b"never"]


@at("/replaced")
def replace_head(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [*TEXT, ("X-First", "1"), ("Content-Length", "1000")])
    try:
        raise ValueError("on the way")
    except ValueError:
        start_response("503 Service Unavailable", [*TEXT, ("X-Second", "2")], sys.exc_info())
    return [b"sorry"]


@at("/too-late")
def replace_too_late(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    start_response("200 OK", TEXT)
    yield b"begun"
    try:
        raise KeyError("after the head")
    except KeyError:
        start_response("500 Too Late", TEXT, sys.exc_info())
    yield b"never"


# Bodies


@at("/status")
def with_status(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """A status of the query, with a body."""
    start_response(environ["QUERY_STRING"] + " As Asked", TEXT)
    return [b"a body"]


@at("/empty-list")
def empty_list(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", TEXT)
    return []


@at("/nothing")
def nothing(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    start_response("200 OK", TEXT)
    yield b""


@at("/head-length")
def head_with_length(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [*TEXT, ("Content-Length", "12345")])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [b"x" * 12345]


@at("/several")
def several(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", TEXT)
    return [b"one,", b"", b"two,", b"three"]


@at("/several-large")
def several_large(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", TEXT)
    return [LARGE, LARGE, b"end"]


@at("/large")
def large(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", TEXT)
    return [LARGE * 8]


@at("/parts")
def parts(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    start_response("200 OK", TEXT)
    yield b"one,"
    yield b""
    yield b"two"


@at("/parts-length")
def parts_with_length(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    start_response("200 OK", [*TEXT, ("Content-Length", "7")])
    yield b"one,"
    yield b"two"


@at("/parts-large")
def large_parts(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    start_response("200 OK", TEXT)
    for _ in range(32):
        yield LARGE


@at("/late-start")
def late_start(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    def generate() -> Iterator[bytes]:
        start_response("200 OK", TEXT)
        yield b"late"

    return generate()


@at("/endless")
def endless(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    start_response("200 OK", TEXT)
    try:
        while True:
            yield b"x" * 10_000
    finally:
        say("endless was closed")


@at("/one-at-a-time")
def one_at_a_time(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    """Each part of the answer comes after a line that the client sent because of the one before."""
    start_response("200 OK", TEXT)
    yield b"ready\n"
    for line in environ["wsgi.input"]:
        yield b"got " + line


class Closed:
    """An iterable that says how it ends."""

    def __init__(self, name: str, parts: list[Any], fails: bool = False) -> None:
        self.name = name
        self.parts = iter(parts)
        self.fails = fails

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        part = next(self.parts)
        if isinstance(part, Exception):
            raise part
        return part  # type: ignore[no-any-return]

    def close(self) -> None:
        say(f"{self.name} was closed")
        if self.fails:
            raise RuntimeError(f"{self.name} can't be closed")


CLOSED: dict[str, Callable[[StartResponse], Any]] = {
    "whole": lambda start: (start("200 OK", TEXT), Closed("whole", [b"a", b"b"]))[1],
    "raises": lambda start: (
        start("200 OK", TEXT),
        Closed("raises", [ValueError("first part")]),
    )[1],
    "breaks": lambda start: (
        start("200 OK", TEXT),
        Closed("breaks", [b"a", ValueError("second part")]),
    )[1],
    "text": lambda start: (start("200 OK", TEXT), Closed("text", ["a"]))[1],
    "unstarted": lambda start: Closed("unstarted", [b"a"]),
    "fails": lambda start: (start("200 OK", TEXT), Closed("fails", [b"a"], fails=True))[1],
    "endless": lambda start: (start("200 OK", TEXT), Closed("endless", [b"x" * 10**5] * 10**4))[1],
    "short": lambda start: (
        start("200 OK", [*TEXT, ("Content-Length", "10")]),
        Closed("short", [b"abc"]),
    )[1],
}


@at("/closed")
def closed(environ: Environ, start_response: StartResponse) -> Any:
    return CLOSED[environ["QUERY_STRING"]](start_response)


class Later:
    """All of a body at once, and then things to do: `ends` in the end, `closes` in close()."""

    def __init__(self, body: bytes, ends: Callable[[], Any], closes: Callable[[], Any]) -> None:
        self.body = iter([body])
        self.ends = ends
        self.closes = closes

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        for part in self.body:
            return part
        self.ends()
        raise StopIteration

    def close(self) -> None:
        self.closes()


@at("/later")
def later(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """How, how many bytes, and a pipe that is read afterwards."""
    how, size, pipe = environ["QUERY_STRING"].split(":")

    def read() -> None:
        with open(pipe, "rb") as file:
            say(f"{how}: {file.read()!r}")

    def fail() -> None:
        raise ZeroDivisionError("after all")

    def nothing() -> None:
        pass

    body = b"x" * int(size)
    write = start_response("200 OK", [*TEXT, ("Content-Length", size)])
    if how == "write":
        write(body)
        read()
        return []
    ends = {"ends": read, "fails": fail}.get(how, nothing)
    return Later(body, ends, read if how == "closes" else nothing)


@at("/long")
def too_long(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [*TEXT, ("Content-Length", "3")])
    return {
        "list": [b"too long"],
        "parts": iter([b"to", b"o long"]),
        "behind": iter([b"too", b"", b" long"]),
    }[environ["QUERY_STRING"]]


@at("/short")
def too_short(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [*TEXT, ("Content-Length", "10")])
    return {
        "list": [b"short"],
        "parts": iter([b"sho", b"rt"]),
        "none": iter([b""]),
        "empty": [],
    }[environ["QUERY_STRING"]]


@at("/wrong")
def wrong(environ: Environ, start_response: StartResponse) -> Any:
    start_response("200 OK", TEXT)
    return {
        "none": None,
        "str": "text",
        "bytes": b"bytes",
        "number": 7,
        "item": ["text"],
        "later": iter([b"", 5]),
        "many": [b"a", "b"],
    }[environ["QUERY_STRING"]]


@at("/unstarted")
def unstarted(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    return {"list": [b"x"], "empty": [], "iterator": iter([b"x"]), "nothing": iter([])}[
        environ["QUERY_STRING"]
    ]


@at("/raises")
def raises(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    if environ["QUERY_STRING"] == "started":
        start_response("200 OK", [*TEXT, ("X-Lost", "1")])
    if environ["QUERY_STRING"] == "exit":
        raise SystemExit(3)
    raise ZeroDivisionError("on purpose")


@at("/breaks")
def breaks(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    start_response("200 OK", TEXT)
    yield b"begun"
    raise ZeroDivisionError("in the middle")


# write()


@at("/write")
def write(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    send = start_response("200 OK", TEXT)
    send(b"written,")
    send(b"")
    send(b"twice,")
    return [b"and ", b"returned"]


@at("/write-length")
def write_with_length(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    send = start_response("200 OK", [*TEXT, ("Content-Length", "8")])
    send(b"written!")
    return []


@at("/write-wrong")
def write_wrong(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    send = start_response("200 OK", TEXT)
    said = []
    for arguments in (("text",), (), (b"a", b"b")):
        try:
            send(*arguments)
        except TypeError as error:
            said.append(str(error))
    return [";".join(said).encode()]


@at("/write-gone")
def write_until_gone(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    send = start_response("200 OK", TEXT)
    try:
        while True:
            send(b"x" * 100_000)
    except OSError as error:
        say(f"write raised {type(error).__name__}: {error}")
        raise


@at("/write-thread")
def write_on_another_thread(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    send = start_response("200 OK", TEXT)
    said: list[str] = []

    def work() -> None:
        try:
            send(b"x")
        except RuntimeError as error:
            said.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return [said[0].encode()]


# Others


@at("/wait")
def wait(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Waits for the end of what is written to the named pipe of the query."""
    with open(bytes.fromhex(environ["QUERY_STRING"])) as pipe:
        pipe.read()
    start_response("200 OK", TEXT)
    return [b"waited"]


@at("/errors")
def errors(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    environ["wsgi.errors"].write("said to wsgi.errors\n")
    environ["wsgi.errors"].writelines(["and ", "more\n"])
    environ["wsgi.errors"].flush()
    start_response("200 OK", TEXT)
    return [b"said"]
