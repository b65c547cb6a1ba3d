"""ASGI applications: ways to name one, its lifespan and its loop, and what can't be served."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from programs import run_program
from servers import here, serving


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


def run_here(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=here,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def refused(arguments: str, before: str = "") -> str:
    program = (
        f"import sys\n{before}\nimport allcores\nallcores.serve({arguments}, port=0, workers=2)"
    )
    ended = run_here(program)
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


INTERRUPTED = """
import asyncio, ctypes, sys, threading
from allcores._asgi import Worker

heard = []

def interrupt(thread):
    while sys._current_frames()[thread].f_code.co_name != "select":
        pass
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread), ctypes.py_object(SystemExit)
    )

async def for_ever(what):
    threading.Thread(target=interrupt, args=(threading.get_ident(),)).start()
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        heard.append(what)
        raise

async def app(scope, receive, send):
    for what in ("startup", "shutdown"):
        await receive()
        if waits_in == what:
            await for_ever(what)
        await send({"type": f"lifespan.{what}.complete"})

for waits_in in ("startup", "shutdown"):
    try:
        Worker(app, {"websockets": ()}).close()
    except SystemExit:
        heard.append("out")
print(heard)
"""


def test_a_lifespan_that_waits_is_cancelled_when_its_worker_is_ended() -> None:
    """By SystemExit from another thread, which the loop sees though nothing else happens."""
    done = run_program(INTERRUPTED, options=("-W", "error"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "['startup', 'out', 'shutdown', 'out']\n"


# Somewhere among these numbers the last descriptor goes to each of the steps up to serving.
@pytest.mark.parametrize("most", range(12, 32))
def test_a_server_without_enough_descriptors_says_so(most: int) -> None:
    program = f"""
import os, resource, signal
import allcores
resource.setrlimit(resource.RLIMIT_NOFILE, ({most}, {most}))
allcores.serve("asgi_app:without_lifespan", port=0, workers=2,
               ready=lambda _: os.kill(os.getpid(), signal.SIGTERM))
"""
    ended = run_here(program)
    assert ended.returncode in (0, 1), ended.stderr
    if ended.returncode == 1:
        assert re.search("descriptors|files|interpreter", ended.stderr), ended.stderr
