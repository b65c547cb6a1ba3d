"""Bodies that an application reads in parts, and that are malformed, too long or too slow: the
client hears of it where the response has not begun."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from servers import ServerProcess, read_until, serving

APPLICATIONS = {
    "wsgi": """
def app(environ, start_response):
    early = environ["PATH_INFO"] == "/early"
    if early:
        start_response("200 OK", [])(b"begun")
    try:
        print("read", len(environ["wsgi.input"].read()), flush=True)
    except OSError as error:
        print("gone", type(error).__name__, flush=True)
        raise
    if not early:
        start_response("200 OK", [])
    return [b"whole"]
""",
    "asgi": """
async def app(scope, receive, send):
    early = scope["path"] == "/early"
    if scope["type"] != "http":
        raise NotImplementedError
    if early:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
    size = 0
    while (message := await receive())["type"] == "http.request":
        size += len(message["body"])
        if not message["more_body"]:
            print("read", size, flush=True)
            break
    else:
        print("gone", message["type"], flush=True)
        return
    if not early:
        await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"whole"})
""",
}
CHUNKED = b"POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
LONG = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n"
# What comes when the application has begun to read.
CASES = {
    "malformed": (CHUNKED, b"3\r\nabc\r\nzz\r\n", 400, "max_body=1000000"),
    "too long": (CHUNKED, b"3\r\nabc\r\nf4240\r\n", 413, "max_body=1000000"),
    "too slow": (LONG, b"abc", 408, "body_timeout=0.3"),
    "too slow in chunks": (CHUNKED, b"3\r\nabc\r\n", 408, "body_timeout=0.3"),
}


def served(tmp_path: Path, interface: str, options: str) -> AbstractContextManager[ServerProcess]:
    (tmp_path / "reader.py").write_text(APPLICATIONS[interface])
    imports = f"import sys; sys.path.insert(0, {str(tmp_path)!r})"
    return serving(f"'reader:app', workers=2, access_log=True, body_buffer=0, {options}", imports)


def ends_well(server: ServerProcess, line: str) -> None:
    """The application heard of it, the log has that line, and the server goes on."""
    response, body = server.get("/", method="POST", body=b"abc")
    assert (response.status, body) == (200, b"whole")
    assert server.end() == 0
    assert server.output().count("gone") == 1
    assert re.search(line, server.output()), server.output()


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("interface", APPLICATIONS)
def test_the_client_is_told(tmp_path: Path, interface: str, case: str) -> None:
    head, body, status, options = CASES[case]
    with served(tmp_path, interface, options) as server, server.socket() as client:
        client.sendall((head % b"/")[:-2] + b"Expect: 100-continue\r\n\r\n")
        go_on = b"HTTP/1.1 100 Continue\r\n\r\n"
        assert read_until(client, b"\r\n\r\n") == go_on
        client.sendall(body)
        received = read_until(client, b"\r\n\r\n")
        assert received.startswith(b"HTTP/1.1 %d " % status)
        assert b"Connection: close\r\n" in received
        client.sendall(b"more of it that nobody reads")  # no reset
        while part := client.recv(65536):
            received += part
        assert received.count(b"HTTP/1.1") == 1
        assert received.split(b"\r\n\r\n")[1].startswith(b"%d " % status)
        ends_well(server, f'"POST / HTTP/1.1" {status} [1-9]')


@pytest.mark.parametrize("interface", APPLICATIONS)
def test_a_response_that_has_begun_is_cut(tmp_path: Path, interface: str) -> None:
    with served(tmp_path, interface, "body_timeout=0.3") as server, server.socket() as client:
        client.sendall(CHUNKED % b"/early" + b"3\r\nabc\r\n")
        received = b""
        while part := client.recv(65536):
            received += part
        assert received.startswith(b"HTTP/1.1 200 ")
        assert received.endswith(b"begun\r\n")
        assert received.count(b"HTTP/1.1") == 1
        ends_well(server, '"POST /early HTTP/1.1" 200 5')
