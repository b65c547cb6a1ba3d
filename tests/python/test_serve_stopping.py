"""A server that is told to stop while workers load: each comes to the end of its step, and no more.

The applications wait in the middle of a step until the server stops, or for ever, and note in a
file how far they have come.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest
from servers import ServerProcess, started

APPLICATION = """
import asyncio, os, time
from pathlib import Path

from allcores._core import _server_stops

here = Path(__file__).parent


def note(what):
    log = os.open(here / "log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(log, f"{what}\\n".encode())
    os.close(log)


def wait_for_the_stop():
    print("waits", flush=True)
    while not _server_stops():
        time.sleep(0.001)


def wait_in_python():
    print("waits", flush=True)
    while True:
        pass


def wait_in_c():
    print("waits", flush=True)
    time.sleep(1000)


def handler(request):
    return "served"


def wsgi(environ, start_response):
    start_response("200 OK", [])
    return [b"served"]


async def startup():
    pass


async def shutdown():
    pass


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        note("startup")
        await receive()
        try:
            await startup()
        except asyncio.CancelledError:
            note("startup cancelled")
            raise
        await send({"type": "lifespan.startup.complete"})
        note("started")
        await receive()
        note("shutdown")
        try:
            await shutdown()
        except asyncio.CancelledError:
            note("shutdown cancelled")
            raise
        note("shut down")
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"served"})


def make():
    note("made")
    return asgi


async def until_the_stop():
    wait_for_the_stop()
    await asyncio.sleep(0)


async def for_ever():
    print("waits", flush=True)
    await asyncio.Event().wait()


note("import")
"""

SIGNALS = [signal.SIGINT, signal.SIGTERM]


class Application:
    """The module above in a folder of its own, with `end` at its end."""

    def __init__(self, folder: Path, end: str) -> None:
        self.folder = folder
        self.write(end)

    def write(self, end: str) -> None:
        (self.folder / "stopped.py").write_text(f"{APPLICATION}\n{end}\nnote('imported')\n")

    def command(self, name: str, *options: str) -> list[str]:
        command = [sys.executable, "-m", "allcores", "serve", f"stopped:{name}", "--port=0"]
        return [*command, f"--app-dir={self.folder}", *options]

    def stop(self, name: str, *options: str, signals: list[int], loading: int = 2) -> None:
        """Let it load, and stop it while so many load: it ends well, and nothing is printed."""
        with started(self.command(name, *options)) as process:
            assert process.stdout is not None
            for _ in range(loading):
                assert process.stdout.readline() == "waits\n"
            for number in signals:
                process.send_signal(number)
            assert process.communicate(timeout=60) == ("", "")
            assert process.returncode == 0

    def log(self) -> dict[str, int]:
        """How often what was noted."""
        lines = (self.folder / "log").read_text().splitlines()
        return {line: lines.count(line) for line in lines}


# As many as load at a time: that depends on the machine.
ONE = "--workers=1"
# It may have been left behind before it has heard so (test_asgi_loading.py sees it hear).
CANCELLED = ("import", "imported", "startup", "startup cancelled")


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("name", ["handler", "wsgi", "asgi"])
def test_an_import_is_finished(tmp_path: Path, name: str, number: int) -> None:
    app = Application(tmp_path, "wait_for_the_stop()")
    app.stop(name, ONE, signals=[number], loading=1)
    assert app.log() == {"import": 1, "imported": 1}  # no lifespan has begun


def test_a_factory_is_not_called_after_that(tmp_path: Path) -> None:
    app = Application(tmp_path, "wait_for_the_stop()")
    app.stop("make", "--factory", ONE, signals=[signal.SIGINT], loading=1)
    assert app.log() == {"import": 1, "imported": 1}


def test_the_lifespan_does_not_begin_after_a_factory(tmp_path: Path) -> None:
    end = "def make():\n    wait_for_the_stop()\n    note('made')\n    return asgi"
    app = Application(tmp_path, end)
    app.stop("make", "--factory", ONE, signals=[signal.SIGINT], loading=1)
    assert app.log() == {"import": 1, "imported": 1, "made": 1}


@pytest.mark.parametrize("number", SIGNALS)
def test_a_lifespan_that_has_begun_is_run_to_its_end(tmp_path: Path, number: int) -> None:
    app = Application(tmp_path, "startup = until_the_stop")
    app.stop("asgi", ONE, signals=[number], loading=1)
    every = ("import", "imported", "startup", "started", "shutdown", "shut down")
    assert app.log() == dict.fromkeys(every, 1)


def test_nobody_begins_to_load(tmp_path: Path) -> None:
    app = Application(tmp_path, "wait_for_the_stop()")
    program = (
        "import allcores._serve\nallcores._serve.cpu_count = lambda: 2\n"
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "allcores.serve('stopped:asgi', workers=8, port=0)"
    )
    with started([sys.executable, "-c", program]) as process:
        assert process.stdout is not None
        for _ in range(2):
            assert process.stdout.readline() == "waits\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60) == ("", "")
    assert app.log() == {"import": 2, "imported": 2}


# Two that load at a time see each other's notes, but only one makes the file.
WAIT_UNLESS_FIRST = """
try:
    (here / "first").touch(exist_ok=False)
except FileExistsError:
    wait_for_the_stop()
"""


def test_some_serve_while_others_load(tmp_path: Path) -> None:
    app = Application(tmp_path, WAIT_UNLESS_FIRST)
    with ServerProcess(app.command("asgi", "--workers=8")) as server:
        while "waits" not in server.output():
            assert server.get("/")[1] == b"served"
        assert server.end() == 0
        assert server.stderr() == ""
    log = app.log()
    assert 2 <= log["import"] == log["imported"] < 8
    assert log["startup"] == log["started"] == log["shutdown"] == log["shut down"]


@pytest.mark.parametrize("wait", ["wait_in_python()", "wait_in_c()"])
def test_the_grace_is_all_that_an_import_gets(tmp_path: Path, wait: str) -> None:
    app = Application(tmp_path, wait)
    app.stop(
        "asgi",
        ONE,
        "--timeout-graceful-shutdown=0.1",
        signals=[signal.SIGTERM],
        loading=1,
    )
    assert app.log() == {"import": 1}


def test_the_grace_is_all_that_a_startup_gets(tmp_path: Path) -> None:
    app = Application(tmp_path, "startup = for_ever")
    grace = "--timeout-graceful-shutdown=0.1"
    app.stop("asgi", ONE, grace, signals=[signal.SIGTERM], loading=1)
    assert app.log() | {"startup cancelled": 1} == dict.fromkeys(CANCELLED, 1)


@pytest.mark.parametrize("wait", ["wait_in_python()", "wait_in_c()"])
def test_a_second_signal_ends_an_import_at_once(tmp_path: Path, wait: str) -> None:
    app = Application(tmp_path, wait)
    grace = "--timeout-graceful-shutdown=1000"
    app.stop("wsgi", ONE, grace, signals=SIGNALS, loading=1)
    assert app.log() == {"import": 1}


def test_a_second_signal_cancels_a_startup(tmp_path: Path) -> None:
    app = Application(tmp_path, "startup = for_ever")
    grace = "--timeout-graceful-shutdown=1000"
    app.stop("asgi", ONE, grace, signals=SIGNALS, loading=1)
    assert app.log() | {"startup cancelled": 1} == dict.fromkeys(CANCELLED, 1)


def test_the_grace_is_all_that_a_shutdown_gets(tmp_path: Path) -> None:
    app = Application(tmp_path, "shutdown = for_ever")
    with ServerProcess(app.command("asgi", ONE, "--timeout-graceful-shutdown=0.1")) as server:
        assert server.get("/")[1] == b"served"
        assert server.end() == 0
        assert server.stderr() == ""
    every = ("import", "imported", "startup", "started", "shutdown", "shutdown cancelled")
    assert app.log() | {"shutdown cancelled": 1} == dict.fromkeys(every, 1)


TASK_THAT_GOES_ON = """
async def go_on():
    while True:
        try:
            await asyncio.sleep(0.001)
        except asyncio.CancelledError:
            print("goes on", flush=True)

async def startup():
    global task
    task = asyncio.create_task(go_on())
"""


def test_a_second_signal_says_nothing_of_tasks_that_are_left(tmp_path: Path) -> None:
    app = Application(tmp_path, TASK_THAT_GOES_ON)
    with ServerProcess(app.command("asgi", ONE)) as server:
        server.process.send_signal(signal.SIGINT)
        while "goes on" not in server.output():
            server.reader.join(0.001)
        assert server.end() == 0
        assert server.stderr() == ""


@pytest.mark.parametrize("how", ["a restart", "a limit"])
def test_a_worker_that_is_to_take_a_place(tmp_path: Path, how: str) -> None:
    app = Application(tmp_path, "")
    options = [ONE, *(["--limit-max-requests=1"] if how == "a limit" else [])]
    with ServerProcess(app.command("asgi", *options)) as server:
        app.write("wait_for_the_stop()")
        if how == "a restart":
            server.process.send_signal(signal.SIGHUP)
        while "waits" not in server.output():
            assert server.get("/")[1] == b"served"
        assert server.end() == 0
        assert server.stderr() == ""
    once = ("startup", "started", "shutdown", "shut down")
    assert app.log() == {"import": 2, "imported": 2, **dict.fromkeys(once, 1)}


def test_a_file_changes_while_a_worker_loads(tmp_path: Path) -> None:
    app = Application(tmp_path, "wait_for_the_stop()")
    options = [ONE, "--reload", f"--reload-dir={tmp_path}"]
    with started(app.command("asgi", *options)) as process:
        assert process.stdout is not None
        while process.stdout.readline() != "waits\n":
            pass
        app.write("startup = until_the_stop")
        while process.stdout.readline() != "waits\n":
            pass
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=60) == ("", "")
        assert process.returncode == 0
    once = ("startup", "started", "shutdown", "shut down")
    assert app.log() == {"import": 2, "imported": 2, **dict.fromkeys(once, 1)}
