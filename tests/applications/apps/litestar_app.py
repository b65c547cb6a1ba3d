"""A Litestar application: typed handlers, dependencies, streams, WebSockets."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated

from checking import checked as checking
from litestar import Litestar, Request, get, post, websocket_listener
from litestar.background_tasks import BackgroundTask
from litestar.datastructures import State, UploadFile
from litestar.di import Provide
from litestar.enums import RequestEncodingType
from litestar.params import Body
from litestar.response import Response, Stream


@dataclass
class Order:
    number: int
    parts: list[str]


async def dependency(q: str = "none") -> str:
    return f"async {q}"


def synchronous() -> str:
    return "sync"


async def up(app: Litestar) -> None:
    app.state.orders = []
    print("litestar: up", flush=True)


async def down(app: Litestar) -> None:
    print("litestar: down", flush=True)


@get("/")
async def index(first: str, second: str, state: State) -> dict[str, object]:
    state.orders.append(first)
    return {"first": first, "second": second}


@get("/sync/{number:int}", sync_to_thread=True)
def in_a_thread(number: int) -> dict[str, int]:
    return {"number": number}


@post("/orders")
async def order(data: Order) -> Order:
    return Order(data.number + 1, sorted(data.parts))


@post("/upload")
async def upload(
    data: Annotated[UploadFile, Body(media_type=RequestEncodingType.MULTI_PART)],
) -> dict[str, object]:
    content = await data.read()
    return {"size": len(content), "hash": hashlib.sha256(content).hexdigest()}


@post("/raw")
async def raw(request: Request) -> dict[str, object]:
    digest, size = hashlib.sha256(), 0
    async for part in request.stream():
        digest.update(part)
        size += len(part)
    return {"size": size, "hash": digest.hexdigest()}


@get("/stream/{count:int}")
async def stream(count: int) -> Stream:
    async def parts() -> AsyncIterator[bytes]:
        for number in range(count):
            yield f"{number}\n".encode()

    return Stream(parts())


@get("/background")
async def background() -> Response[str]:
    async def later() -> None:
        print("litestar: background", flush=True)

    return Response("accepted", status_code=202, background=BackgroundTask(later))


@get("/fails")
async def fails() -> None:
    raise LookupError("fails on purpose")


@websocket_listener("/ws")
async def echo(data: str) -> str:
    return data


app = Litestar(
    [index, in_a_thread, order, upload, raw, stream, background, fails, echo],
    dependencies={
        "first": Provide(dependency),
        "second": Provide(synchronous, sync_to_thread=True),
    },
    on_startup=[up],
    on_shutdown=[down],
    request_max_body_size=None,
)

checked = checking(app)
