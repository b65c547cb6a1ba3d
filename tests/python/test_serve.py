"""The server as its users have it: a process, real sockets, handlers in several interpreters."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import RemoteDisconnected
from pathlib import Path

import pytest
from servers import ServerProcess, here, serving


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with serving("'serve_app:router', workers=4") as server:
        yield server
        assert server.end() == 0, server.stderr()


@pytest.mark.parametrize(
    ("path", "status", "content_type", "body"),
    [
        ("/", 200, "text/plain; charset=utf-8", b"hello\n"),
        ("/bytes", 200, "application/octet-stream", b"\x00\xff"),
        ("/json", 200, "application/json", '{"a":[1,2.5,null,true],"é":"ü"}'.encode()),
        ("/null", 200, "application/json", b"null"),
        ("/buffer", 200, "text/x-test", b"abc"),
        ("/items/17/caf%C3%A9", 200, "application/json", '{"number":17,"name":"café"}'.encode()),
        ("/items/x/y", 404, "text/plain; charset=utf-8", b"Not Found\n"),
        ("/nowhere", 404, "text/plain; charset=utf-8", b"Not Found\n"),
        ("/teapot", 418, "text/plain; charset=utf-8", b"short and stout\n"),
        ("/no-content", 204, None, b""),
    ],
)
def test_answers(
    server: ServerProcess, path: str, status: int, content_type: str | None, body: bytes
) -> None:
    response, got = server.get(path)
    assert (response.status, got) == (status, body)
    assert response.headers["content-type"] == content_type
    assert response.headers["date"].endswith(" GMT")
    assert response.version == 11


def test_head_has_no_body_and_the_same_length(server: ServerProcess) -> None:
    response, body = server.get("/json", "HEAD")
    assert body == b""
    assert response.headers["content-length"] == str(
        len('{"a":[1,2.5,null,true],"é":"ü"}'.encode())
    )


def test_frozen_data_as_json(server: ServerProcess) -> None:
    _, body = server.get("/frozen")
    assert json.loads(body) == {"list": [1, {"deep": [True, None]}], "text": "é" * 10}


def test_large_bodies(server: ServerProcess) -> None:
    _, body = server.get("/big")
    assert body == b"0123456789abcdef" * 65536
    for size in (16_383, 16_384, 65_536, 3_000_000):
        _, body = server.get(f"/big-fresh/{size}")
        assert body == b"x" * size


def test_a_request_has_what_was_sent(server: ServerProcess) -> None:
    response, body = server.get(
        "/echo?a=1&b=%26&a=2&empty=&plus=x+y",
        "POST",
        body=b"\x00body\xff",
        headers={"Cookie": "sid=abc; other=d", "X-Thing": "one", "Content-Type": "x/y"},
    )
    assert response.status == 200
    got = json.loads(body)
    assert got["method"] == "POST"
    assert got["path"] == got["raw_path"] == "/echo"
    assert got["query"] == {"a": ["1", "2"], "b": ["&"], "empty": [""], "plus": ["x y"]}
    assert got["headers"]["x-thing"] == ["one"]
    assert got["host"] == f"127.0.0.1:{server.port}"
    assert got["cookies"] == {"sid": "abc", "other": "d"}
    assert got["body"] == "\x00body\xff"
    assert (got["client"], got["scheme"]) == ("127.0.0.1", "http")


def test_paths_are_decoded(server: ServerProcess) -> None:
    _, body = server.get("/echo/a%2Fb%20c/%E2%82%AC/%FF")
    assert json.loads(body) == {"path": "/echo/a/b c/€/\ufffd", "rest": "a/b c/€/\ufffd"}


def test_json_and_form_bodies(server: ServerProcess) -> None:
    _, body = server.get("/json", "POST", body=b'{"x": [1]}')
    assert json.loads(body) == {"x": [1]}
    response, body = server.get("/json", "POST", body=b"{")
    assert response.status == 400
    assert body.startswith(b"the body is not JSON")
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    _, body = server.get("/form", "POST", body=b"a=1&a=2&b=%C3%A9", headers=kind)
    assert json.loads(body) == {"a": ["1", "2"], "b": ["é"]}
    response, _ = server.get("/form", "POST", body=b"a=1", headers={"Content-Type": "text/plain"})
    assert response.status == 415


def test_methods(server: ServerProcess) -> None:
    response, _ = server.get("/json", "DELETE")
    assert response.status == 405
    assert {"GET", "HEAD", "POST"} <= {m.strip() for m in response.headers["allow"].split(",")}
    response, _ = server.get("/json", "OPTIONS")
    assert response.status == 204


def test_a_response_says_everything(server: ServerProcess) -> None:
    response, body = server.get("/response")
    assert (response.status, json.loads(body)) == (201, {"made": True})
    assert response.headers["content-type"] == "application/vnd.test+json"
    assert (response.headers["x-one"], response.headers["x-latin"]) == ("1", "é")
    assert response.headers["set-cookie"].startswith("sid=abc")


@pytest.mark.parametrize(
    ("path", "logged"),
    [
        ("/raise", "ZeroDivisionError: on purpose"),
        ("/exit", "SystemExit: 7"),
        ("/unserialisable", "a response can't be a object"),
        ("/bad-header", "ValueError"),
        ("/surrogate", "UnicodeEncodeError"),
    ],
)
def test_a_handler_that_raises_costs_one_response(
    server: ServerProcess, path: str, logged: str
) -> None:
    before = server.stderr().count(logged)
    connection = server.connect()
    connection.request("GET", path)
    response = connection.getresponse()
    assert (response.status, response.read()) == (500, b"Internal Server Error\n")
    connection.request("GET", "/")  # the connection lives on
    assert connection.getresponse().read() == b"hello\n"
    connection.close()
    assert server.stderr().count(logged) == before + 1
    assert "b=c" not in str(response.headers)


def test_files(server: ServerProcess, tmp_path: Path) -> None:
    path = tmp_path / "x.html"
    path.write_bytes(b"0123456789abcdefghijklmnop" + b"." * 4000)
    response, body = server.get(f"/file?path={path}")
    assert body == path.read_bytes()
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["accept-ranges"] == "bytes"
    etag = response.headers["etag"]
    response, body = server.get(f"/file?path={path}", headers={"Range": "bytes=2-4"})
    assert (response.status, body) == (206, b"234")
    assert response.headers["content-range"] == "bytes 2-4/4026"
    response, body = server.get(f"/file?path={path}", headers={"Range": "bytes=0-0,-1"})
    assert response.status == 206
    assert response.headers["content-type"].startswith("multipart/byteranges")
    assert body.count(b"content-range") + body.count(b"Content-Range") == 2
    response, body = server.get(f"/file?path={path}", headers={"If-None-Match": etag})
    assert (response.status, body) == (304, b"")
    response, body = server.get(f"/part?path={path}")
    assert (body, response.headers["content-type"]) == (b"abcdefghij", "text/x-part")
    response, _ = server.get(f"/file?path={tmp_path}/none")
    assert response.status == 404
    response, _ = server.get(f"/file?path={tmp_path}")
    assert response.status == 404


def test_a_large_file(server: ServerProcess, tmp_path: Path) -> None:
    path = tmp_path / "large.bin"
    path.write_bytes(bytes(range(256)) * 40_000)
    with ThreadPoolExecutor(4) as pool:
        for _, body in pool.map(lambda _: server.get(f"/file?path={path}"), range(8)):
            assert body == path.read_bytes()


def test_a_request_that_is_kept_stays_what_it_was(server: ServerProcess) -> None:
    connection = server.connect()
    for n in range(20):
        connection.request("GET", f"/keep?n={n}")
        assert connection.getresponse().read() == b"kept"
    found: dict[int, list[list[str]]] = {}
    for _ in range(200):
        connection.request("GET", "/kept")
        got = json.loads(connection.getresponse().read())
        found[got["interpreter"]] = got["kept"]
    connection.close()
    everything = [item for items in found.values() for item in items]
    assert everything, "no worker that kept one answered"
    host = f"127.0.0.1:{server.port}"
    assert all(item[0] == "/keep" and item[2:] == [host, "GET", "127.0.0.1"] for item in everything)
    assert {item[1] for item in everything} <= {str(n) for n in range(20)}


def test_pipelined_requests_are_answered_in_order(server: ServerProcess) -> None:
    with server.socket() as client:
        request = b"".join(b"GET /items/%d/x HTTP/1.1\r\nHost: a\r\n\r\n" % n for n in range(100))
        client.sendall(request)
        received = b""
        while received.count(b"HTTP/1.1 200 OK") < 100 or not received.endswith(b"}"):
            received += client.recv(65536)
    numbers = [int(part.split(b",")[0]) for part in received.split(b'{"number":')[1:]]
    assert numbers == list(range(100))


def test_a_slow_request_does_not_delay_the_others(server: ServerProcess, tmp_path: Path) -> None:
    """A connection is served by any worker that is free, also one whose last worker is busy."""
    connections = [server.connect() for _ in range(8)]
    for connection in connections:
        connection.request("GET", "/")
        connection.getresponse().read()
    # Three of the four workers wait until this test writes; the fourth must serve everybody else.
    pipes = [tmp_path / f"pipe{n}" for n in range(3)]
    busy = []
    for pipe in pipes:
        os.mkfifo(pipe)
        busy.append(server.connect())
        busy[-1].request("GET", f"/wait?pipe={pipe}")
    writers = [pipe.open("w") for pipe in pipes]  # each opens when the handler reads
    for _ in range(20):
        for connection in connections:
            connection.request("GET", "/")
            assert connection.getresponse().read() == b"hello\n"
    for connection, writer in zip(busy, writers, strict=True):
        writer.write("go")
        writer.close()
        assert connection.getresponse().read() == b"go"
    for connection in connections + busy:
        connection.close()


def test_printed_lines_come_out_whole() -> None:
    with serving("'serve_app:router', workers=4") as server, ThreadPoolExecutor(9) as pool:
        list(pool.map(lambda n: server.get(f"/print?n={n}"), range(200)))
        assert server.end() == 0
        lines = server.lines[1:]
        logged = [line for line in server.stderr().splitlines() if "log" in line]
    assert sorted(int(line.split()[1]) for line in lines) == list(range(200))
    assert all(line.endswith("x" * 3000 + "|\n") for line in lines)
    assert sorted(int(line.split()[2]) for line in logged) == list(range(200))
    assert all(line.endswith("y" * 300 + "|") for line in logged)


def test_statistics(server: ServerProcess) -> None:
    server.get("/")
    _, body = server.get("/stats")
    stats = json.loads(body)
    assert len(stats["workers"]) == 4
    assert stats["requests"] == sum(worker["requests"] for worker in stats["workers"]) > 0
    assert len({worker["interpreter"] for worker in stats["workers"]}) == 4
    assert 0 < stats["latency"]["p50"] <= stats["latency"]["p99"] <= stats["latency"]["max"] < 60
    assert stats["memory"]["rss"] >= stats["memory"]["pss"] > 1_000_000
    assert stats["uptime"] > 0
    assert sum(worker["cpu_seconds"] for worker in stats["workers"]) > 0


def test_garbage_is_collected_between_requests(server: ServerProcess) -> None:
    connection = server.connect()
    young = []
    frozen = 0
    for _ in range(2000):
        connection.request("GET", "/garbage")
        got = json.loads(connection.getresponse().read())
        assert not got["enabled"]
        young.append(got["young"])
        frozen = max(frozen, got["frozen"])
    connection.close()
    assert max(young) < 200_000
    assert frozen > 1000  # what was loaded, after the first requests


@pytest.fixture
def in_flight(tmp_path: Path) -> Iterator[InFlight]:
    one = InFlight(tmp_path / "pipe")
    yield one
    one.close()


class InFlight:
    """A request that is with its handler, and stays there until `finish`."""

    def __init__(self, pipe: Path) -> None:
        self.pipe = pipe
        os.mkfifo(pipe)

    def start(self, server: ServerProcess, then: str = "") -> None:
        self.connection = server.connect()
        self.connection.request("GET", f"/wait?pipe={self.pipe}&then={then}")
        self.writer = self.pipe.open("w")  # opens when the handler reads

    def finish(self) -> tuple[int, bytes]:
        self.writer.write("go")
        self.writer.close()
        response = self.connection.getresponse()
        return response.status, response.read()

    def close(self) -> None:
        self.writer.close()
        self.connection.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stops_on_a_signal_with_requests_in_flight(
    number: signal.Signals, in_flight: InFlight
) -> None:
    with serving("'serve_app:router', workers=2") as server:
        in_flight.start(server)
        server.process.send_signal(number)
        wait_until_it_refuses(server)
        assert in_flight.finish() == (200, b"go")
        assert server.process.wait(10) == 0
        assert server.stderr() == ""


def wait_until_it_refuses(server: ServerProcess) -> None:
    """Until it takes no more connections."""
    with contextlib.suppress(ConnectionError, RemoteDisconnected):
        while True:
            server.get("/")
    with pytest.raises(ConnectionRefusedError):
        server.get("/")


def test_a_second_signal_cuts_requests_short(in_flight: InFlight) -> None:
    with serving("'serve_app:router', workers=2, grace=60") as server:
        in_flight.start(server)
        server.process.send_signal(signal.SIGINT)
        wait_until_it_refuses(server)
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(10) == 0


@pytest.mark.parametrize("what", ["spin", "sleep", "swallow"])
def test_a_handler_that_never_returns_is_left_behind(what: str, in_flight: InFlight) -> None:
    with serving("'serve_app:router', workers=2, grace=0.1") as server:
        in_flight.start(server, then=what)
        in_flight.writer.write("go")
        in_flight.writer.close()
        while not server.stderr().endswith("in it\n"):
            server.get("/")
        assert server.end(signal.SIGTERM) == 0


def test_a_signal_that_interrupts_no_wait_of_the_main_thread_stops_the_server() -> None:
    # As one does that comes just before the wait.
    with serving("'serve_app:router', workers=2") as server:
        assert server.get("/interrupt-here")[1] == b"felt"
        assert server.process.wait(20) == 0
        assert server.stderr() == ""


def test_os_exit_in_a_handler_is_the_process_end() -> None:
    with serving("'serve_app:router', workers=2") as server:
        with pytest.raises(ConnectionError):
            server.get("/os-exit")
        assert server.process.wait(10) == 9


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", f"import allcores\n{code}"],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=here,
    )


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("allcores.serve('serve_app:rooter', port=0)", "did you mean 'serve_app:router'?"),
        ("allcores.serve('serve_ap:router', port=0)", "there is no module named 'serve_ap'"),
        ("allcores.serve('serve_app', port=0)", "not of the form 'module:name'"),
        ("allcores.serve('serve_app:number', port=0)", "not callable: it is a int"),
        ("allcores.serve('serve_app:async_handler', port=0)", "async function"),
        ("allcores.serve(print, host='256.1.1.1')", "can't listen on 256.1.1.1 port 8000"),
    ],
)
def test_what_can_not_start_says_so_in_one_line(code: str, line: str) -> None:
    result = run(code)
    assert result.returncode == 1
    assert line in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("allcores: ")
    assert result.stdout == ""


def test_a_taken_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run(f"allcores.serve('serve_app:router', port={port})")
    assert result.returncode == 1
    assert result.stderr == (
        f"allcores: port {port} on 127.0.0.1 is taken: "
        "stop what listens there, or choose another port\n"
    )


def test_a_module_that_fails_shows_its_traceback(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("def f():\n    import no_such_thing\nf()\n")
    result = run(
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\nallcores.serve('broken:x', port=0)"
    )
    assert result.returncode == 1
    assert 'broken.py", line 2, in f' in result.stderr
    assert "No module named 'no_such_thing'" in result.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    "arguments",
    ["port=70000", "workers=0", "workers=1.5", "grace=-1", "port='x'", "ws_max_queue=0"],
)
def test_arguments_are_checked(arguments: str) -> None:
    result = run(f"allcores.serve(print, **dict({arguments}))")
    assert result.returncode == 1
    assert "serve: " in result.stderr


def test_a_function_of_main_with_what_it_closes_over() -> None:
    program = """
data = allcores.freeze({"numbers": list(range(1000))})
def make(factor):
    def handler(request):
        return {"sum": sum(data["numbers"]) * factor, "module": __name__}
    return handler
"""
    with serving("make(3), workers=2", program) as server:
        _, body = server.get("/")
        assert json.loads(body)["sum"] == 3 * sum(range(1000))
        assert server.end() == 0
