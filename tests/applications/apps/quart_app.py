"""A Quart application: what Flask has, as coroutines, and WebSockets."""

import asyncio
import hashlib

from checking import checked as checking
from quart import Quart, jsonify, render_template_string, request, session, websocket

app = Quart(__name__)
app.secret_key = "not secret"
app.config["MAX_CONTENT_LENGTH"] = 200 << 20


@app.before_serving
async def up():
    app.counter = asyncio.Queue()
    print("quart: up", flush=True)


@app.after_serving
async def down():
    print("quart: down", flush=True)


@app.get("/")
async def index():
    return jsonify(url=request.url, scheme=request.scheme)


@app.get("/page/<name>")
async def page(name):
    return await render_template_string("<h1>{{ name }}</h1>", name=name)


@app.get("/session")
async def count():
    session["count"] = session.get("count", 0) + 1
    return str(session["count"])


@app.get("/sync")
def synchronous():
    return "from a thread"


@app.post("/upload")
async def upload():
    found = (await request.files)["file"]
    content = found.read()
    return {"size": len(content), "hash": hashlib.sha256(content).hexdigest()}


@app.post("/raw")
async def raw():
    digest, size = hashlib.sha256(), 0
    async for part in request.body:
        digest.update(part)
        size += len(part)
    return {"size": size, "hash": digest.hexdigest()}


@app.get("/stream/<int:count>")
async def stream(count):
    async def parts():
        for number in range(count):
            yield f"{number}\n".encode()
            await asyncio.sleep(0)

    return parts()


@app.get("/background")
async def background():
    async def later():
        print("quart: background", flush=True)

    app.add_background_task(later)
    return "accepted", 202


@app.get("/fails")
async def fails():
    raise LookupError("fails on purpose")


@app.websocket("/ws")
async def echo():
    while True:
        await websocket.send(await websocket.receive())


checked = checking(app)
