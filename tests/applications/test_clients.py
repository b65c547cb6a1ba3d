"""Other clients than Python's own: curl, httpx, aiohttp, requests; HTTP/1.0; both interfaces."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import httpx
import pytest
import requests
import urllib3
from served import served
from servers import ServerProcess

BODY = os.urandom(1_500_000)
EXPECTED = {"size": len(BODY), "hash": hashlib.sha256(BODY).hexdigest()}
PART = 70_000


def parts() -> Iterator[bytes]:
    for start in range(0, len(BODY), PART):
        yield BODY[start : start + PART]


@pytest.fixture(scope="module", params=["fastapi_app:app", "flask_app:app"])
def server(request: pytest.FixtureRequest) -> Iterator[ServerProcess]:
    """Both have /raw, which takes any body, and /stream."""
    with served(request.param, workers=2) as up:
        yield up


def test_httpx(server: ServerProcess) -> None:
    with httpx.Client(base_url=server.url, trust_env=False, timeout=30) as client:
        for _ in range(5):
            assert client.post("/raw", content=BODY).json() == EXPECTED
            assert client.post("/raw", content=parts()).json() == EXPECTED
            with client.stream("GET", "/stream?count=500") as found:
                assert len(list(found.iter_lines())) == 500
        pool = client._transport._pool.connections  # type: ignore[attr-defined]
        assert len(pool) == 1  # of all of these


def test_httpx_asynchronous(server: ServerProcess) -> None:
    async def ask() -> None:
        async with httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=60) as client:

            async def one(number: int) -> None:
                assert (await client.post("/raw", content=BODY)).json() == EXPECTED
                found = await client.get(f"/stream?count={number}")
                assert len(found.text.splitlines()) == number

            async with asyncio.TaskGroup() as group:
                for number in range(20):
                    group.create_task(one(number))

    asyncio.run(ask())


def test_aiohttp(server: ServerProcess) -> None:
    async def body():
        for part in parts():
            yield part
            await asyncio.sleep(0)

    async def ask() -> None:
        async with aiohttp.ClientSession(server.url) as session:

            async def one(number: int) -> None:
                async with session.post("/raw", data=body()) as found:  # chunked
                    assert await found.json() == EXPECTED
                async with session.get(f"/stream?count={number}") as found:
                    assert len((await found.text()).splitlines()) == number

            async with asyncio.TaskGroup() as group:
                for number in range(20):
                    group.create_task(one(number))

    asyncio.run(ask())


def test_requests(server: ServerProcess) -> None:
    with requests.Session() as session:
        session.trust_env = False
        for _ in range(5):
            assert session.post(f"{server.url}/raw", data=BODY).json() == EXPECTED
            assert session.post(f"{server.url}/raw", data=parts()).json() == EXPECTED
            found = session.get(f"{server.url}/stream?count=500")
            assert len(found.text.splitlines()) == 500
        pools = session.get_adapter(server.url).poolmanager.pools  # type: ignore[attr-defined]
        (pool,) = (pools[key] for key in pools.keys())  # noqa: SIM118 (it can't be iterated over)
        assert (pool.num_connections, pool.num_requests) == (1, 15)


def test_urllib3(server: ServerProcess) -> None:
    with urllib3.PoolManager() as manager:
        found = manager.request("POST", f"{server.url}/raw", body=parts(), chunked=True)
        assert found.json() == EXPECTED
        lines = manager.request("GET", f"{server.url}/stream?count=500", preload_content=False)
        assert len(b"".join(lines.stream(100)).splitlines()) == 500


@pytest.mark.parametrize("version", ["--http1.0", "--http1.1"])
@pytest.mark.parametrize("more", [(), ("-H", "Transfer-Encoding: chunked"), ("-H", "Expect:")])
def test_curl(server: ServerProcess, version: str, more: tuple[str, ...], tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    (tmp_path / "body").write_bytes(BODY)
    if version == "--http1.0" and "Transfer-Encoding: chunked" in more:
        more = ("-H", "Connection: keep-alive")  # there are no chunks in HTTP/1.0
    curl = ("curl", "-sS", "--noproxy", "*", "--max-time", "60", version)
    post = (*more, "--data-binary", f"@{tmp_path / 'body'}", f"{server.url}/raw")
    said = subprocess.check_output([*curl, *post])
    assert json.loads(said) == EXPECTED
    said = subprocess.check_output([*curl, f"{server.url}/stream?count=500"])
    assert len(said.splitlines()) == 500


def test_curl_keeps_its_connection(server: ServerProcess) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    for version, connections in (("--http1.1", 1), ("--http1.0", 3)):
        said = subprocess.run(
            ["curl", "-sS", "-v", "--noproxy", "*", version, *[f"{server.url}/stream?count=3"] * 3],
            capture_output=True,
            check=True,
            text=True,
        )
        assert len(said.stdout.splitlines()) == 9
        assert said.stderr.count("Established connection") == connections, said.stderr


def test_http_1_0_with_keep_alive(server: ServerProcess) -> None:
    """A body of known length keeps the connection, a streamed one ends with it."""
    with server.socket() as connection:
        for _ in range(2):
            connection.sendall(
                b"POST /raw HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabc"
            )
            received = b""
            while not received.endswith(b"}") and not received.endswith(b"}\n"):
                part = connection.recv(65536)
                assert part, received
                received += part
            assert b"connection: keep-alive" in received.lower()
        connection.sendall(b"GET /stream?count=3 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        received = b""
        while part := connection.recv(65536):
            received += part
        assert b"chunked" not in received.lower()
        assert len(received.partition(b"\r\n\r\n")[2].splitlines()) == 3
