"""The application for ASGI servers."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from work import TEXT, burn, message

Message = MutableMapping[str, Any]

PLAIN = b"text/plain; charset=utf-8"
JSON = b"application/json"


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
    path = scope["path"]
    if path == "/":
        status, kind, body = 200, PLAIN, TEXT.encode()
    elif path == "/json":
        status, kind, body = 200, JSON, message().encode()
    elif path == "/slow":
        status, kind, body = 200, PLAIN, burn().encode()
    else:
        status, kind, body = 404, PLAIN, b"not found"
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
