"""Pages of wsgi_app.py that read the request's body, or keep what belongs to a request."""

import gc
import hashlib
import threading
from collections.abc import Iterable, Iterator
from typing import Any

from wsgi_pages import TEXT, Environ, StartResponse, at, say

kept: list[Any] = []


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


@at("/hash")
def hash_body(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """The SHA-256 of the body, read in parts of the query's size, and the length it has said."""
    say("hashes")
    step = int(environ["QUERY_STRING"])
    digest = hashlib.sha256()
    for part in iter(lambda: environ["wsgi.input"].read(step), b""):
        digest.update(part)
    start_response("200 OK", TEXT)
    return [f"{digest.hexdigest()} {environ.get('CONTENT_LENGTH', 'none')}".encode()]


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
