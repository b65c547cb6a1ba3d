"""A FastAPI application: models, dependencies, background tasks, files, streams, WebSocket."""

import asyncio
import hashlib
import pathlib
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from importlib.util import find_spec
from typing import Annotated

from checking import checked as checking
from fastapi import (
    BackgroundTasks,
    Cookie,
    Depends,
    FastAPI,
    File,
    Form,
    Header,
    HTTPException,
    Query,
    Request,
    Response,
    UploadFile,
    WebSocket,
    WebSocketDisconnect,
)
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, Field, field_validator


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Part(BaseModel):
    name: str = Field(min_length=1, max_length=40)
    weight: Decimal = Decimal(1)


class Order(BaseModel):
    """What is ordered."""

    number: int = Field(gt=0)
    colour: Colour = Colour.RED
    parts: list[Part] = []
    made: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    @field_validator("parts")
    @classmethod
    def not_too_many(cls, parts: list[Part]) -> list[Part]:
        if len(parts) > 100:
            raise ValueError("at most 100 parts")
        return parts


class Priced(Order):
    price: Decimal


class OutOfStock(Exception):
    pass


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, object]]:
    print("fastapi: up", flush=True)
    app.state.started = time.monotonic()
    async with asyncio.TaskGroup() as group:
        ticker = group.create_task(asyncio.Event().wait())  # a task as long as the worker
        yield {"orders": {}, "queue": asyncio.Queue()}
        ticker.cancel()
    print("fastapi: down", flush=True)


app = FastAPI(title="Orders", version="1.2.3", lifespan=lifespan, docs_url=None, redoc_url=None)
assets = pathlib.Path(find_spec("flask_swagger_ui").origin).parent / "dist"
app.mount("/assets", StaticFiles(directory=assets), name="assets")


# As FastAPI's documentation has it for where a CDN can't be reached.
@app.get("/docs", include_in_schema=False)
async def docs() -> Response:
    return get_swagger_ui_html(
        openapi_url=app.openapi_url,
        title=app.title,
        swagger_js_url="/assets/swagger-ui-bundle.js",
        swagger_css_url="/assets/swagger-ui.css",
        swagger_favicon_url="/assets/favicon-32x32.png",
    )


@app.middleware("http")
async def timed(request: Request, call_next):
    started = time.perf_counter()
    response = await call_next(request)
    response.headers["x-took"] = str(time.perf_counter() - started)
    return response


@app.exception_handler(OutOfStock)
async def out_of_stock(request: Request, error: OutOfStock) -> JSONResponse:
    return JSONResponse({"out of stock": str(error)}, 409)


# Dependencies: of the loop, of a thread, with an end, of a class, of another dependency.
async def asynchronous(q: str = "none") -> str:
    await asyncio.sleep(0)
    return f"async {q}"


def synchronous() -> str:
    return f"sync in {threading.current_thread().name}"


async def session(request: Request):
    opened = ["opened"]
    try:
        yield opened
    finally:
        opened.clear()


def session_in_a_thread():
    opened = ["opened"]
    yield opened
    opened.clear()


class Paging:
    def __init__(self, skip: Annotated[int, Query(ge=0)] = 0, limit: int = 10) -> None:
        self.skip, self.limit = skip, limit


def user(given: Annotated[HTTPBasicCredentials, Depends(HTTPBasic())]) -> str:
    if given.password != "right":
        raise HTTPException(401, "wrong", {"WWW-Authenticate": "Basic"})
    return given.username


@app.get("/")
async def index() -> dict[str, str]:
    return {"hello": "world"}


@app.post("/orders", status_code=201)
async def order(order: Order) -> Priced:
    if order.number == 404:
        raise OutOfStock("parts")
    total = sum((part.weight for part in order.parts), Decimal(0))
    return Priced(**order.model_dump(), price=total * 2)


@app.get("/sync/{number}")
def in_a_thread(number: int, colour: Colour = Colour.BLUE) -> dict[str, object]:
    return {"number": number, "colour": colour, "thread": threading.current_thread().name}


@app.get("/dependencies")
async def dependencies(
    first: Annotated[str, Depends(asynchronous)],
    second: Annotated[str, Depends(synchronous)],
    third: Annotated[list[str], Depends(session)],
    fourth: Annotated[list[str], Depends(session_in_a_thread)],
    paging: Annotated[Paging, Depends()],
    x_token: Annotated[list[str] | None, Header()] = None,
    flavour: Annotated[str | None, Cookie()] = None,
) -> dict[str, object]:
    return {
        "first": first,
        "second": second,
        "sessions": [*third, *fourth],
        "paging": [paging.skip, paging.limit],
        "tokens": x_token,
        "cookie": flavour,
    }


@app.get("/user")
def show_user(name: Annotated[str, Depends(user)]) -> str:
    return name


@app.get("/background")
async def background(tasks: BackgroundTasks, word: str) -> dict[str, str]:
    async def later() -> None:
        await asyncio.sleep(0)
        print(f"fastapi: later {word}", flush=True)

    def in_thread() -> None:
        print(f"fastapi: thread {word}", flush=True)

    tasks.add_task(later)
    tasks.add_task(in_thread)
    return {"status": "accepted"}


@app.get("/stream")
async def stream(count: int = 100) -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        for number in range(count):
            yield f"{number}\n".encode()
            if number % 10 == 0:
                await asyncio.sleep(0)

    return StreamingResponse(parts(), media_type="text/plain")


@app.get("/stream_of_a_thread")
def stream_of_a_thread(count: int = 100) -> StreamingResponse:
    return StreamingResponse(f"{number}\n" for number in range(count))


@app.post("/upload")
async def upload(file: UploadFile, note: Annotated[str, Form()]) -> dict[str, object]:
    digest = hashlib.sha256()
    while part := await file.read(1 << 20):
        digest.update(part)
    return {"name": file.filename, "size": file.size, "hash": digest.hexdigest(), "note": note}


@app.post("/files")
def files(files: Annotated[list[bytes], File()]) -> list[int]:
    return list(map(len, files))


@app.post("/raw")
async def raw(request: Request) -> dict[str, object]:
    digest, size = hashlib.sha256(), 0
    async for part in request.stream():
        digest.update(part)
        size += len(part)
    return {"size": size, "hash": digest.hexdigest()}


@app.get("/state")
async def state(request: Request) -> dict[str, object]:
    request.state.orders[len(request.state.orders)] = True
    await request.state.queue.put(1)
    return {
        "orders": len(request.state.orders),
        "queued": request.state.queue.qsize(),
        "worker": request.app.state.started,
    }


@app.get("/fails")
async def fails() -> None:
    raise LookupError("fails on purpose")


@app.get("/text")
def text() -> PlainTextResponse:
    return PlainTextResponse("text", headers={"x-a": "1", "set-cookie": "flavour=plain"})


@app.websocket("/ws/{room}")
async def websocket(
    websocket: WebSocket, room: str, first: Annotated[str, Depends(asynchronous)]
) -> None:
    if room == "closed":
        raise HTTPException(403, "nobody enters")
    await websocket.accept(subprotocol=next(iter(websocket.scope["subprotocols"]), None))
    await websocket.send_json({"room": room, "dependency": first})
    try:
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                print(f"fastapi: left {room} {message['code']}", flush=True)
                return
            if message.get("text") == "close":
                await websocket.close(4001, "as you like")
                return
            if message.get("text") is not None:
                await websocket.send_text(message["text"])
            else:
                await websocket.send_bytes(message["bytes"])
    except WebSocketDisconnect:
        print(f"fastapi: left {room}", flush=True)


checked = checking(app)
