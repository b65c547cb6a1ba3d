"""The applications that the tests of WSGI serve in processes of their own, one for each path."""

import gc
import gzip
import io
import json
import logging
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.validate import validator

Environ = dict[str, Any]
StartResponse = Callable[..., Callable[[bytes], object]]
Application = Callable[[Environ, StartResponse], Any]

logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(message)s")
TEXT = [("Content-Type", "text/plain")]
LARGE = bytes(range(256)) * 4096  # 1 MiB
applications: dict[str, Application] = {}
kept: list[Any] = []
folder = Path(tempfile.gettempdir())


def at(path: str) -> Callable[[Application], Application]:
    """Serve this application at that path."""

    def add(application: Application) -> Application:
        applications[path] = application
        return application

    return add


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


def say(line: str) -> None:
    sys.stderr.write(line + "\n")


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
    environ["my.own"] = environ["wsgi.version"] = "changed"
    environ.pop("HTTP_HOST")
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


@at("/long")
def too_long(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [*TEXT, ("Content-Length", "3")])
    return [b"too long"] if environ["QUERY_STRING"] == "list" else iter([b"to", b"o long"])


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


# Input


@at("/echo")
def echo(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    body = environ["wsgi.input"].read(-1)
    start_response("200 OK", [*TEXT, ("X-Length", environ.get("CONTENT_LENGTH", "none"))])
    return [body]


@at("/read")
def read(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """What the calls of the query give, each as in Python, with `file` for the input."""
    file = environ["wsgi.input"]
    found = [
        eval(call, {"file": file})
        for call in bytes.fromhex(environ["QUERY_STRING"]).decode().split(";")
    ]
    start_response("200 OK", TEXT)
    return [repr(found).encode()]


@at("/count")
def count(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """The size of the body, read in parts of the query's size."""
    step = int(environ["QUERY_STRING"])
    sizes = [len(part) for part in iter(lambda: environ["wsgi.input"].read(step), b"")]
    assert all(size == step for size in sizes[:-1])
    start_response("200 OK", TEXT)
    return [str(sum(sizes)).encode()]


@at("/ignore")
def ignore_body(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("403 Forbidden", TEXT)
    return [b"no"]


@at("/some")
def read_some(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    start_response("200 OK", TEXT)
    yield environ["wsgi.input"].read(5)
    yield b" is enough"


@at("/upload-gone")
def upload_gone(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    say("reads")
    try:
        environ["wsgi.input"].read()
    except OSError as error:
        say(f"read raised {type(error).__name__}: {error}")
        try:
            environ["wsgi.input"].readline()
        except OSError:
            say("and again")
        raise
    return []


@at("/read-thread")
def read_on_another_thread(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    said: list[str] = []

    def work() -> None:
        try:
            said.append(repr(environ["wsgi.input"].read()))
        except RuntimeError as error:
            said.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    start_response("200 OK", TEXT)
    return [said[0].encode()]


# What is kept


@at("/keep")
def keep(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    send = start_response("200 OK", TEXT)
    environ["wsgi.input"].read(2)
    kept[:] = [environ, start_response, send]
    return [b"kept"]


@at("/kept")
def use_kept(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    before, start_before, send_before = kept
    said = [before["PATH_INFO"]]
    try:
        said.append(repr(before["wsgi.input"].read()))
    except OSError as error:
        said.append(str(error))
    for call in (lambda: start_before("200 OK", TEXT), lambda: send_before(b"x")):
        try:
            call()
        except RuntimeError as error:
            said.append(str(error))
    start_response("200 OK", TEXT)
    return ["\n".join(said).encode()]


@at("/garbage")
def garbage(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """How many objects there are after a collection."""
    gc.collect()
    start_response("200 OK", TEXT)
    return [str(len(gc.get_objects())).encode()]


# Files


def make_file(name: str, content: bytes) -> str:
    path = str(folder / f"allcores-wsgi-{os.getpid()}-{threading.get_ident()}-{name}")
    with open(path, "wb") as file:
        file.write(content)
    return path


def zipped() -> Any:
    path = make_file("zipped", gzip.compress(LARGE))
    file = gzip.open(path)  # noqa: SIM115 (closed by the server)
    os.unlink(path)
    return file


def plain(kind: Callable[..., Any] = open, position: int = 0) -> Any:
    path = make_file("plain", LARGE)
    file = kind(path, "rb" if kind is open else "r")
    os.unlink(path)
    file.read(position)
    return file


def closing() -> Any:
    """As Django does it: whoever closes the file ends the response."""
    file = plain()
    close = file.close

    def close_all() -> None:
        say("the file was closed")
        close()

    file.close = close_all
    return file


def temporary() -> Any:
    file = tempfile.NamedTemporaryFile()  # noqa: SIM115 (closed by the server)
    file.write(LARGE)
    file.seek(1000)
    return file


def pipe() -> Any:
    reader, writer = os.pipe()
    os.write(writer, b"through a pipe")
    os.close(writer)
    return open(reader, "rb")


class Shouting:
    """Reads otherwise than the file that it has."""

    def __init__(self) -> None:
        self.file = plain()
        self.fileno = self.file.fileno

    def read(self, size: int) -> bytes:
        return bytes(reversed(self.file.read(size)))


FILES: dict[str, Callable[[], Any]] = {
    "plain": plain,
    "raw": lambda: plain(io.FileIO),
    "position": lambda: plain(position=1000),
    "temporary": temporary,
    "zipped": zipped,
    "memory": lambda: io.BytesIO(LARGE),
    "pipe": pipe,
    "empty": lambda: io.BytesIO(),
    "other": Shouting,
    "closing": closing,
}


@at("/file")
def file(environ: Environ, start_response: StartResponse) -> Any:
    name, _, length = environ["QUERY_STRING"].partition("&")
    start_response("200 OK", [*TEXT, ("Content-Length", length)] if length else TEXT)
    return environ["wsgi.file_wrapper"](FILES[name](), 4096)


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
