"""The ASGI application that the tests of ASGI serve, by the specification and nothing else."""

from __future__ import annotations

import asyncio
import contextvars
import os
import sys
import threading
from typing import Any

events: list[str] = []
variable = contextvars.ContextVar("variable", default="unset")
disconnects: list[str] = []


def say(text: str) -> None:
    print(text, flush=True)


async def lifespan(scope: Any, receive: Any, send: Any) -> None:
    assert (await receive()) == {"type": "lifespan.startup"}
    scope["state"]["started"] = "yes"
    await asyncio.sleep(0)
    await send({"type": "lifespan.startup.complete"})
    assert (await receive()) == {"type": "lifespan.shutdown"}
    say("lifespan: shutdown")
    await send({"type": "lifespan.shutdown.complete"})


async def read(receive: Any) -> tuple[bytes, int]:
    body, parts = b"", 0
    while True:
        message = await receive()
        assert message["type"] == "http.request", message
        body += message["body"]
        parts += 1
        if not message["more_body"]:
            return body, parts


async def answer(send: Any, body: bytes, status: int = 200, *headers: tuple[bytes, bytes]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})


async def root(scope: Any, receive: Any, send: Any) -> None:
    await answer(send, b"hello", 200, (b"content-type", b"text/plain"), (b"Content-Length", b"5"))


async def show_scope(scope: Any, receive: Any, send: Any) -> None:
    await answer(send, repr(scope).encode())


async def echo(scope: Any, receive: Any, send: Any) -> None:
    body, _ = await read(receive)
    await answer(send, body)


async def measure(scope: Any, receive: Any, send: Any) -> None:
    body, parts = await read(receive)
    await answer(send, f"{len(body)} {parts}".encode())


async def suspend(scope: Any, receive: Any, send: Any) -> None:
    await asyncio.sleep(0)
    await asyncio.sleep(0.001)
    await answer(send, b"suspended")


async def stream(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for number in range(5):
        await send({"type": "http.response.body", "body": b"%d\n" % number, "more_body": True})
        await asyncio.sleep(0)
    await send({"type": "http.response.body"})


async def stream_at_once(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200})
    for number in range(5):
        await send({"type": "http.response.body", "body": b"%d\n" % number, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def much(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200})
    for number in range(400):
        part = bytes([number % 251]) * 65_536
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body"})


async def at_once(scope: Any, receive: Any, send: Any) -> None:
    """Never suspends: the body is there when it is asked for, and the answer has no room."""
    with open(bytes.fromhex(scope["query_string"].decode())) as pipe:
        pipe.read()  # until the client has sent all
    body, _ = await read(receive)
    await answer(send, body * 8_000_000)


async def duplex(scope: Any, receive: Any, send: Any) -> None:
    """Answers each part of the body before the next one comes."""
    await send({"type": "http.response.start", "status": 200})
    while True:
        message = await receive()
        if message["body"]:
            part = message["body"].upper()
            await send({"type": "http.response.body", "body": part, "more_body": True})
        if not message["more_body"]:
            break
    await send({"type": "http.response.body"})


async def trailers(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "trailers": True})
    await send({"type": "http.response.body", "body": b"body"})
    kind = "http.response.trailers"
    if scope["query_string"] == b"parts":
        more = {"type": kind, "more_trailers": True}
        await send({**more, "headers": ((b"x-first", b"1"), (b"x-second", b"2"))})
        await send(more)
        try:
            await send({**more, "headers": [(b"x-bad", b"a\nb")]})
        except ValueError:
            await send({**more, "headers": [(b"x-good", b"3")]})
    await send({"type": kind, "headers": [(b"x-sum", b"42")]})


async def pathsend(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.pathsend", "path": __file__})


async def early_hint(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.early_hint", "links": [b"</style.css>; rel=preload"]})
    await answer(send, b"hinted")


async def context(scope: Any, receive: Any, send: Any) -> None:
    before = variable.get()
    variable.set("set")
    await asyncio.sleep(0)
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    assert task.get_loop() is loop
    await answer(send, f"{before} {variable.get()}".encode())


async def from_thread(scope: Any, receive: Any, send: Any) -> None:
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    thread = threading.Thread(
        target=lambda: loop.call_soon_threadsafe(done.set_result, b"from a thread")
    )
    thread.start()
    body = await done
    thread.join()
    await answer(send, body)


async def executor(scope: Any, receive: Any, send: Any) -> None:
    body = await asyncio.to_thread(lambda: threading.current_thread().name.encode())
    await answer(send, body)


async def as_tasks(scope: Any, receive: Any, send: Any) -> None:
    """receive() and send() where a coroutine is wanted."""
    message = await asyncio.create_task(receive())
    await asyncio.wait_for(
        send({"type": "http.response.start", "status": 200, "headers": []}), timeout=30
    )
    await asyncio.create_task(send({"type": "http.response.body", "body": message["body"]}))
    after = await receive()
    say(f"after the response: {after['type']}")


async def cancelled_receive(scope: Any, receive: Any, send: Any) -> None:
    """A receive() that is given up loses nothing."""
    first = asyncio.create_task(receive())
    await asyncio.sleep(0)
    if not first.done():
        first.cancel()
        await asyncio.wait([first])
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"go", "more_body": True})
    body, _ = (first.result()["body"], 1) if not first.cancelled() else await read(receive)
    if first.cancelled():
        await send({"type": "http.response.body", "body": body})


async def wait_for_the_end(scope: Any, receive: Any, send: Any) -> None:
    await read(receive)
    say("waits")
    message = await receive()
    say(f"heard {message['type']}")
    try:
        await answer(send, b"nobody hears this")
    except OSError as error:
        say(f"send raised {type(error).__name__}")


async def lost_between(scope: Any, receive: Any, send: Any) -> None:
    """A part of the body and the client's end come at once; what follows sees that, later."""
    with open(bytes.fromhex(scope["query_string"].decode())) as pipe:
        pipe.read()  # until the client has gone
    first = await receive()
    while len(kept) < 20:  # others come, and may get what was the first one's memory
        await asyncio.sleep(0)
    said = [str(len(first["body"])), str(first["more_body"])]
    for message in ({"type": "http.response.start", "status": 200},
                    {"type": "http.response.body", "body": b"x", "more_body": True}):  # fmt: skip
        try:
            await send(message)
        except OSError as error:
            said.append(type(error).__name__)
    said.append((await receive())["type"])
    say(f"between: {' '.join(said)}")


kept: list[bool] = []


async def keep(scope: Any, receive: Any, send: Any) -> None:
    await read(receive)
    kept.append(True)
    await receive()


async def lost_at_once(scope: Any, receive: Any, send: Any) -> None:
    """The client has gone when the application begins, which goes on for a while."""
    await send({"type": "http.response.start", "status": 200})
    try:
        while True:
            await send({"type": "http.response.body", "body": bytes(65536), "more_body": True})
    except OSError:
        while len(kept) < 20:
            await asyncio.sleep(0)
        say(f"at once: {(await receive())['type']}")


async def hold_up(scope: Any, receive: Any, send: Any) -> None:
    with open(bytes.fromhex(scope["query_string"].decode())) as pipe:
        pipe.read()
    await answer(send, b"")


async def flood(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200})
    try:
        while True:
            await send({"type": "http.response.body", "body": bytes(65536), "more_body": True})
    except OSError as error:
        say(f"flood ended: {type(error).__name__}")
        raise


async def flood_that_fails(scope: Any, receive: Any, send: Any) -> None:
    """As Starlette: an error of its own, which the server's led to."""
    try:
        await flood(scope, receive, send)
    except OSError:
        if scope["query_string"] == b"group":
            raise ExceptionGroup("in tasks", [RuntimeError("no more of it")])  # noqa: B904
        raise RuntimeError("the client has left") from None


async def background(scope: Any, receive: Any, send: Any) -> None:
    await answer(send, b"done")
    await asyncio.sleep(0.01)
    say("background work done")


async def fails(scope: Any, receive: Any, send: Any) -> None:
    raise ZeroDivisionError("on purpose")


async def fails_later(scope: Any, receive: Any, send: Any) -> None:
    await asyncio.sleep(0)
    raise ZeroDivisionError("on purpose, later")


async def fails_in_the_body(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"a part", "more_body": True})
    raise ZeroDivisionError("on purpose, in the body")


async def says_nothing(scope: Any, receive: Any, send: Any) -> None:
    return


async def says_half(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200})


async def exits(scope: Any, receive: Any, send: Any) -> None:
    sys.exit(7)


async def exits_in_a_group(scope: Any, receive: Any, send: Any) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(exits(scope, receive, send))


async def cancels_itself(scope: Any, receive: Any, send: Any) -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(0)


async def fails_in_a_group(scope: Any, receive: Any, send: Any) -> None:
    errors = [ZeroDivisionError(), GeneratorExit()]
    raise BaseExceptionGroup("on purpose, in a group", errors)


async def wrong(scope: Any, receive: Any, send: Any) -> None:
    """Each of these is refused, and says why; then the answer is what was said."""
    said = []
    for message in WRONG:
        try:
            await send(message)
        except Exception as error:
            said.append(f"{type(error).__name__}: {error}")
        else:
            said.append("accepted")
    await answer(send, "\n".join(said).encode())


WRONG: list[Any] = [
    None,
    {},
    {"type": 7},
    {"type": "http.response.body", "body": b"too early"},
    {"type": "http.response.start"},
    {"type": "http.response.start", "status": "200"},
    {"type": "http.response.start", "status": 42},
    {"type": "http.response.start", "status": 200, "headers": 7},
    {"type": "websocket.accept"},
    {"type": "http.response.trailers", "headers": []},
]


async def wrong_header(scope: Any, receive: Any, send: Any) -> None:
    name, value = scope["query_string"].split(b"=", 1)
    await answer(send, b"", 200, (name, value.replace(b"%0A", b"\n")))


async def wrong_length(scope: Any, receive: Any, send: Any) -> None:
    await answer(send, b"12345", 200, (b"content-length", scope["query_string"]))


async def worker(scope: Any, receive: Any, send: Any) -> None:
    await asyncio.sleep(0)
    await answer(send, str(threading.get_ident()).encode())


async def process(scope: Any, receive: Any, send: Any) -> None:
    await answer(send, str(os.getpid()).encode())


PAGES = {
    "/": root,
    "/scope": show_scope,
    **{
        f"/{each.__name__}": each
        for each in (
            echo,
            measure,
            suspend,
            stream,
            stream_at_once,
            much,
            at_once,
            duplex,
            trailers,
            pathsend,
            early_hint,
            context,
            from_thread,
            executor,
            as_tasks,
            cancelled_receive,
            wait_for_the_end,
            flood,
            flood_that_fails,
            hold_up,
            keep,
            lost_at_once,
            lost_between,
            background,
            fails,
            fails_later,
            fails_in_the_body,
            says_nothing,
            says_half,
            exits,
            exits_in_a_group,
            cancels_itself,
            fails_in_a_group,
            wrong,
            wrong_header,
            wrong_length,
            worker,
            process,
        )
    },
}


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        return await lifespan(scope, receive, send)
    page = PAGES.get(scope["path"].removeprefix(scope["root_path"]))
    if page is None:
        return await answer(send, b"not found", 404)
    return await page(scope, receive, send)


async def without_lifespan(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] == "http"
    await answer(send, repr(scope.get("state")).encode())


def in_layers(application: Any, layers: int) -> Any:
    async def layer(scope: Any, receive: Any, send: Any) -> None:
        await application(scope, receive, send)

    return in_layers(layer, layers - 1) if layers else application


without_lifespan_in_layers = in_layers(without_lifespan, 5)


async def without_a_look(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await answer(send, repr(scope.get("state")).encode())


async def failing_lifespan(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database"})


async def raising_lifespan(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    raise LookupError("no database at all")


raising_lifespan_in_layers = in_layers(raising_lifespan, 5)


def make() -> Any:
    return app


class Application:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await app(scope, receive, send)


application = Application()
