"""What an application finds of its worker's event loop, and ways to wait in it."""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import anyio.to_thread
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

number = contextvars.ContextVar("number", default=0)


async def which() -> str:
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None and task.get_loop() is loop and loop is asyncio.get_event_loop()
    return type(loop).__module__.partition(".")[0]


async def timers() -> str:
    loop = asyncio.get_running_loop()
    order = [0]
    done = loop.create_future()
    loop.call_later(0.03, done.set_result, None)
    loop.call_later(0.02, order.append, 2)
    loop.call_later(0.01, order.append, 1)
    loop.call_later(0.005, order.append, 9).cancel()
    await done
    try:
        async with asyncio.timeout(0.01):
            await asyncio.sleep(60)
    except TimeoutError:
        order.append(3)
    return str(order)


async def from_a_thread() -> str:
    loop = asyncio.get_running_loop()
    done: asyncio.Future[str] = loop.create_future()
    threading.Thread(target=lambda: loop.call_soon_threadsafe(done.set_result, "called")).start()
    return await done


async def threads_of_anyio() -> str:
    number.set(7)
    found = await asyncio.gather(*(anyio.to_thread.run_sync(number.get) for _ in range(20)))
    return str(sum(found))


async def pipe() -> str:
    loop = asyncio.get_running_loop()
    ours, theirs = os.pipe()
    got = loop.create_future()
    loop.add_reader(ours, lambda: got.set_result(os.read(ours, 100)))
    loop.call_later(0.01, os.write, theirs, b"through a pipe")
    try:
        return (await got).decode()
    finally:
        loop.remove_reader(ours)
        os.close(ours)
        os.close(theirs)


async def sockets() -> str:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        writer.close()

    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"over a socket\n")
        line = await reader.readline()
        writer.close()
        return line.decode().strip()


async def stops_the_loop() -> str:
    """The server goes on."""
    asyncio.get_running_loop().stop()
    await asyncio.sleep(0.01)
    return "stopped"


def page(ask: Callable[[], Awaitable[str]]) -> Any:
    async def answer(request: Request) -> PlainTextResponse:
        return PlainTextResponse(await ask())

    return Route(f"/{ask.__name__}", answer)


pages = (which, timers, from_a_thread, threads_of_anyio, pipe, sockets, stops_the_loop)
app = Starlette(routes=[page(each) for each in pages])
