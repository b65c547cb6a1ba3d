"""Workers come and go while a server serves: restarts, limits, stuck ones."""

from __future__ import annotations

import re
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from servers import ServerProcess, serving

APPLICATIONS = {
    "handler": """
import time, _interpreters
VERSION = "{version}"
def app(request):
    if request.path == "/hang":
        while True:
            time.sleep(0.01)
    if request.path == "/interpreter":
        return str(_interpreters.get_current()[0])
    return VERSION
""",
    "wsgi": """
import time, _interpreters
VERSION = "{version}"
def app(environ, start_response):
    start_response("200 OK", [])
    if environ["PATH_INFO"] == "/hang":
        while True:
            time.sleep(0.01)
    if environ["PATH_INFO"] == "/interpreter":
        return [str(_interpreters.get_current()[0]).encode()]
    return [VERSION.encode()]
""",
    "asgi": """
import asyncio, time, _interpreters
VERSION = "{version}"
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({{"type": "lifespan.startup.complete"}})
        await receive()
        print("shutdown of", VERSION, flush=True)
        return await send({{"type": "lifespan.shutdown.complete"}})
    if scope["path"] == "/hang":
        while True:
            time.sleep(0.01)
    if scope["path"] == "/slow":
        await asyncio.sleep(0.05)
    body = VERSION
    if scope["path"] == "/interpreter":
        body = str(_interpreters.get_current()[0])
    await send({{"type": "http.response.start", "status": 200}})
    await send({{"type": "http.response.body", "body": body.encode()}})
""",
}


# Whatever the level of the log is.
SAY = "say = lambda addresses: print(f'serving on http://{addresses[0]}', flush=True)"


class Code:
    """The application's file, which changes."""

    def __init__(self, folder: Path, interface: str) -> None:
        self.file = folder / "changing_app.py"
        self.interface = interface
        self.write("one")

    def write(self, version: str) -> None:
        text = APPLICATIONS[self.interface].format(version=version)
        new = self.file.with_suffix(".new")
        new.write_text(text + "#" * len(version))  # of another length: no stale bytecode
        new.replace(self.file)  # at once: a worker may be reading it

    def serve(self, arguments: str) -> ServerProcess:
        imports = f"import sys; sys.path.insert(0, {str(self.file.parent)!r})\n{SAY}"
        return serving(f"'changing_app:app', {arguments}", imports)  # type: ignore[return-value]


@pytest.fixture(params=list(APPLICATIONS))
def code(request: pytest.FixtureRequest, tmp_path: Path) -> Code:
    return Code(tmp_path, request.param)


class Clients:
    """Threads that ask without pause, each on one connection, until told to stop."""

    def __init__(self, server: ServerProcess, path: str = "/", count: int = 4) -> None:
        self.server, self.path = server, path
        self.problems: list[str] = []
        self.answers: list[str] = []
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.run) for _ in range(count)]

    def run(self) -> None:
        connection = self.server.connect()
        try:
            while not self.over.is_set():
                connection.request("GET", self.path)
                response = connection.getresponse()
                body = response.read().decode()
                self.answers.append(body)
                if response.status != 200:
                    self.problems.append(f"{response.status} {body}")
        except Exception as error:
            self.problems.append(repr(error))
        finally:
            connection.close()

    def __enter__(self) -> Clients:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join(60)


def until(condition: Callable[[], bool], server: ServerProcess) -> None:
    """Ask the server until that is so."""
    for _ in range(20_000):
        if condition():
            return
        server.get("/")
    raise AssertionError(server.output() + server.stderr())


def test_a_restart_loses_no_request(code: Code) -> None:
    path = "/slow" if code.interface == "asgi" else "/"
    with code.serve("workers=3") as server, Clients(server, path) as clients:
        for version in ("two", "three"):
            code.write(version)
            server.process.send_signal(signal.SIGHUP)
            until(lambda v=version: set(clients.answers[-64:]) == {v}, server)  # type: ignore[misc]
        clients.over.set()
        for thread in clients.threads:
            thread.join(60)
        assert clients.problems == []
        assert {"one", "two", "three"} == set(clients.answers)
        assert server.end() == 0, server.stderr()
        if code.interface == "asgi":
            # One of the first workers may have been loading still, and have found the second file.
            count = [server.output().count(f"shutdown of {v}\n") for v in ("one", "two", "three")]
            assert count[0] + count[1] == 6 and count[2] == 3, server.output()


def test_a_restart_with_code_that_fails_changes_nothing(code: Code) -> None:
    with code.serve("workers=1") as server:  # more could still be loading the file that changes
        before = code.file.read_text()
        code.file.write_text("this is no Python\n")
        server.process.send_signal(signal.SIGHUP)
        until(lambda: "the old workers go on" in server.stderr(), server)
        assert "SyntaxError" in server.stderr()
        assert server.get("/")[1] == b"one"
        code.file.write_text(before.replace('"one"', '"better"'))
        server.process.send_signal(signal.SIGHUP)
        until(lambda: server.get("/")[1] == b"better", server)
        assert server.end() == 0


def test_why_a_restart_failed_is_said_once(tmp_path: Path) -> None:
    """However many workers loaded the same code; those whose turn had not come don't try."""
    code = Code(tmp_path, "handler")
    first, second = tmp_path / "first", tmp_path / "second"
    notes = "import os, time\nwith open({!r}, 'a') as file:\n    file.write('x')\n"
    code.file.write_text(code.file.read_text() + notes.format(str(first)))
    # At least one more is loading when the first fails: it waits for that one.
    fails = (
        notes.format(str(second))
        + f"""
while os.path.getsize({str(second)!r}) < 2:
    time.sleep(0.001)
raise LookupError("of the new code")
"""
    )
    say = f"{SAY}\nimport allcores._serve\nallcores._serve.cpu_count = lambda: 2"
    imports = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{say}"
    with serving("'changing_app:app', workers=6", imports) as server:
        until(lambda: first.exists() and first.read_text() == "x" * 6, server)
        threads = Path(f"/proc/{server.process.pid}/task")
        before = len(list(threads.iterdir()))
        code.file.write_text(fails)
        server.process.send_signal(signal.SIGHUP)
        server.wait_until_it_said("the old workers go on")
        until(lambda: len(list(threads.iterdir())) <= before, server)  # the new ones have ended
        assert server.end() == 0
        assert server.stderr().count("LookupError: of the new code\n") == 1
        assert server.stderr().count("Traceback") == 1
        assert "/allcores/_" not in server.stderr()  # no frames of ours
        said = "the restart failed: the handler can't be loaded: LookupError: of the new code"
        assert f"allcores: {said} (in 2 workers); the old workers go on\n" in server.stderr()
    assert second.read_text() == "xx"


FAILING_LIFESPAN = """
async def app(scope, receive, send):
    await receive()
    message = "Traceback of the framework's:\\n  File x\\nValueError: no database\\n"
    await send({"type": "lifespan.startup.failed", "message": message})
"""


def test_why_a_lifespan_failed_at_a_restart_is_said_once(tmp_path: Path) -> None:
    code = Code(tmp_path, "asgi")
    with code.serve("workers=1") as server:
        code.file.write_text(FAILING_LIFESPAN)
        server.process.send_signal(signal.SIGHUP)
        server.wait_until_it_said("the old workers go on")
        assert server.end() == 0
        assert server.stderr() == (
            "allcores: Traceback of the framework's:\n  File x\nValueError: no database\n"
            "allcores: the restart failed: the application's start-up failed; "
            "the old workers go on\n"
        )


def test_a_worker_that_is_stuck_is_reported_and_replaced(code: Code) -> None:
    with code.serve("workers=1, worker_timeout=0.3") as server:
        before = server.get("/interpreter")[1]
        with server.socket() as hanging:
            hanging.sendall(b"GET /hang HTTP/1.1\r\nHost: x\r\n\r\n")
            after = server.get("/interpreter")[1]
            assert after != before
            until(lambda: "a worker is stuck" in server.stderr(), server)
            assert "time.sleep(0.01)" in server.stderr()
            assert "changing_app.py" in server.stderr()
            said = "in place of one that was stuck with one request for "
            assert f"allcores: a new worker serves {said}" in server.stderr()
        assert server.end() == 0, server.stderr()


STUCK_FOR_EVER = """
import ctypes
def app(request):
    ctypes.PyDLL(None).sleep(3600)  # with the GIL
"""


def test_when_all_are_stuck_for_ever_it_is_said_now_and_then(tmp_path: Path) -> None:
    (tmp_path / "stuck.py").write_text(STUCK_FOR_EVER)
    imports = f"import sys; sys.path.insert(0, {str(tmp_path)!r})"
    with serving("'stuck:app', workers=1, worker_timeout=0.2", imports) as server:
        connections = [server.socket() for _ in range(16)]  # one for each new worker, and more
        for each in connections:
            each.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        server.wait_until_it_said("too many are stuck")
        with pytest.raises(subprocess.TimeoutExpired):
            server.process.wait(1)
        assert server.stderr().count("too many are stuck") == 1
        for each in connections:
            each.close()
        assert server.end() == 0


def test_a_worker_is_replaced_after_so_many_requests(code: Code) -> None:
    with code.serve("workers=1, limit_max_requests=20") as server:
        seen = set()
        with Clients(server, count=2) as clients:
            for _ in range(20_000):
                seen.add(server.get("/interpreter")[1])
                if len(seen) >= 4:
                    break
        assert len(seen) >= 4
        assert clients.problems == []
        assert server.end() == 0, server.stderr()
        said = re.findall("in place of one that has served ([0-9]+) requests", server.output())
        assert len(said) >= 3
        assert min(map(int, said)) >= 20
        assert server.stderr() == ""


@pytest.mark.parametrize("level", ["info", "warning", "error"])
def test_what_is_said_of_it(tmp_path: Path, level: str) -> None:
    code = Code(tmp_path, "handler")
    arguments = "workers=1, worker_timeout=0.3, limit_max_requests=20"
    with code.serve(f"{arguments}, log_level={level!r}, ready=say") as server:
        before = server.get("/interpreter")[1]
        until(lambda: server.get("/interpreter")[1] != before, server)
        with server.socket() as hanging:
            hanging.sendall(b"GET /hang HTTP/1.1\r\nHost: x\r\n\r\n")
            until(lambda: "a worker is stuck" in server.stderr(), server)
            assert server.get("/")[1] == b"one"  # by the new one
        assert server.end() == 0, server.stderr()
        assert ("that has served" in server.output()) is (level == "info")
        assert ("that was stuck" in server.stderr()) is (level != "error")


def test_a_signal_to_stop_during_a_restart(code: Code) -> None:
    with code.serve("workers=3") as server:
        server.process.send_signal(signal.SIGHUP)
        assert server.end() == 0, server.stderr()


def test_many_restarts_leave_nothing(tmp_path: Path) -> None:
    code = Code(tmp_path, "asgi")
    with code.serve("workers=2") as server:
        for version in ("a" * number for number in range(4, 10)):
            code.write(version)
            server.process.send_signal(signal.SIGHUP)
            until(lambda v=version: server.get("/")[1] == v.encode(), server)  # type: ignore[misc]
        until(lambda: server.output().count("shutdown of") >= 10, server)
        threads = len(list(Path(f"/proc/{server.process.pid}/task").iterdir()))
        assert threads <= 8, threads
        assert server.end() == 0, server.stderr()


def test_restarts_give_memory_back(tmp_path: Path) -> None:
    """All that the workers before had, though they served with it frozen."""
    code = Code(tmp_path, "handler")
    held = "\nHELD = [str(number) for number in range(200_000)]  # 12 MiB\n"
    text = APPLICATIONS["handler"].format(version="held") + held
    with code.serve("workers=2") as server:
        for number in range(12):
            code.file.with_suffix(".new").write_text(f"{text}NUMBER = {'9' * (number + 1)}\n")
            code.file.with_suffix(".new").replace(code.file)
            before = int(server.get("/interpreter")[1])
            server.process.send_signal(signal.SIGHUP)
            until(lambda b=before: int(server.get("/interpreter")[1]) > b + 1, server)  # type: ignore[misc]
        # Four interpreters at a time have 100 MiB altogether, and all there were 350.
        until(lambda: resident_mib(server) < 200, server)
        assert server.end() == 0, server.stderr()


def resident_mib(server: ServerProcess) -> float:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024
