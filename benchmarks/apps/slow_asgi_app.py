"""The ASGI application that ./bench slow attacks: a short answer, a long one, and a form."""

from __future__ import annotations

from typing import Any

from work import TEXT

PAGES = {"/": TEXT.encode(), "/page": b"x" * 65_536, "/large": b"x" * 1_000_000}


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    if scope["method"] == "POST":
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            if not message.get("more_body"):
                break
    body = PAGES.get(scope["path"], b"form")
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
