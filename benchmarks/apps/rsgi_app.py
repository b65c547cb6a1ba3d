"""The application for granian's own interface, RSGI."""

from typing import Any

from work import TEXT, burn, message

PLAIN = [("content-type", "text/plain; charset=utf-8")]
JSON = [("content-type", "application/json")]


async def app(scope: Any, protocol: Any) -> None:
    path = scope.path
    if path == "/":
        protocol.response_str(200, PLAIN, TEXT)
    elif path == "/json":
        protocol.response_str(200, JSON, message())
    elif path == "/slow":
        protocol.response_str(200, PLAIN, burn())
    else:
        protocol.response_str(404, PLAIN, "not found")
