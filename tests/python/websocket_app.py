"""The WebSocket application that test_asgi_websocket.py serves, by the specification."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

told = asyncio.Event()


async def echo(receive: Any, send: Any) -> None:
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            print(f"disconnect {message['code']} {message['reason']!r}", flush=True)
            return
        kind = "bytes" if message.get("bytes") is not None else "text"
        await send({"type": "websocket.send", kind: message[kind]})


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        raise NotImplementedError
    if scope["type"] == "http":
        gc.collect()
        if scope["path"] == "/tell":
            told.set()
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"http"})
        return
    path = scope["path"]
    assert (await receive()) == {"type": "websocket.connect"}
    if path == "/slow-accept":
        await asyncio.sleep(0.01)
    if path == "/never-accept":
        waiting = [asyncio.create_task(receive()) for _ in range(2)]
        print("waits", flush=True)
        messages = await asyncio.gather(*waiting)
        try:
            await receive()
        except RuntimeError as error:
            messages.append({"code": str(error)})
        print("never accepted:", [each["code"] for each in messages], flush=True)
        return
    if path == "/refuse":
        await send({"type": "websocket.close"})
        return
    if path == "/respond":
        headers = [(b"x-why", b"because")]
        await send({"type": "websocket.http.response.start", "status": 418, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": b"no ", "more_body": True})
        await send({"type": "websocket.http.response.body", "body": b"tea"})
        return
    if path == "/raise":
        raise ZeroDivisionError("on purpose")
    if path == "/nothing":
        return
    await send(
        {
            "type": "websocket.accept",
            "subprotocol": next(iter(scope["subprotocols"]), None),
            "headers": [(b"x-accepted", b"yes")],
        }
    )
    if path == "/scope":
        await send({"type": "websocket.send", "text": repr(scope)})
    elif path == "/close":
        await send({"type": "websocket.close", "code": 3001, "reason": "so long"})
        message = await receive()
        print(f"closed {message['code']}", flush=True)
        return
    elif path == "/fail":
        raise ZeroDivisionError("on purpose, later")
    elif path == "/return":
        return
    elif path == "/wrong":
        said = []
        for message in ({"type": "websocket.send"}, {"type": "websocket.accept"}, {"type": "x"},
                        {"type": "websocket.send", "text": 7},
                        {"type": "websocket.close", "code": 1005}):  # fmt: skip
            try:
                await send(message)
            except Exception as error:
                said.append(type(error).__name__)
        await send({"type": "websocket.send", "text": " ".join(said)})
    elif path == "/flood":
        try:
            while True:
                await send({"type": "websocket.send", "bytes": bytes(65536)})
        except OSError as error:
            print(f"flood ended: {type(error).__name__}", flush=True)
            raise
    elif path == "/deaf":  # receives nothing for as long as it is connected
        await asyncio.sleep(3600)
    elif path == "/deaf-until-told":
        await told.wait()
    await echo(receive, send)
