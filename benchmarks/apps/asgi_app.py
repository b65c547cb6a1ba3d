"""The application for ASGI servers."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from work import PARTS, TEXT, burn, message

Message = MutableMapping[str, Any]

PLAIN = b"text/plain; charset=utf-8"
JSON = b"application/json"


async def stream(send: Callable[[Message], Awaitable[None]]) -> None:
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-type", PLAIN)]}
    )
    for part in PARTS:
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def upload(receive: Callable[[], Awaitable[Message]]) -> bytes:
    """The size of the request's body."""
    size = 0
    while True:
        received = await receive()
        size += len(received.get("body", b""))
        if not received.get("more_body"):
            return str(size).encode()


async def echo(
    receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (received := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": received["text"]})


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
    if scope["type"] == "websocket":
        return await echo(receive, send)
    path = scope["path"]
    if path == "/":
        status, kind, body = 200, PLAIN, TEXT.encode()
    elif path == "/json":
        status, kind, body = 200, JSON, message().encode()
    elif path == "/slow":
        status, kind, body = 200, PLAIN, burn().encode()
    elif path == "/stream":
        return await stream(send)
    elif path == "/upload":
        status, kind, body = 200, PLAIN, await upload(receive)
    else:
        status, kind, body = 404, PLAIN, b"not found"
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
