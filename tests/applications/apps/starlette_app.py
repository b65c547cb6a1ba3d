"""A Starlette application with each of its middleware, files, streams and server-sent events."""

import asyncio
import contextlib
import hashlib
import os
import threading

from checking import checked as checking
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.endpoints import HTTPEndpoint
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import (
    FileResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    StreamingResponse,
)
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles


class Timed(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
        request.state.seen = "by the middleware"
        response = await call_next(request)
        response.headers["x-middleware"] = "passed"
        return response


@contextlib.asynccontextmanager
async def lifespan(app):
    lock = asyncio.Lock()  # of this worker's loop
    print("starlette: up", flush=True)
    yield {"lock": lock, "counts": {}}
    print("starlette: down", flush=True)


async def index(request):
    async with request.state.lock:
        counts = request.state.counts
        counts["index"] = counts.get("index", 0) + 1
    return JSONResponse(
        {
            "seen": request.state.seen,
            "url": str(request.url),
            "client": request.client.host,
            "worker": threading.get_ident(),
            "count": counts["index"],
        }
    )


async def text(request):
    size = int(request.query_params.get("size", 2000))
    return PlainTextResponse("allcores " * (size // 9))


def sync(request):
    return PlainTextResponse(f"not the loop's thread: {threading.current_thread().name}")


async def session(request):
    request.session["count"] = request.session.get("count", 0) + 1
    return PlainTextResponse(str(request.session["count"]))


class Item(HTTPEndpoint):
    async def get(self, request):
        return JSONResponse({"number": request.path_params["number"]})

    async def post(self, request):
        data = await request.json()
        return JSONResponse({"got": data, "number": request.path_params["number"]}, 201)


async def form(request):
    async with request.form() as fields:
        upload = fields["file"]
        content = await upload.read()
        return JSONResponse(
            {
                "name": upload.filename,
                "type": upload.content_type,
                "size": len(content),
                "hash": hashlib.sha256(content).hexdigest(),
                "title": fields["title"],
            }
        )


async def upload(request):
    digest, size, largest = hashlib.sha256(), 0, 0
    async for part in request.stream():
        digest.update(part)
        size += len(part)
        largest = max(largest, len(part))
    return JSONResponse({"size": size, "hash": digest.hexdigest(), "largest": largest})


async def stream(request):
    async def parts():
        for number in range(int(request.query_params.get("count", 10))):
            yield f"line {number}\n"
            if number % 3 == 0:
                await asyncio.sleep(0)

    return StreamingResponse(parts(), media_type="text/plain")


async def events(request):
    """Server-sent events, until the client goes away."""

    async def parts():
        number = 0
        try:
            while True:
                yield f"id: {number}\ndata: event {number}\n\n"
                number += 1
                await asyncio.sleep(0.01)
        finally:
            print("starlette: events end", flush=True)

    return StreamingResponse(parts(), media_type="text/event-stream")


async def poll(request):
    """Until is_disconnected() says so."""
    print("starlette: polled", flush=True)
    while not await request.is_disconnected():
        await asyncio.sleep(0.01)
    print("starlette: disconnected", flush=True)
    return PlainTextResponse("nobody reads this")


async def background(request):
    async def later():
        await asyncio.sleep(0)
        await run_in_threadpool(print, "starlette: background", flush=True)

    return PlainTextResponse("accepted", 202, background=BackgroundTask(later))


async def fails(request):
    raise LookupError("fails on purpose")


async def fails_in_the_stream(request):
    async def parts():
        yield "the beginning"
        raise LookupError("fails in its stream on purpose")

    return StreamingResponse(parts())


async def refuses(request):
    raise HTTPException(418, "no coffee")


async def moved(request):
    return RedirectResponse("/")


async def file(request):
    return FileResponse(__file__, filename="source.py")


async def caught(request):
    raise KeyError("caught on purpose")


async def on_key_error(request, error):
    return PlainTextResponse(f"caught: {error.args[0]}", 422)


# What BaseHTTPMiddleware hides from an application is outside of it: that the client has gone, and
# from the client that a stream has failed (under any server).
app = Starlette(
    routes=[
        Route("/text", text),
        Route("/events", events),
        Route("/poll", poll),
        Route("/fails_in_the_stream", fails_in_the_stream),
        Mount("/static", StaticFiles(directory=os.environ.get("APP_STATIC", "."))),
        Mount(
            "/",
            routes=[
                Route("/", index),
                Route("/sync", sync),
                Route("/session", session),
                Route("/items/{number:int}", Item),
                Route("/form", form, methods=["POST"]),
                Route("/upload", upload, methods=["POST", "PUT"]),
                Route("/stream", stream),
                Route("/background", background),
                Route("/fails", fails),
                Route("/caught", caught),
                Route("/refuses", refuses),
                Route("/moved", moved),
                Route("/file", file),
            ],
            middleware=[Middleware(Timed)],
        ),
    ],
    middleware=[
        Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"]),
        Middleware(CORSMiddleware, allow_origins=["http://other"], allow_methods=["PUT"]),
        Middleware(SessionMiddleware, secret_key="not secret"),
        Middleware(GZipMiddleware, minimum_size=1000),
    ],
    exception_handlers={KeyError: on_key_error},
    lifespan=lifespan,
)

checked = checking(app)
