"""The program as its users start it: options, files, the cache, how it ends."""

import bz2
import fcntl
import io
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import generate
import progress
import pytest
from serving import FOLDER, Server, run


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--prot", "80"], "did you mean --port?"),
        (["--dmup=x"], "did you mean --dump?"),
        (["--work", "3"], "did you mean --workers?"),
        (["--port", "eighty"], "'eighty' is no port"),
        (["--port", "65536"], "'65536' is no port"),
        (["--workers", "0"], "'0' is no number of workers"),
        (["--port"], "expected one argument"),
        (["file.xml"], "unknown option or argument: file.xml"),
    ],
)
def test_wrong_options(tmp_path: Path, arguments: list[str], message: str) -> None:
    result = run(*arguments, cache=tmp_path)
    assert result.returncode == 2
    assert message in result.stderr
    assert "usage: " in result.stderr and "Traceback" not in result.stderr
    assert not list(tmp_path.iterdir())


def test_help(tmp_path: Path) -> None:
    result = run("--help", cache=tmp_path)
    assert result.returncode == 0
    for option in ("--port N", "--host H", "--workers N", "--dump FILE"):
        assert option in result.stdout


def refused(tmp_path: Path, dump: Path) -> str:
    """The one line that the program says about a dump that it can't use."""
    result = run("--port", "0", "--dump", dump, cache=tmp_path / "cache")
    assert result.returncode == 1
    assert result.stdout == ""
    lines = [line for line in result.stderr.splitlines() if line.startswith("search: ")]
    assert len(lines) == 1 and lines[0].startswith(f"search: {dump}: "), result.stderr
    assert "Traceback" not in result.stderr
    left = [
        path for path in tmp_path.rglob("*") if path.suffix in (".part", ".xml") and path != dump
    ]
    assert left == []
    return lines[0]


def test_dumps_that_are_none(tmp_path: Path) -> None:
    assert "no such file" in refused(tmp_path, tmp_path / "missing.xml")
    assert "is a directory" in refused(tmp_path, tmp_path)
    assert "is no file" in refused(tmp_path, Path("/dev/null"))
    path = tmp_path / "file"
    path.write_bytes(b"")
    assert "is empty" in refused(tmp_path, path)
    path.write_bytes(b"hello")
    assert "is not a MediaWiki dump" in refused(tmp_path, path)
    path.write_bytes(bz2.compress(b"hello"))
    assert "is not a MediaWiki dump" in refused(tmp_path, path)


def test_dumps_that_are_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "dump"
    generate.generate(path, 300, text_bytes=300)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert "is cut off" in refused(tmp_path, path)
    path.write_bytes(bz2.compress(whole)[:-20])
    assert "is cut off" in refused(tmp_path, path)


def test_a_dump_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "dump"
    path.write_bytes(b"<mediawiki>")
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("the superuser may read every file")
    assert "permission denied" in refused(tmp_path, path)


def test_a_cache_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    result = run("--port", "0", cache=tmp_path / "file")
    assert result.returncode == 1
    assert "cannot be made: not a directory" in result.stderr and "Traceback" not in result.stderr


def test_a_taken_port_is_told_before_any_work(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = run("--port", str(port), cache=tmp_path)
    assert result.returncode == 1
    assert f"cannot listen on 127.0.0.1, port {port}: address already in use" in result.stderr
    assert "Traceback" not in result.stderr
    assert not list(tmp_path.iterdir())


def test_a_host_that_is_none(tmp_path: Path) -> None:
    result = run("--host", "no.such.host.invalid", "--port", "0", cache=tmp_path)
    assert result.returncode == 1
    assert "cannot listen on no.such.host.invalid" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_order(cache: Path, number: int) -> None:
    with Server("--workers", "2", cache=cache) as server:
        assert server.get("/title/os")[0].status == 200
        assert server.end(number) == 0
        assert "Traceback" not in server.output()


def test_ctrl_c_while_it_prepares(tmp_path: Path) -> None:
    folder = tmp_path / "allcores" / "search"
    folder.mkdir(parents=True)
    dump = tmp_path / "dump.xml.bz2"
    dump.write_bytes(bz2.compress(b"<mediawiki>"))
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    state = dump.stat()
    name = f"dump-{state.st_dev:x}-{state.st_ino:x}-{state.st_size:x}-{state.st_mtime_ns:x}.xml"
    # As long as this test has the lock, the program waits.
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with subprocess.Popen(
            [sys.executable, str(FOLDER), "--port", "0", "--dump", str(dump)],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stderr is not None
            assert "waiting for another process" in process.stderr.readline()
            process.send_signal(signal.SIGINT)
            assert process.stderr.read() == "search: stopped\n"
            assert process.wait(20) == 130


def test_two_at_once_and_what_an_interrupted_one_left(tmp_path: Path) -> None:
    dump = tmp_path / "dump.xml.bz2"
    generate.generate(dump, 2000, text_bytes=500)
    left = tmp_path / "allcores" / "search"
    left.mkdir(parents=True)
    state = dump.stat()
    name = f"dump-{state.st_dev:x}-{state.st_ino:x}-{state.st_size:x}-{state.st_mtime_ns:x}.xml"
    (left / f"{name}.part").write_text("half")
    arguments = ("--workers", "1", "--dump", dump)
    with Server(*arguments, cache=tmp_path) as one, Server(*arguments, cache=tmp_path) as other:
        expected = bz2.decompress(dump.read_bytes())
        for server in (one, other):
            assert server.get("/xml")[1] == expected
    assert {path.name for path in left.iterdir()} == {name, f"{name}.lock"}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_on_a_terminal_and_elsewhere() -> None:
    terminal, log = Terminal(), io.StringIO()
    for stream in (terminal, log):
        with progress.Progress("reading", 2000, stream=stream, every=0) as bar:
            bar.every = 0
            bar.update(500, "7 pages")
            bar.update(2000, "9 pages")
    assert log.getvalue().splitlines() == [
        "reading: 25% of 2.0 kB, 7 pages",
        "reading: 100% of 2.0 kB, 9 pages",
        "reading: 2.0 kB, 9 pages in 0 s",
    ]
    drawn = terminal.getvalue()
    assert "[######" + "." * 18 + "]  25% of 2.0 kB, 7 pages" in drawn
    assert drawn.count("\n") == 1 and drawn.endswith("in 0 s\x1b[K\n")


def test_amounts() -> None:
    assert [
        progress.amount(size) for size in (0, 999, 1000, 123_456, 5_000_000, 80_000_000_000)
    ] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "123 kB",
        "5.0 MB",
        "80.0 GB",
    ]
    assert [progress.duration(seconds) for seconds in (0.4, 59, 61, 3725)] == [
        "0 s",
        "59 s",
        "1 min 01 s",
        "1 h 02 min",
    ]
