"""An ASGI application for each way to wait: not at all, for the loop, a thread, another server."""

from __future__ import annotations

import asyncio
from typing import Any

from work import TEXT

BODY = TEXT.encode()
HEADERS = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"13")]

# Connections to a server of lines, which each worker has for itself.
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
free: list[Connection] = []
port = 0


async def answer_lines(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line)
    writer.close()


async def lifespan(receive: Any, send: Any) -> None:
    global port
    await receive()
    server = await asyncio.start_server(answer_lines, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await send({"type": "lifespan.startup.complete"})
    await receive()
    while free:
        free.pop()[1].close()
    server.close()
    await send({"type": "lifespan.shutdown.complete"})


async def ask() -> bytes:
    connection = free.pop() if free else await asyncio.open_connection("127.0.0.1", port)
    connection[1].write(BODY + b"\n")
    line = await connection[0].readline()
    free.append(connection)
    return line[:-1]


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    path, body = scope["path"], BODY
    if path == "/turn":
        await asyncio.sleep(0)
    elif path == "/thread":
        body = await asyncio.get_running_loop().run_in_executor(None, bytes, BODY)
    elif path == "/ask":
        body = await ask()
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": body})
