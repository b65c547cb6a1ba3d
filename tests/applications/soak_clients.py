"""The clients of soak.py: what they ask the applications for, and in how many ways they are rude.

A function of RIGHT asks for one thing on a connection that lives on, and raises when it does not
get exactly that. One of rude() breaks off a connection of its own or sends what is none of HTTP;
whatever it gets is fine, so long as it gets it soon.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import random
from collections.abc import Awaitable, Callable

from soak_http import Connection, WrongAnswer, head
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

Right = Callable[[Connection], Awaitable[None]]
Rude = Callable[[int], Awaitable[None]]

HOST = "127.0.0.1"
BOUNDARY = "a-line-of-no-file"


def check(found: object, expected: object) -> None:
    if found != expected:
        raise WrongAnswer(f"{str(found)[:300]!r} instead of {str(expected)[:300]!r}")


def some_bytes(most: int) -> bytes:
    return random.randbytes(random.randrange(most))


def hash_of(data: bytes) -> dict[str, object]:
    return {"size": len(data), "hash": hashlib.sha256(data).hexdigest()}


def lines_of(count: int) -> bytes:
    return b"".join(b"%d\n" % number for number in range(count))


def as_file(data: bytes, fields: dict[str, str]) -> tuple[bytes, dict[str, str]]:
    """A form with a file: its body and its headers."""
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    disposition = b'Content-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
    parts.append(b"--%b\r\n%b%b\r\n" % (BOUNDARY.encode(), disposition, data))
    parts.append(f"--{BOUNDARY}--\r\n".encode())
    return b"".join(parts), {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


# FastAPI's application.


async def index(connection: Connection) -> None:
    check((await connection.ask("GET", "/")).body, b'{"hello":"world"}')


async def in_a_thread(connection: Connection) -> None:
    number = random.randrange(1 << 40)
    found = json.loads((await connection.ask("GET", f"/sync/{number}?colour=red")).body)
    check((found["number"], found["colour"]), (number, "red"))


async def order(connection: Connection) -> None:
    number = random.randrange(500, 1 << 40)
    parts = [{"name": f"p{n}", "weight": n} for n in range(number % 30)]
    body = json.dumps({"number": number, "parts": parts}).encode()
    answer = await connection.ask("POST", "/orders", body, {"Content-Type": "application/json"})
    check(answer.status, 201)
    found = json.loads(answer.body)
    expected = (number, float(2 * sum(range(number % 30))))
    check((found["number"], float(found["price"])), expected)


async def wrong_order(connection: Connection) -> None:
    """A mistake of the client's that the application finds."""
    answer = await connection.ask("POST", "/orders", b'{"number": -1}')
    check(answer.status, 422)


async def dependencies(connection: Connection) -> None:
    word = str(random.random())
    found = json.loads((await connection.ask("GET", f"/dependencies?q={word}")).body)
    check((found["first"], found["sessions"]), (f"async {word}", ["opened", "opened"]))


async def raw(connection: Connection) -> None:
    data = some_bytes(300_000)
    whole = random.random() < 0.5
    body = data if whole else [data[at : at + 9000] for at in range(0, len(data), 9000)]
    check(json.loads((await connection.ask("POST", "/raw", body)).body), hash_of(data))


async def upload(connection: Connection) -> None:
    data = some_bytes(3_000_000)
    body, headers = as_file(data, {"note": "n"})
    found = json.loads((await connection.ask("POST", "/upload", body, headers)).body)
    check(found, {"name": "f", "note": "n", **hash_of(data)})


async def background(connection: Connection) -> None:
    answer = await connection.ask("GET", "/background?word=soaking")
    check(answer.body, b'{"status":"accepted"}')


async def stream(connection: Connection) -> None:
    count = random.randrange(500)
    check((await connection.ask("GET", f"/stream?count={count}")).body, lines_of(count))


async def stream_of_a_thread(connection: Connection) -> None:
    count = random.randrange(100)
    answer = await connection.ask("GET", f"/stream_of_a_thread?count={count}")
    check(answer.body, lines_of(count))


# Django's site.


async def page(connection: Connection) -> None:
    path = f"/?{random.random()}"
    check(json.loads((await connection.ask("GET", path)).body)["path"], path)


async def counted(connection: Connection) -> None:
    answer = await connection.ask("POST", "/count/load")
    if int(answer.body) <= 0:
        raise WrongAnswer(f"a counter at {answer.body!r}")


async def statistics(connection: Connection) -> None:
    check(json.loads((await connection.ask("GET", "/statistics")).body), {"Ada": [0, None]})


async def form(connection: Connection) -> None:
    answer = await connection.ask("GET", "/add")
    check((answer.status, b"csrfmiddlewaretoken" in answer.body), (200, True))


async def without_token(connection: Connection) -> None:
    check((await connection.ask("POST", "/add", b"title=t")).status, 403)


async def echo(connection: Connection) -> None:
    numbers = list(range(random.randrange(3000)))
    found = json.loads((await connection.ask("PUT", "/echo", json.dumps(numbers).encode())).body)
    check(found, {"method": "PUT", "got": numbers})


async def upload_of_site(connection: Connection) -> None:
    data = some_bytes(3_000_000)  # a file on disk from 2.5 MB on
    body, headers = as_file(data, {})
    found = json.loads((await connection.ask("POST", "/upload", body, headers)).body)
    check(found, {"name": "f", **hash_of(data)})


async def stream_of_site(connection: Connection) -> None:
    count = random.randrange(500)
    check((await connection.ask("GET", f"/stream/{count}")).body, lines_of(count))


async def source(connection: Connection) -> None:
    answer = await connection.ask("GET", "/source")
    check(answer.body[:3] + answer.body[-2:], b'"""]\n')


# Of both.


async def fails(connection: Connection) -> None:
    """A handler that raises; the connection lives on."""
    check((await connection.ask("GET", "/fails")).status, 500)


RIGHT: dict[str, list[Right]] = {
    "fastapi": [
        *[index, in_a_thread, order, dependencies, raw, stream] * 3,
        wrong_order, background, stream_of_a_thread, upload,
    ],
    "django": [*[page, echo, stream_of_site, form] * 3, counted, statistics, source,
               without_token, upload_of_site],
}  # fmt: skip
LONG = {"fastapi": "/stream?count=1000000", "django": "/stream/1000000"}
BODY = {"fastapi": "/raw", "django": "/echo"}


async def left(connection: Connection) -> None:
    """Gone, in one of three ways."""
    way = random.randrange(3)
    if way == 0:
        connection.reset()
    elif way == 1:
        connection.close()
    else:  # it can still read, and then goes
        with contextlib.suppress(OSError):
            connection.writer.write_eof()
        await asyncio.sleep(random.random() / 20)
        connection.reset()


def rude(name: str) -> list[Rude]:
    """The ways to be rude to an application."""

    async def in_the_head(port: int) -> None:
        connection = await Connection.open(port)
        whole = head("GET / HTTP/1.1", {"Host": HOST, "X-Long": "x" * random.randrange(3000)})
        await connection.send(whole[: random.randrange(len(whole))])
        await left(connection)

    async def in_the_body(port: int) -> None:
        connection = await Connection.open(port)
        fields = {"Content-Length": "2000000"}
        if name == "fastapi" and random.random() < 0.5:  # Django takes no chunks by WSGI
            fields = {"Transfer-Encoding": "chunked"}
        await connection.send(head(f"POST {BODY[name]} HTTP/1.1", {"Host": HOST, **fields}))
        part = random.randbytes(random.randrange(1, 200_000))
        if "Transfer-Encoding" in fields:
            part = b"%x\r\n%b" % (len(part) + random.randrange(2), part)
        await connection.send(part)
        await asyncio.sleep(random.random() / 50)
        await left(connection)

    async def in_the_answer(port: int) -> None:
        connection = await Connection.open(port)
        await connection.send(head(f"GET {LONG[name]} HTTP/1.1", {"Host": HOST}))
        await connection.head()
        for _ in range(random.randrange(30)):
            await connection.chunk()
        await left(connection)

    async def before_the_answer(port: int) -> None:
        """Several requests at once, and none is waited for."""
        connection = await Connection.open(port)
        await connection.send(head("GET / HTTP/1.1", {"Host": HOST}) * random.randrange(1, 9))
        await asyncio.sleep(random.random() / 100)
        await left(connection)

    async def malformed(port: int) -> None:
        """What is no request, or can be read in two ways, is refused, and the connection ends."""
        connection = await Connection.open(port)
        get, post = (f"{each} / HTTP/1.1\r\nHost: {HOST}\r\n".encode() for each in ("GET", "POST"))
        wrong = random.choice(
            [
                random.randbytes(2000).replace(b"\r\n\r\n", b"") + b"\r\n\r\n",
                b"GET\r\n\r\n",
                get + b"Content-Length: many\r\n\r\n",
                post + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
                post + b"Transfer-Encoding: chunked\r\n\r\nno size\r\n",
                get + b"Bad name: x\r\n\r\n",
                b"GET / HTTP/1.1\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
                b"GET / HTTP/9.1\r\nHost: 127.0.0.1\r\n\r\n",
                b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + random.randbytes(500),
            ]
        )
        try:
            await connection.send(wrong)
            answer = await connection.until_closed()
        except OSError:  # it was refused before all of it was sent
            return
        finally:
            connection.reset()
        # 501: random bytes began with what could be the name of a method, a letter and a space.
        if answer and not answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 501", b"HTTP/1.1 505")):
            raise WrongAnswer(f"{wrong[:60]!r} was answered with {answer[:200]!r}")

    async def websocket(port: int) -> None:
        connection = await Connection.open(port)
        fields = {
            "Host": HOST,
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "AQIDBAUGBwgJCgsMDQ4PEA==",
        }
        await connection.send(head("GET /ws/rude HTTP/1.1", fields))
        if random.random() < 0.8:
            await connection.head()
            await connection.send(random.randbytes(random.randrange(2000)))
        await left(connection)

    ways = [in_the_head, in_the_body, in_the_answer, before_the_answer, malformed]
    return [*ways, websocket] if name == "fastapi" else ways


async def talk(port: int, stop: asyncio.Event) -> int:
    """A WebSocket that echoes until the server restarts or `stop` is set; how many messages."""
    said = 0
    room = f"r{random.randrange(1000)}"
    async with connect(f"ws://127.0.0.1:{port}/ws/{room}", proxy=None) as client:
        try:
            check(json.loads(await client.recv())["room"], room)
            while not stop.is_set():
                data = some_bytes(20_000) if random.random() < 0.5 else "ü" * random.randrange(900)
                await client.send(data)
                check(await client.recv(), data)
                said += 1
                await asyncio.sleep(0.002)
        except ConnectionClosed as error:
            # A worker that is replaced closes its own with 1012, "service restart".
            if error.rcvd is None or error.rcvd.code != 1012:
                raise
    return said
