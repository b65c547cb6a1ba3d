"""The search for granian's own interface, RSGI."""

from typing import Any
from urllib.parse import parse_qs

from neighbours_work import load, respond, who

JSON = [("content-type", "application/json")]
PLAIN = [("content-type", "text/plain")]

finder = load()


async def app(scope: Any, protocol: Any) -> None:
    if scope.path == "/nearest":
        query = parse_qs(scope.query_string)
        body = respond(finder, query["point"][0], query["way"][0])
        protocol.response_str(200, JSON, body)
    elif scope.path == "/who":
        protocol.response_str(200, PLAIN, who())
    else:
        protocol.response_str(404, PLAIN, "not found")
