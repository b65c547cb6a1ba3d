"""The search for WSGI servers."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

from neighbours_work import load, respond, who

finder = load()


def app(environ: dict[str, Any], start_response: Callable[..., object]) -> list[bytes]:
    status, kind = "200 OK", "application/json"
    if environ["PATH_INFO"] == "/nearest":
        query = parse_qs(environ["QUERY_STRING"])
        body = respond(finder, query["point"][0], query["way"][0]).encode()
    elif environ["PATH_INFO"] == "/who":
        kind, body = "text/plain", who().encode()
    else:
        status, kind, body = "404 Not Found", "text/plain", b"not found"
    start_response(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
    return [body]
