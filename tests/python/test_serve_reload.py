"""`allcores serve --reload`: it starts again when a file changes, and waits when that fails."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import command, fails, folder
from servers import ServerProcess

from allcores._reload import Patterns, PollingWatcher, Watched

__all__ = ["folder"]  # the fixture

# As the package watchfiles has it, as far as it is used: changes are what a test writes to a pipe.
WATCHFILES = """
import os

def watch(*paths, watch_filter, raise_interrupt):
    os.write(1, f"watchfiles watches {{' '.join(sorted(paths))}}\\n".encode())
    while True:
        with open({pipe!r}) as pipe:
            changes = {{(2, path) for path in pipe.read().split() if watch_filter(2, path)}}
        if changes:
            yield changes
"""


class Reloading:
    """A server with --reload on a port that stays the same."""

    def __init__(self, folder: Path, *arguments: str, path: Path | None = None) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        words = ["main:app", "--reload", f"--port={self.port}", "--workers=1", *arguments]
        environment = {"PYTHONPATH": str(path)} if path is not None else None
        self.server = ServerProcess(command(folder, *words), environment, together=True)
        self.seen = 0

    def wait_for(self, text: str) -> str:
        """The next line that has this text."""
        while True:
            for line in self.server.lines[self.seen :]:
                self.seen += 1
                if text in line:
                    return line
            assert self.server.process.poll() is None, self.server.output()
            self.server.reader.join(0.01)

    def get(self) -> bytes:
        self.wait_for("serving on")
        return self.server.get("/")[1]


@pytest.fixture
def main(tmp_path: Path) -> Path:
    path = tmp_path / "main.py"
    path.write_text("def app(request): return 'one'\n")
    return path


@pytest.fixture
def running(main: Path) -> Iterator[Reloading]:
    running = Reloading(main.parent)
    with running.server:
        yield running


def test_a_change_a_mistake_and_its_correction(main: Path, running: Reloading) -> None:
    assert running.get() == b"one"
    main.write_text("def app(request): return 'two!'\n")
    assert "main.py changed, starting again" in running.wait_for("changed")
    assert running.get() == b"two!"
    main.write_text("def app(request:\n")
    running.wait_for("SyntaxError")
    running.wait_for("stopped; waiting for a change")
    main.write_text("def app(request): return 'three'\n")
    assert running.get() == b"three"
    assert running.server.end(signal.SIGTERM) == 0
    assert running.server.output().count("watching") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_both(running: Reloading, number: int) -> None:
    running.wait_for("serving on")
    children = Path(
        f"/proc/{running.server.process.pid}/task/{running.server.process.pid}/children"
    )
    child = int(children.read_text())
    assert running.server.end(number) == 0
    assert not Path(f"/proc/{child}").exists()


def test_a_signal_while_it_waits_for_a_change(main: Path, running: Reloading) -> None:
    main.write_text("1 / 0\n")
    running.wait_for("waiting for a change")
    assert running.server.end() == 3


def test_a_request_is_finished_before_the_server_starts_again(main: Path) -> None:
    pipe = main.parent / "pipe"
    os.mkfifo(pipe)
    main.write_text(f"def app(request): return open({str(pipe)!r}).read()\n")
    running = Reloading(main.parent)
    with running.server as server:
        running.wait_for("serving on")
        connection = server.connect()
        connection.request("GET", "/")
        with open(pipe, "w") as writer:  # it is in the handler
            main.write_text("def app(request): return 'new'\n")
            running.wait_for("changed")
            writer.write("finished")
        assert connection.getresponse().read() == b"finished"
        connection.close()
        assert running.get() == b"new"
        assert server.end() == 0


def test_other_folders_and_patterns(main: Path) -> None:
    other = main.parent / "other"
    other.mkdir()
    arguments = ["--reload-dir=other", "--reload-include=*.html", "--reload-exclude=skip*"]
    running = Reloading(main.parent, *arguments)
    with running.server as server:
        running.wait_for("serving on")
        main.write_text("def app(request): return 'not seen'\n")
        (other / "skipped.py").touch()
        (other / "page.html").write_text("x")
        assert "other/page.html changed" in running.wait_for("changed")
        assert running.get() == b"not seen"
        assert server.end() == 0


def test_the_files_of_options_are_watched_too(main: Path) -> None:
    config = main.parent / "c.toml"
    config.write_text("header = 'X: 1'\nreload = true\n")
    running = Reloading(main.parent, "--config=c.toml")
    with running.server as server:
        running.wait_for("serving on")
        assert server.get("/")[0].headers["x"] == "1"
        config.write_text("header = 'X: two'\nreload = true\n")
        running.wait_for("c.toml changed")
        running.wait_for("serving on")
        assert server.get("/")[0].headers["x"] == "two"
        assert server.end() == 0


def test_with_watchfiles(main: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    packages = tmp_path_factory.mktemp("packages")
    pipe = packages / "pipe"
    os.mkfifo(pipe)
    (packages / "watchfiles.py").write_text(WATCHFILES.format(pipe=str(pipe)))
    running = Reloading(main.parent, path=packages)
    with running.server as server:
        running.wait_for("serving on")
        main.write_text("def app(request): return 'two'\n")
        with open(pipe, "w") as writer:
            writer.write(f"{main.parent}/.git/x.py {main.parent}/x.txt\n")
        with open(pipe, "w") as writer:
            writer.write(f"{main}\n")
        assert "main.py changed" in running.wait_for("changed")
        assert running.get() == b"two"
        assert "watching . by watchfiles" in server.output()
        assert f"watchfiles watches {main.parent}\n" in server.output()
        assert server.end() == 0


def test_usage_is_said_once(folder: Path) -> None:
    status, text = fails(folder, "main:app", "--reload", "--port=x")
    assert (status, text) == (2, "allcores serve: --port must be a whole number, not 'x'\n")


def test_a_socket_that_was_opened_for_it(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        number = listening.fileno()
        line = command(folder, "main:make", "--factory", "--reload", f"--fd={number}", "-w", "1")
        process = subprocess.Popen(line, stdout=subprocess.PIPE, pass_fds=[number])
        try:
            with socket.create_connection(listening.getsockname(), timeout=60) as connection:
                connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                assert connection.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")
        finally:
            process.terminate()
            process.communicate(timeout=30)
    assert process.returncode == 0


def test_what_is_looked_at(tmp_path: Path) -> None:
    for name in (
        "a.py",
        "b.txt",
        "deep/c.py",
        ".hidden/d.py",
        "__pycache__/e.py",
        "venv/pyvenv.cfg",
        "venv/f.py",
        "out/g.py",
        "deep/out/h.py",
        "page.html",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    watched = Watched([str(tmp_path)], [], Patterns(["*.html"], ["out"]))
    found = sorted(os.path.relpath(path, tmp_path) for path in watched.snapshot())
    assert found == ["a.py", "deep/c.py", "page.html"]
    assert [name for name in found if watched.takes(f"{tmp_path}/{name}")] == found
    for name in ("b.txt", ".hidden/d.py", "__pycache__/e.py", "out/g.py", "deep/out/h.py"):
        assert not watched.takes(f"{tmp_path}/{name}")
    watcher = PollingWatcher(watched)
    watcher.start()
    assert watcher.changes() == []
    (tmp_path / "a.py").write_text("x")
    (tmp_path / "deep" / "c.py").unlink()
    (tmp_path / "new.py").touch()
    changed = [os.path.relpath(path, tmp_path) for path in watcher.changes()]
    assert changed == ["a.py", "deep/c.py", "new.py"]
