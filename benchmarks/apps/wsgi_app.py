"""The application for WSGI servers."""

from collections.abc import Callable
from typing import Any

from work import TEXT, burn, message

PLAIN = "text/plain; charset=utf-8"
JSON = "application/json"


def app(environ: dict[str, Any], start_response: Callable[..., object]) -> list[bytes]:
    path = environ["PATH_INFO"]
    if path == "/":
        status, kind, body = "200 OK", PLAIN, TEXT.encode()
    elif path == "/json":
        status, kind, body = "200 OK", JSON, message().encode()
    elif path == "/slow":
        status, kind, body = "200 OK", PLAIN, burn().encode()
    else:
        status, kind, body = "404 Not Found", PLAIN, b"not found"
    start_response(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
    return [body]
