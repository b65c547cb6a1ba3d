"""An application, called as a server would."""

import asyncio
import json

from fastapi import Depends, FastAPI
from pydantic import BaseModel


class Item(BaseModel):
    name: str
    price: float


app = FastAPI()


async def factor() -> int:
    return 2


@app.post("/items/{number}")
async def make(number: int, item: Item, times: int = Depends(factor)) -> dict[str, object]:
    return {"number": number, "price": item.price * times}


@app.get("/plain")
def plain() -> dict[str, int]:
    return {"a": 1}


async def request(method: str, path: str, body: bytes = b"") -> tuple[int, object]:
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "scheme": "http",
    }
    sent: list[dict] = []

    async def receive() -> dict:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent[0]["status"], json.loads(b"".join(part.get("body", b"") for part in sent[1:]))


async def requests() -> list[tuple[int, object]]:
    body = b'{"name": "x", "price": 1.5}'
    found = [await request("POST", f"/items/{i}", body) for i in range(20)]
    wrong = await request("POST", "/items/x", body)
    return [found[-1], (wrong[0], wrong[1]["detail"][0]["type"]), await request("GET", "/plain")]


def work() -> object:
    assert app.openapi()["paths"]
    return asyncio.run(requests())
