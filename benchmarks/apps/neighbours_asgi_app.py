"""The search for ASGI servers."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

from neighbours_work import load, respond, who

Message = MutableMapping[str, Any]

finder = load()


async def app(
    scope: Message,
    receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    status, kind = 200, b"application/json"
    if scope["path"] == "/nearest":
        query = parse_qs(scope["query_string"].decode())
        body = respond(finder, query["point"][0], query["way"][0]).encode()
    elif scope["path"] == "/who":
        kind, body = b"text/plain", who().encode()
    else:
        status, kind, body = 404, b"text/plain", b"not found"
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
