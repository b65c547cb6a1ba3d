"""ASGI applications over real sockets: what the specification says, and what clients do."""

from __future__ import annotations

import ast
import os
import re
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.client import IncompleteRead, RemoteDisconnected
from pathlib import Path

import pytest
from servers import ServerProcess, here, serving


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with serving("'asgi_app:app', workers=2, root_path='/root/'") as server:
        yield server
        assert server.end() == 0, server.stderr()
        assert server.output().count("lifespan: shutdown") == 2, server.output()


@pytest.fixture
def own_server() -> Iterator[ServerProcess]:
    """One whose output is looked at."""
    with serving("'asgi_app:app', workers=1") as server:
        yield server


def until(server: ServerProcess, text: str) -> str:
    """What the server prints until that, for as long as it may take it to do."""
    for _ in range(2000):
        if text in server.output():
            return server.output()
        server.get("/")
    raise AssertionError(f"{text!r} was not said: {server.output()}{server.stderr()}")


def talk(server: ServerProcess, *parts: bytes) -> bytes:
    """Send the parts, and read until the server closes."""
    with server.socket() as connection:
        for part in parts:
            connection.sendall(part)
        received = b""
        while part := connection.recv(65536):
            received += part
    return received


def read_until(connection: socket.socket, end: bytes, received: bytes = b"") -> bytes:
    while end not in received:
        part = connection.recv(65536)
        assert part, received
        received += part
    return received


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/", 200, b"hello"),
        ("/nowhere", 404, b"not found"),
        ("/suspend", 200, b"suspended"),
        ("/stream", 200, b"0\n1\n2\n3\n4\n"),
        ("/stream_at_once", 200, b"0\n1\n2\n3\n4\n"),
        ("/context", 200, b"unset set"),
        ("/from_thread", 200, b"from a thread"),
        ("/executor", 200, None),
        ("/pathsend", 200, (here / "asgi_app.py").read_bytes()),
        ("/echo", 200, b""),
        ("/measure", 200, b"0 1"),
    ],
)
def test_answers(server: ServerProcess, path: str, status: int, body: bytes | None) -> None:
    for _ in range(2):  # nothing of a request is left to the next
        response, got = server.get(path)
        assert response.status == status
        assert response.headers["date"].endswith(" GMT")
        assert body is None or got == body


def test_much_is_streamed(server: ServerProcess) -> None:
    _, body = server.get("/much")
    assert body == b"".join(bytes([n % 251]) * 65_536 for n in range(400))


def test_scope(server: ServerProcess) -> None:
    headers = {"X-Mixed-Case": "Value", "cookie": "a=1"}
    _, body = server.get("/scope?q=%20é".replace("é", "%C3%A9"), headers=headers)
    scope = ast.literal_eval(body.decode())
    assert scope["type"] == "http"
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.4"}
    assert (scope["http_version"], scope["method"], scope["scheme"]) == ("1.1", "GET", "http")
    assert (scope["path"], scope["raw_path"]) == ("/root/scope", b"/root/scope")
    assert (scope["query_string"], scope["root_path"]) == (b"q=%20%C3%A9", "/root")
    assert (b"x-mixed-case", b"Value") in scope["headers"]
    assert (b"cookie", b"a=1") in scope["headers"]
    assert scope["client"][0] == "127.0.0.1"
    assert scope["server"] == ("127.0.0.1", server.port)
    assert scope["state"] == {"started": "yes"}
    assert "http.response.trailers" in scope["extensions"]


def test_scope_decodes_the_path(server: ServerProcess) -> None:
    response, _ = server.get("/caf%C3%A9")
    assert response.status == 404
    scope = ast.literal_eval(server.get("/scope")[1].decode())
    assert scope["query_string"] == b""


def test_head_and_length(server: ServerProcess) -> None:
    for path in ("/", "/suspend", "/stream"):
        response, body = server.get(path, "HEAD")
        assert (response.status, body) == (200, b"")
    assert server.get("/", "HEAD")[0].headers["content-length"] == "5"


@pytest.mark.parametrize("size", [0, 1, 1000, 60_000, 100_000, 5_000_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_bodies(server: ServerProcess, size: int, chunked: bool) -> None:
    body = bytes(range(251)) * (size // 251 + 1)
    body = body[:size]
    given = iter([body[:7], body[7:]]) if chunked else body
    connection = server.connect()
    for _ in range(2):  # the connection goes on
        connection.request("POST", "/echo", given, encode_chunked=chunked)
        response = connection.getresponse()
        assert response.read() == body
        given = iter([body]) if chunked else body
    connection.close()


def test_a_connection_goes_on_after_a_chunked_body(server: ServerProcess) -> None:
    """However much of the body has come when the application begins to read it."""
    body = bytes(100_000)
    for _ in range(60):
        connection = server.connect()
        for _ in range(2):
            connection.request("POST", "/echo", iter([body[:7], body[7:]]), encode_chunked=True)
            assert connection.getresponse().read() == body
        connection.close()


def test_a_body_and_its_long_answer_within_one_step(server: ServerProcess, tmp_path: Path) -> None:
    """The whole body is in the socket when the application reads it, and the client reads nothing
    before the application has ended: the rest of the answer is sent without it.
    """
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    target = f"/at_once?{os.fsencode(pipe).hex()}"
    head = f"POST {target} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    with server.socket() as connection, connection.makefile("rb") as answers:
        for _ in range(2):  # the connection goes on
            connection.sendall(head.encode())
            with pipe.open("w"):  # the application is there
                connection.sendall(b"3\r\nabc\r\n0\r\n\r\n")
            while answers.readline() != b"\r\n":
                pass
            assert answers.read(24_000_000) == b"abc" * 8_000_000


def test_a_short_body_comes_whole_a_long_one_in_parts(server: ServerProcess) -> None:
    assert server.get("/measure", "POST", body=bytes(50_000))[1] == b"50000 1"
    size, parts = server.get("/measure", "POST", body=bytes(3_000_000))[1].split()
    assert size == b"3000000"
    assert int(parts) > 1


def test_both_ways_at_once(server: ServerProcess) -> None:
    """Each part is answered before the next is sent: nothing waits for the body's end."""
    with server.socket() as connection:
        connection.sendall(
            b"POST /duplex HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        received = b""
        for word in (b"one", b"two", b"three"):
            connection.sendall(b"%x\r\n%s\r\n" % (len(word), word))
            received = read_until(connection, word.upper(), received)
        connection.sendall(b"0\r\n\r\n")
        read_until(connection, b"\r\n0\r\n\r\n", received)


def test_continue_is_sent_when_the_body_is_wanted(server: ServerProcess) -> None:
    with server.socket() as connection:
        connection.sendall(
            b"POST /measure HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n"
            b"Expect: 100-continue\r\nConnection: close\r\n\r\n"
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.sendall(bytes(200_000))
        received = b""
        while part := connection.recv(4096):
            received += part
    assert b"200000 " in received


def test_a_body_that_nobody_reads(server: ServerProcess) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n"
    last = b"GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    received = talk(server, head + bytes(300_000) + last)
    assert [b"hello" in received, b"not found" in received] == [True, True], received


def test_pipelined_requests_are_answered_in_order(server: ServerProcess) -> None:
    request = b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    paths = (b"/", b"/suspend", b"/stream", b"/", b"/suspend", b"/fails_later")
    received = talk(server, b"".join(request % each for each in paths) + last)
    found = re.findall(rb"hello|suspended|0\n\r\n2\r\n1|Internal Server Error\n", received)
    assert [each[:5] for each in found] == [
        b"hello", b"suspe", b"0\n\r\n2", b"hello", b"suspe", b"Inter", b"hello",
    ]  # fmt: skip


def test_http_1_0(server: ServerProcess) -> None:
    received = talk(server, b"GET /stream HTTP/1.0\r\n\r\n")
    assert b"Transfer-Encoding" not in received
    assert received.endswith(b"\r\n\r\n0\n1\n2\n3\n4\n")
    received = talk(server, b"GET /scope HTTP/1.0\r\n\r\n")
    assert b"'http_version': '1.0'" in received


def test_trailers(server: ServerProcess) -> None:
    received = talk(server, b"GET /trailers HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert received.endswith(b"4\r\nbody\r\n0\r\nx-sum: 42\r\n\r\n")


def test_early_hints(server: ServerProcess) -> None:
    received = talk(server, b"GET /early_hint HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\nHTTP/1.1 200 OK"
    assert received.startswith(hint)


def test_messages_that_are_wrong(server: ServerProcess) -> None:
    response, body = server.get("/wrong")
    said = body.decode().split("\n")
    assert response.status == 200
    assert len(said) == 10
    assert "accepted" not in said
    for line, words in zip(
        said,
        ("dict", "'type'", "'type'", "before", "'status'", "'status'", "200 to 999", "headers",
         "websocket.accept", "trailers"),
        strict=True,
    ):  # fmt: skip
        assert words in line, (line, words)


@pytest.mark.parametrize("field", ["x(y=1", "x=a%0Ab", "=1"])
def test_headers_that_are_wrong(server: ServerProcess, field: str) -> None:
    assert server.get(f"/wrong_header?{field}")[0].status == 500


@pytest.mark.parametrize("length", ["4", "6", "-1", "many"])
def test_lengths_that_are_wrong(server: ServerProcess, length: str) -> None:
    assert server.get(f"/wrong_length?{length}")[0].status == 500


def test_many_at_once(server: ServerProcess) -> None:
    paths = ["/suspend", "/", "/stream", "/executor", "/from_thread", "/echo"] * 20
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda path: server.get(path)[0].status, paths))
    assert answers == [200] * len(paths)


def test_receive_and_send_as_tasks(own_server: ServerProcess) -> None:
    assert own_server.get("/as_tasks", "POST", body=b"task")[1] == b"task"
    until(own_server, "after the response: http.disconnect")


def test_a_receive_that_is_cancelled_loses_nothing(own_server: ServerProcess) -> None:
    with own_server.socket() as connection:
        connection.sendall(
            b"POST /cancelled_receive HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        received = read_until(connection, b"go")
        connection.sendall(b"4\r\nkept\r\n0\r\n\r\n")
        received = read_until(connection, b"\r\n0\r\n\r\n", received)
    assert b"kept" in received


def test_a_client_that_goes_away_is_a_disconnect(own_server: ServerProcess) -> None:
    with own_server.socket() as connection:
        connection.sendall(b"GET /wait_for_the_end HTTP/1.1\r\nHost: x\r\n\r\n")
        until(own_server, "waits")
    until(own_server, "heard http.disconnect")
    until(own_server, "send raised ConnectionResetError")
    assert own_server.end() == 0
    assert "failed" not in own_server.stderr()


@pytest.mark.parametrize("target", [b"/flood", b"/flood_that_fails", b"/flood_that_fails?group"])
def test_a_client_that_goes_away_ends_a_flood(own_server: ServerProcess, target: bytes) -> None:
    with own_server.socket() as connection:
        connection.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        assert len(connection.recv(65536, socket.MSG_WAITALL)) == 65536
    until(own_server, "flood ended: ConnectionResetError")
    assert own_server.end() == 0
    assert "failed" not in own_server.stderr()  # the client's doing


def test_a_client_that_goes_away_in_its_body(own_server: ServerProcess) -> None:
    with own_server.socket() as connection:
        connection.sendall(
            b"POST /wait_for_the_end HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\nx"
        )
    for _ in range(20):
        assert own_server.get("/")[1] == b"hello"
    assert own_server.end() == 0


@contextmanager
def kept_for_others(server: ServerProcess) -> Iterator[None]:
    """Twenty connections have requests that the application keeps, meanwhile and afterwards."""
    with ExitStack() as stack:
        connections = [stack.enter_context(server.socket()) for _ in range(20)]
        for each in connections:
            each.sendall(b"GET /keep HTTP/1.1\r\nHost: x\r\n\r\n")
        yield
        assert server.get("/")[1] == b"hello"
        for each in connections:
            each.setblocking(False)
            with pytest.raises(BlockingIOError):
                each.recv(1)


def test_a_part_of_a_body_and_the_end_come_at_once(
    own_server: ServerProcess, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    target = b"/lost_between?" + os.fsencode(tmp_path / "pipe").hex().encode()
    head = b"POST " + target + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n"
    with own_server.socket() as connection:
        connection.sendall(head)
        with open(tmp_path / "pipe", "w"):  # the application is called now, and waits
            connection.sendall(b"part")
            connection.close()
    with kept_for_others(own_server):
        until(own_server, "between: ")
    said = "between: 4 True ConnectionResetError ConnectionResetError http.disconnect"
    assert said in own_server.output()
    assert own_server.end() == 0
    assert "failed" not in own_server.stderr()


def test_a_client_that_went_away_before_its_turn(own_server: ServerProcess, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    target = b"/hold_up?" + os.fsencode(tmp_path / "pipe").hex().encode()
    with own_server.socket() as first, own_server.socket() as second:
        first.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        with open(tmp_path / "pipe", "w"):  # the only worker is busy now
            second.sendall(b"GET /lost_at_once HTTP/1.1\r\nHost: x\r\n\r\n")
            second.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            second.close()
        assert first.recv(100)
    with kept_for_others(own_server):
        until(own_server, "at once: http.disconnect")
    assert own_server.end() == 0
    assert "failed" not in own_server.stderr()


def test_the_time_for_the_next_request_counts_from_the_answer() -> None:
    """And not from when the connection came, after which a first request has to come soon."""
    request = b"GET /suspend HTTP/1.1\r\nHost: x\r\n\r\n"
    with (
        serving("'asgi_app:app', workers=1, header_timeout=1") as server,
        server.socket() as first,
    ):
        first.sendall(request)
        read_until(first, b"suspended")
        with server.socket() as silent:
            assert silent.recv(1) == b""  # its time is over, and so would be that of the first
        first.sendall(request)
        read_until(first, b"suspended")


def test_a_slow_reader_does_not_hold_up_others(own_server: ServerProcess) -> None:
    with own_server.socket() as connection:
        connection.sendall(b"GET /flood HTTP/1.1\r\nHost: x\r\n\r\n")
        for _ in range(50):
            assert own_server.get("/suspend")[1] == b"suspended"


def test_work_in_the_background(own_server: ServerProcess) -> None:
    assert own_server.get("/background")[1] == b"done"
    until(own_server, "background work done")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/fails", "ZeroDivisionError: on purpose"),
        ("/fails_later", "ZeroDivisionError: on purpose, later"),
        ("/says_nothing", "returned without starting a response"),
        ("/says_half", "returned without completing its response"),
        ("/exits", "GET /exits failed: SystemExit(7)"),
        ("/cancels_itself", "GET /cancels_itself failed: CancelledError()"),
    ],
)
def test_failures_cost_one_answer(own_server: ServerProcess, path: str, words: str) -> None:
    for _ in range(2):
        response, body = own_server.get(path)
        assert (response.status, body) == (500, b"Internal Server Error\n")
        assert own_server.get("/")[1] == b"hello"
    assert own_server.end() == 0
    assert own_server.stderr().count(words) == 2, own_server.stderr()
    assert own_server.stderr().count(f"GET {path}") == 2


def test_a_failure_in_the_body_breaks_it_off(own_server: ServerProcess) -> None:
    with pytest.raises((IncompleteRead, RemoteDisconnected, ConnectionError)):
        own_server.get("/fails_in_the_body")
    assert own_server.get("/")[1] == b"hello"
    assert own_server.end() == 0
    assert own_server.stderr().count("ZeroDivisionError: on purpose, in the body") == 1


def test_what_is_in_flight_may_finish(own_server: ServerProcess) -> None:
    """A signal comes while a client waits for an answer that takes the rest of its body."""
    with own_server.socket() as connection:
        connection.sendall(b"POST /measure HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
        connection.sendall(bytes(50_000))
        own_server.get("/")
        own_server.process.terminate()
        connection.sendall(bytes(50_000))
        received = b""
        while part := connection.recv(4096):
            received += part
    assert received.split(b"\r\n\r\n")[1].startswith(b"100000")
    assert own_server.end() == 0
    assert "lifespan: shutdown" in own_server.output()


def test_the_grace_is_all_that_requests_get() -> None:
    with (
        serving("'asgi_app:app', workers=1, grace=0.2") as server,
        server.socket() as connection,
    ):
        connection.sendall(b"GET /wait_for_the_end HTTP/1.1\r\nHost: x\r\n\r\n")
        until(server, "waits")
        assert server.end() == 0, server.stderr()
        assert "lifespan: shutdown" in server.output()
        assert "heard http.disconnect" in server.output()


@pytest.mark.parametrize(
    "arguments",
    [
        "'asgi_app:application'",
        "'asgi_app:make', factory=True",
        "'asgi_app:app', interface='asgi'",
        "asgi_app.app",
    ],
)
def test_ways_to_name_it(arguments: str) -> None:
    with serving(f"{arguments}, workers=1", "import asgi_app") as server:
        assert server.get("/")[1] == b"hello"
        assert server.end() == 0


@pytest.mark.parametrize(
    "name", ["without_lifespan", "without_lifespan_in_layers", "without_a_look"]
)
def test_without_a_lifespan(name: str) -> None:
    with serving(f"'asgi_app:{name}', workers=1") as server:
        assert server.get("/")[1] == b"None"
        assert server.end() == 0
        assert server.stderr() == ""


def refused(arguments: str, before: str = "") -> str:
    program = (
        f"import sys\n{before}\nimport allcores\nallcores.serve({arguments}, port=0, workers=2)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=here,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode != 0
    return ended.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("'asgi_app:failing_lifespan'", "the application's start-up failed: no database"),
        ("'asgi_app:raising_lifespan'", "LookupError: no database at all"),
        ("'asgi_app:raising_lifespan_in_layers'", "LookupError: no database at all"),
        ("'asgi_app:without_lifespan', lifespan='on'", "AssertionError"),
        ("'asgi_app:app', interface='wsgy'", "interface must be one of auto, asgi, wsgi, handler"),
        ("'asgi_app:app', interface='handler'", "is not a handler"),
        ("'asgi_app:app', loop='uv'", "loop must be one of auto, asyncio, uvloop, not 'uv'"),
        ("'asgi_app:app', lifespan='maybe'", "lifespan must be one of auto, on, off"),
        ("'asgi_app:lifespan', factory=True", "missing 3 required positional arguments"),
    ],
)
def test_what_can_not_be_served(arguments: str, words: str) -> None:
    assert words in refused(arguments)


def test_a_loop_that_is_not_installed(tmp_path: Path) -> None:
    """As where there is no uvloop, also where there is one: its name leads to nothing."""
    absent = "raise ModuleNotFoundError('No module named uvloop', name='uvloop')"
    (tmp_path / "uvloop.py").write_text(absent)
    said = refused("'asgi_app:app', loop='uvloop'", f"sys.path.insert(0, {str(tmp_path)!r})")
    assert said == "allcores: uvloop is not installed: pip install uvloop\n"


def test_the_loop_is_asyncios_in_every_way(tmp_path: Path) -> None:
    """Timers, descriptors, subprocesses and queues work while nothing else happens."""
    (tmp_path / "loop_app.py").write_text(LOOP_APP)
    with serving(
        "'loop_app:app', workers=2", f"import sys; sys.path.insert(0, {str(tmp_path)!r})"
    ) as server:
        for path in ("/timers", "/pipe", "/stream", "/subprocess", "/gather"):
            assert server.get(path)[1] == b"good", (path, server.stderr())
        assert server.end() == 0


LOOP_APP = """
import asyncio, os, sys

async def timers():
    loop = asyncio.get_running_loop()
    begin = loop.time()
    order = []
    loop.call_later(0.03, order.append, 3)
    loop.call_later(0.01, order.append, 1)
    loop.call_later(0.02, order.append, 2).cancel()
    await asyncio.sleep(0.05)
    return order == [1, 3] and loop.time() - begin >= 0.05

async def pipe():
    loop = asyncio.get_running_loop()
    ends = os.pipe()
    got = loop.create_future()
    loop.add_reader(ends[0], lambda: got.done() or got.set_result(os.read(ends[0], 10)))
    os.write(ends[1], b"through")
    result = await got
    loop.remove_reader(ends[0])
    for end in ends:
        os.close(end)
    return result == b"through"

async def stream():
    async def serve(reader, writer):
        writer.write((await reader.readline()).upper())
        await writer.drain()
        writer.close()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(b"line\\n")
    result = await reader.readline()
    writer.close()
    server.close()
    return result == b"LINE\\n"

async def subprocess():
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "print(6 * 7)", stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    return out == b"42\\n" and process.returncode == 0

async def gather():
    queue = asyncio.Queue(1)
    async def put():
        for number in range(50):
            await queue.put(number)
    async def take():
        return [await queue.get() for _ in range(50)]
    _, taken = await asyncio.gather(put(), take())
    return taken == list(range(50))

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        raise NotImplementedError
    good = await globals()[scope["path"][1:]]()
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"good" if good else b"bad"})
"""


def test_interfaces_are_told_apart() -> None:
    from allcores._interfaces import WrongInterface, detect

    def handler(request: object) -> object: ...
    def handler_with_default(request: object, extra: int = 1) -> object: ...
    def wsgi(environ: object, start_response: object) -> object: ...
    async def asgi(scope: object, receive: object, send: object) -> object: ...
    async def not_asgi(request: object) -> object: ...
    def nothing() -> object: ...
    def four(a: object, b: object, c: object, d: object) -> object: ...

    class Wsgi:
        def __call__(self, environ: object, start_response: object) -> object: ...

    class Asgi:
        async def __call__(self, scope: object, receive: object, send: object) -> object: ...

    cases: list[tuple[Callable[..., object], str]] = [
        (handler, "handler"),
        (handler_with_default, "handler"),
        (wsgi, "wsgi"),
        (Wsgi(), "wsgi"),
        (Wsgi().__call__, "wsgi"),
        (asgi, "asgi"),
        (Asgi(), "asgi"),
    ]
    for application, interface in cases:
        assert detect(application, "it") == interface
    for application in (not_asgi, nothing, four):
        with pytest.raises(WrongInterface, match="it"):
            detect(application, "it")
    with pytest.raises(WrongInterface, match="not callable: it is a int"):
        detect(7, "it")
