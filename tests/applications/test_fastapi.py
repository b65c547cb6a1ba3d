"""FastAPI: models, dependencies, background tasks, uploads, streams and its documentation page."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection

import httpx
import pytest
import requests
from browser import Browser
from served import memory, served, until, withstands
from servers import ServerProcess
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Close
from websockets.sync.client import connect


@pytest.fixture(scope="module", params=["app", "checked"])
def server(request: pytest.FixtureRequest) -> Iterator[ServerProcess]:
    with served(f"fastapi_app:{request.param}") as up:
        yield up
    assert up.output().count("fastapi: up") == 3
    assert up.output().count("fastapi: down") == 3


def test_models(client: httpx.Client) -> None:
    parts = [{"name": "ä", "weight": "0.5"}, {"name": "b"}]
    made = client.post("/orders", json={"number": 7, "colour": "blue", "parts": parts})
    assert made.status_code == 201
    assert made.json() == {
        "number": 7,
        "colour": "blue",
        "parts": [{"name": "ä", "weight": "0.5"}, {"name": "b", "weight": "1"}],
        "made": "2026-01-01T00:00:00Z",
        "price": "3.0",
    }
    wrong = client.post("/orders", json={"number": 0, "parts": [{"name": ""}]})
    assert wrong.status_code == 422
    assert [each["loc"] for each in wrong.json()["detail"]] == [
        ["body", "number"],
        ["body", "parts", 0, "name"],
    ]
    many = client.post("/orders", json={"number": 1, "parts": [{"name": "n"}] * 101})
    assert "at most 100 parts" in many.json()["detail"][0]["msg"]
    cut = client.post("/orders", content=b'{"number": 1', headers={"content-type": "text/json"})
    assert cut.status_code == 422
    assert client.post("/orders", json={"number": 404}).json() == {"out of stock": "parts"}


def test_dependencies(client: httpx.Client) -> None:
    found = client.get(
        "/dependencies?q=x&skip=3",
        headers=[("X-Token", "one"), ("X-Token", "two"), ("Cookie", "flavour=sweet")],
    )
    assert float(found.headers["x-took"]) >= 0
    answer = found.json()
    assert answer.pop("second").startswith("sync in AnyIO worker thread")
    assert answer == {
        "first": "async x",
        "sessions": ["opened", "opened"],
        "paging": [3, 10],
        "tokens": ["one", "two"],
        "cookie": "sweet",
    }
    assert client.get("/dependencies?skip=-1").status_code == 422
    thread = client.get("/sync/5?colour=red").json()
    assert (thread["number"], thread["colour"]) == (5, "red")
    assert thread["thread"].startswith("AnyIO worker thread")


def test_basic_authentication(client: httpx.Client) -> None:
    assert client.get("/user").headers["www-authenticate"] == "Basic"
    assert client.get("/user", auth=("me", "wrong")).status_code == 401
    assert client.get("/user", auth=("me", "right")).json() == "me"


def test_background_tasks(client: httpx.Client, server: ServerProcess) -> None:
    for word in ("one", "two"):
        assert client.get(f"/background?word={word}").json() == {"status": "accepted"}
    for word in ("later one", "thread one", "later two", "thread two"):
        until(word, lambda word=word: f"fastapi: {word}\n" in server.output())


@pytest.mark.parametrize("path", ["/stream", "/stream_of_a_thread"])
def test_streams(client: httpx.Client, path: str) -> None:
    for count in (0, 1, 2000):
        with client.stream("GET", f"{path}?count={count}") as found:
            assert list(found.iter_lines()) == [str(number) for number in range(count)]


def test_upload_file(client: httpx.Client) -> None:
    content = os.urandom(5 << 20)
    found = client.post("/upload", files={"file": ("f.bin", content)}, data={"note": "n"}).json()
    digest = hashlib.sha256(content).hexdigest()
    assert found == {"name": "f.bin", "size": len(content), "hash": digest, "note": "n"}
    several = [("files", (str(size), bytes(size))) for size in (0, 1, 70_000)]
    assert client.post("/files", files=several).json() == [0, 1, 70_000]


def test_upload_of_100_mib(server: ServerProcess) -> None:
    """Memory stays flat: raw, and as a form whose file Starlette puts on disk."""
    part = os.urandom(1 << 20)
    digest = hashlib.sha256(part * 100).hexdigest()
    server.get("/raw", "POST", body=part)
    before, peak = memory(server), 0.0

    def body() -> Iterator[bytes]:
        nonlocal peak
        for _ in range(100):
            yield part
            peak = max(peak, memory(server))

    found = requests.post(f"{server.url}/raw", data=body(), timeout=60).json()  # chunked
    assert found == {"size": 100 << 20, "hash": digest}

    head = b'--b\r\nContent-Disposition: form-data; name="note"\r\n\r\nn\r\n--b\r\nContent-'
    head += b'Disposition: form-data; name="file"; filename="f"\r\n\r\n'
    end = b"\r\n--b--\r\n"

    def form() -> Iterator[bytes]:
        yield head
        yield from body()
        yield end

    headers = {
        "Content-Type": "multipart/form-data; boundary=b",
        "Content-Length": str(len(head) + (100 << 20) + len(end)),
    }
    _, answer = server.get("/upload", "POST", body=form(), headers=headers)
    assert json.loads(answer)["hash"] == digest
    assert peak - before < 24, f"{peak - before} MiB more"


def test_lifespan_state_is_each_worker_s(client: httpx.Client) -> None:
    counts: dict[float, int] = {}
    for _ in range(30):
        found = client.get("/state").json()
        counts[found["worker"]] = counts.get(found["worker"], 0) + 1
        # A request has its own copy of the state, with the same objects in it.
        assert found["orders"] == found["queued"]
    assert len(counts) <= 3


def test_failures(client: httpx.Client, server: ServerProcess) -> None:
    assert client.get("/fails").status_code == 500
    until("the traceback", lambda: "LookupError: fails on purpose" in server.stderr())
    assert client.get("/sync/x").status_code == 422
    assert client.get("/nowhere").json() == {"detail": "Not Found"}
    assert client.put("/text").status_code == 405


def test_openapi(client: httpx.Client) -> None:
    schema = client.get("/openapi.json").json()
    assert schema["info"] == {"title": "Orders", "version": "1.2.3"}
    assert schema["components"]["schemas"]["Order"]["description"] == "What is ordered."
    assert "/openapi.json" in client.get("/docs").text


def test_documentation_in_a_browser(server: ServerProcess, chromium: Browser) -> None:
    """The page is drawn from the schema, and asks the server when told to."""
    chromium.go(f"{server.url}/docs")
    title = chromium.until("the title", lambda: chromium.text(".info .title"))
    assert title.startswith("Orders")
    block = "#operations-default-index__get"
    chromium.until("the operations", lambda: chromium.text(block))
    click = "const found = document.querySelector(arguments[0]); found?.click(); return !!found"
    for button in ("button.opblock-summary-control", ".try-out__btn", ".btn.execute"):
        chromium.until(button, lambda b=button: chromium.script(click, f"{block} {b}"))
    answer = chromium.until(
        "the answer", lambda: chromium.text(f"{block} .live-responses-table .highlight-code")
    )
    assert '"hello": "world"' in answer
    assert chromium.complaints() == []


def test_websocket(server: ServerProcess) -> None:
    at = f"ws://{server.host}:{server.port}/ws"
    with connect(f"{at}/a%20b?q=x", subprotocols=["one", "two"], proxy=None) as client:
        assert client.subprotocol == "one"
        assert json.loads(client.recv(timeout=30)) == {"room": "a b", "dependency": "async x"}
        for message in ("text", b"bytes", "ä" * 100_000, os.urandom(300_000)):
            client.send(message)
            assert client.recv(timeout=30) == message
        client.send("close")
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(timeout=30)
        assert closed.value.rcvd == Close(4001, "as you like")
    with connect(f"{at}/leaving", proxy=None) as client:
        client.recv(timeout=30)
    until("it has heard", lambda: "fastapi: left leaving 1000" in server.output())
    with pytest.raises(InvalidStatus) as refused:
        connect(f"{at}/closed", proxy=None)
    assert refused.value.response.status_code == 403


def test_many_websockets(server: ServerProcess) -> None:
    """They are of all workers, and each has its own messages back, in order."""

    def one(number: int) -> None:
        at = f"ws://{server.host}:{server.port}/ws/{number}"
        with connect(at, proxy=None) as client:
            assert json.loads(client.recv(timeout=30))["room"] == str(number)
            messages = [f"{number} {each}" * (each % 50) for each in range(100)]
            for message in messages:
                client.send(message)
            assert [client.recv(timeout=30) for _ in messages] == messages

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(one, range(64)))


def test_many_clients(server: ServerProcess) -> None:
    def ask(connection: HTTPConnection, number: int) -> None:
        which = number % 5
        if which == 0:
            body = json.dumps({"number": number, "parts": [{"name": f"n{number}"}] * (number % 50)})
            connection.request("POST", "/orders", body, {"Content-Type": "application/json"})
            found = json.load(connection.getresponse())
            assert found["number"] == number
            assert found["parts"] == [{"name": f"n{number}", "weight": "1"}] * (number % 50)
        elif which == 1:
            connection.request("GET", f"/sync/{number}")
            assert json.load(connection.getresponse())["number"] == number
        elif which == 2:
            path = "/stream" if number % 2 else "/stream_of_a_thread"
            connection.request("GET", f"{path}?count={number % 300}")
            lines = connection.getresponse().read().split()
            assert [int(line) for line in lines] == list(range(number % 300))
        elif which == 3:
            connection.request("GET", f"/dependencies?q={number}")
            found = json.load(connection.getresponse())
            assert (found["first"], found["sessions"]) == (f"async {number}", ["opened"] * 2)
        else:
            content = number.to_bytes(4) * 20_000
            with tempfile.TemporaryFile() as file:
                file.write(content)
                file.seek(0)
                connection.request("POST", "/raw", file, encode_chunked=True)
                found = json.load(connection.getresponse())
            assert found["hash"] == hashlib.sha256(content).hexdigest()

    withstands(server, ask)
