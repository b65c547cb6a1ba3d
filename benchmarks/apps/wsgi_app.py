"""The application for WSGI servers."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from work import PARTS, TEXT, burn, message

PLAIN = "text/plain; charset=utf-8"
JSON = "application/json"


def stream() -> Iterator[bytes]:
    yield from PARTS


def upload(environ: dict[str, Any]) -> bytes:
    """The size of the request's body."""
    size, left = 0, int(environ["CONTENT_LENGTH"])
    while part := environ["wsgi.input"].read(min(left - size, 1 << 16)):
        size += len(part)
    return str(size).encode()


def app(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if path == "/":
        status, kind, body = "200 OK", PLAIN, TEXT.encode()
    elif path == "/json":
        status, kind, body = "200 OK", JSON, message().encode()
    elif path == "/slow":
        status, kind, body = "200 OK", PLAIN, burn().encode()
    elif path == "/stream":
        start_response("200 OK", [("Content-Type", PLAIN)])
        return stream()
    elif path == "/upload":
        status, kind, body = "200 OK", PLAIN, upload(environ)
    else:
        status, kind, body = "404 Not Found", PLAIN, b"not found"
    start_response(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
    return [body]
