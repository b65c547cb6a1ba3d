"""`allcores serve`: its options, and what is said of those and of applications that are wrong."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from commands import APPLICATION, answer, command, fails, folder, serve
from servers import ServerProcess

import allcores
from allcores import _command_options

__all__ = ["folder"]  # the fixture


def test_a_line_says_what_is_served_and_how_to_stop(folder: Path) -> None:
    with serve(folder, "--workers=1", "-w2") as server:
        line = server.lines[0]
        assert line == (
            f"allcores {allcores.__version__}: serving on http://127.0.0.1:{server.port} "
            f"with 2 workers (handler), Python {sys.version.split()[0]}; Ctrl-C or SIGTERM stops\n"
        )
        assert answer(server)["workers"] == 2
        assert server.end(signal.SIGTERM) == 0
        assert server.stderr() == ""


def test_the_module_is_a_command_too(folder: Path) -> None:
    line = [sys.executable, "-m", "allcores", "serve", "main:app", "--port=0", "-w", "1"]
    with ServerProcess([*line, f"--app-dir={folder}"]) as server:
        assert answer(server)["path"] == [str(folder)]
        assert server.end() == 0


def test_help_fits_a_screen_and_has_every_option(folder: Path) -> None:
    for word in ("--help", "-h"):
        done = subprocess.run(command(folder, word), capture_output=True, text=True)
        assert done.returncode == 0
        lines = done.stdout.splitlines()
        assert 24 <= len(lines) <= 40
        assert max(map(len, lines)) <= 100
    words = set(re.findall(r"--[a-z-]+", done.stdout))
    for name, option in _command_options.OPTIONS.items():
        assert {f"--{name}", f"--no-{name}"} & words, name
        assert option.kind in (
            *("text", "int", "octal", "seconds", "seconds or none", "bool", "flag"),
        )
    names = {word[2:].removeprefix("no-") for word in words}
    assert names - {"help"} <= set(_command_options.OPTIONS)


def test_what_options_mean() -> None:
    words = ["--ws-ping-interval=none", "--ws-ping-timeout", "0", "--ws-max-size", "1000", "m:app"]
    for text, value in (("true", True), ("False", False), ("0", False), ("yes", True)):
        found = _command_options.parse([*words, "--ws-per-message-deflate", text])
        assert found == (
            "m:app",
            {
                "ws-ping-interval": None,
                "ws-ping-timeout": 0.0,
                "ws-max-size": 1000,
                "ws-per-message-deflate": value,
            },
        )


def test_every_option_becomes_an_argument_of_serve() -> None:
    import inspect

    arguments = set(inspect.signature(allcores.serve).parameters)
    options = {option.argument for option in _command_options.OPTIONS.values()} - {None}
    assert options <= arguments
    assert arguments - options == {"handler", "ready", "server_name"}


# Options that are none


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--wokers", "4", "main:app"], "there is no option --wokers; did you mean --workers?"),
        (["--no-realod", "main:app"], "did you mean --no-reload?"),
        (["--WORKERS", "4", "main:app"], "did you mean --workers?"),
        (["-port", "4", "main:app"], "there is no option -port; did you mean --port?"),
        (["-b", ":80", "main:app"], "there is no option -b; did you mean --host and --port?"),
        (["-w2x", "main:app"], "there is no option -w2x;"),
        (["-no-reload", "main:app"], "there is no option -no-reload; did you mean --no-reload?"),
        (["--qqqqqq", "main:app"], "there is no option --qqqqqq; allcores serve --help lists them"),
        (["--bind=x", "main:app"], "did you mean --host and --port?"),
        (["--graceful-timeout=3"], "did you mean --timeout-graceful-shutdown?"),
        (["--ssl-keyfile", "x", "main:app"], "allcores has no TLS yet"),
        (["-x", "main:app"], "there is no option -x"),
        (["main:app", "other:app"], "one application at a time: 'main:app' and 'other:app'"),
        (["main:app", "--workers"], "--workers needs a value"),
        (["main:app", "--uds", "--factory"], "--uds needs a value"),
        (["main:app", "--factory=1"], "--factory takes no value"),
        (["main:app", "--workers=x"], "--workers must be a whole number, not 'x'"),
        (["main:app", "--workers=0"], "--workers must be 1 to 4096, not 0"),
        (["main:app", "--port", "-1"], "--port must be 0 to 65535, not -1"),
        (["main:app", "--port", "65536"], "--port must be 0 to 65535, not 65536"),
        (["main:app", "--host", "é"], "--host must be of visible ASCII characters, not 'é'"),
        (["main:app", "--uds="], "--uds must be the path of a socket, not ''"),
        (["main:app", "--uds-permissions=888"], "must be an octal number such as 660, not '888'"),
        (["main:app", "--uds-permissions=1777"], "must be 0 to 0o777, not 1023 (0o1777)"),
        (["main:app", "--fd=x"], "--fd must be a whole number, not 'x'"),
        (["main:app", "--fd=-1"], "--fd must be 0 to 2147483647, not -1"),
        (["main:app", "--backlog=0"], "--backlog must be 1 to"),
        (["main:app", "--interface=wsgy"], "not 'wsgy'; did you mean wsgi?"),
        (["main:app", "--loop=uvlop"], "not 'uvlop'; did you mean uvloop?"),
        (["main:app", "--log-level=loud"], "must be one of critical, error, warning, info, debug"),
        (["main:app", "--root-path=api"], "--root-path must begin with '/'"),
        (["main:app", "--lifespan=of"], "not 'of'; did you mean off?"),
        (["main:app", "--header=x"], "--header must be NAME:VALUE, not 'x'"),
        (["main:app", "--header=a b:c"], "--header: 'a b' can't be the name of a field"),
        (["main:app", "--header=a:b\nc"], "--header: a has characters that a field can't have"),
        (["main:app", "--header=Content-Length:1"], "the server writes Content-Length itself"),
        (["main:app", "--timeout-keep-alive=0"], "must be more than 0 seconds, not 0.0"),
        (["main:app", "--timeout-keep-alive=x"], "must be a number of seconds, not 'x'"),
        (["main:app", "--timeout-graceful-shutdown=-1"], "must be 0 or more seconds, not -1.0"),
        (["main:app", "--timeout-worker=nan"], "must be more than 0 seconds, not nan"),
        (["main:app", "--timeout-header=0"], "--timeout-header must be more than 0"),
        (["main:app", "--timeout-body=0"], "--timeout-body must be more than 0"),
        (["main:app", "--timeout-send=0"], "--timeout-send must be more than 0"),
        (["main:app", "--limit-max-requests=0"], "--limit-max-requests must be 1 to"),
        (["main:app", "--limit-max-requests-jitter=-1"], "jitter must be 0 to"),
        (["main:app", "--max-header=0"], "--max-header must be 1 to"),
        (["main:app", "--max-body=-1"], "--max-body must be 0 to"),
        (["main:app", "--max-connections=0"], "--max-connections must be 1 to"),
        (["main:app", "--min-body-rate=-1"], "--min-body-rate must be 0 to"),
        (["main:app", "--ws-max-size=0"], "--ws-max-size must be 1 to"),
        (["main:app", "--ws-max-size=16M"], "--ws-max-size must be a whole number, not '16M'"),
        (["main:app", "--ws-max-queue=0"], "--ws-max-queue must be 1 to"),
        (["main:app", "--ws-ping-interval=-1"], "must be 0 or more seconds, not -1.0"),
        (["main:app", "--ws-ping-timeout=x"], "must be a number of seconds, not 'x'"),
        (["main:app", "--ws-per-message-deflate=maybe"], "must be true or false, not 'maybe'"),
        (["main:app", "--ws-max-sise=1"], "did you mean --ws-max-size?"),
        (["main:app", "--app-dir=none"], "--app-dir none: there is no such folder"),
        (["main:app", "--reload", "--reload-dir=none"], "--reload-dir none: there is no such"),
        (["main:app", "--reload-include=*.x"], "--reload-include is for --reload"),
        (["main:app", "--env-file=none"], "--env-file none: No such file or directory"),
        (["main:app", "--config=none"], "--config none: No such file or directory"),
        ([], "the application is missing: MODULE:NAME; applications near by: main:app"),
        (["main"], "'main' is not of the form MODULE:NAME; did you mean 'main:app'?"),
        (["main:"], "did you mean 'main:app'?"),
        ([":app"], "did you mean 'main:app'?"),
        (["main.py"], "'main.py' is a file; did you mean 'main:app'?"),
        (["./main.py:make"], "did you mean 'main:make'?"),
        (["/FOLDER/main.py"], "is a file; did you mean 'main:app'?"),
        (["../NAME/main.py:ap"], "is a file; did you mean 'main:ap'?"),
        (["/FOLDER/main"], "is a file; did you mean 'main:app'?"),
        (["main.app"], "'main.app' is not of the form MODULE:NAME; did you mean 'main:app'?"),
        (["main.no"], "did you mean 'main.no:app'?"),
        (["main:make()"], "'main:make()' is a call; did you mean 'main:make' with --factory?"),
        ([".main:app"], "'.main:app' is not of the form MODULE:NAME; did you mean 'main:app'?"),
        (["main:app."], "did you mean 'main:app'?"),
        (["main..inner:app"], "did you mean 'main.inner:app'?"),
        (["main:app", "--health=x"], "--health must be a path such as '/healthz', not 'x'"),
    ],
)
def test_usage(folder: Path, arguments: list[str], said: str) -> None:
    words = [
        each.replace("/FOLDER", str(folder)).replace("NAME", folder.name) for each in arguments
    ]
    status, text = fails(folder, *words)
    assert status == 2
    assert said in text
    assert text.startswith("allcores serve: ")
    assert text.count("\n") == 1


# The application


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("main:ap", "'main' has no 'ap'; did you mean 'main:app'?"),
        ("main:holder.iner", "did you mean 'main:holder.inner'?"),
        ("main:zzz", "'main' has no 'zzz'; did you mean 'main:app'?"),
        ("mian:app", "there is no module named 'mian' on sys.path; did you mean 'main:app'?"),
        ("MAIN:app", "did you mean 'main:app'?"),
        ("zzz:app", "applications near by: main:app, package.web:app"),
        ("package.wbe:app", "did you mean 'package.web:app'?"),
        ("main:number", "'main:number' is not callable: it is a int"),
    ],
)
def test_an_application_that_is_not_there(folder: Path, target: str, said: str) -> None:
    (folder / "package").mkdir()
    (folder / "package" / "__init__.py").touch()
    (folder / "package" / "web.py").write_text("app = print\n")
    status, text = fails(folder, target, "--workers=1", "--port=0")
    assert status == 1
    assert said in text
    assert text.count("\n") == 1


def test_a_folder_without_applications_is_said(tmp_path: Path) -> None:
    assert "looks like an application" in fails(tmp_path, "x:app", "--port=0", "--workers=1")[1]
    assert "for example main:app" in fails(tmp_path)[1]


def test_an_application_that_can_not_be_loaded_shows_its_own_frames(folder: Path) -> None:
    (folder / "broken.py").write_text("def f():\n    1 / 0\n\n\nf()\n")
    status, text = fails(folder, "broken:app", "--port=0", "--workers=1")
    assert status == 3
    assert re.findall(r'File "(.*)", line', text) == [str(folder / "broken.py")] * 2
    assert text.endswith(
        "allcores: the handler can't be loaded: ZeroDivisionError: division by zero\n"
    )
    (folder / "broken.py").write_text("import no_such_thing\n")
    status, text = fails(folder, "broken:app", "--port=0", "--workers=1")
    assert status == 3
    assert "no_such_thing" in text and "broken.py" in text and "importlib" not in text
    (folder / "broken.py").write_text("def f(:\n")
    status, text = fails(folder, "broken:app", "--port=0", "--workers=1")
    assert status == 3
    assert "SyntaxError" in text and "def f(:" in text and "_worker.py" not in text


LIFESPANS = """
async def says(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database"})


async def raises(scope, receive, send):
    await receive()
    raise RuntimeError("no database")
"""


def test_a_start_up_that_fails(folder: Path) -> None:
    (folder / "starts.py").write_text(LIFESPANS)
    options = ["--port=0", "--workers=1", "--lifespan=on"]
    status, text = fails(folder, "starts:says", *options)
    assert (status, text) == (3, "allcores: the application's start-up failed: no database\n")
    status, text = fails(folder, "starts:raises", *options)
    assert status == 3
    assert re.findall(r'File "(.*)", line', text) == [str(folder / "starts.py")]
    assert text.endswith("RuntimeError: no database\nallcores: the application's start-up failed\n")


def test_a_file_in_another_folder_is_named_with_it(folder: Path, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    status, text = fails(inner, "../main.py")
    assert (status, f"did you mean 'main:app' with --app-dir {folder}?" in text) == (2, True)


def test_factories(folder: Path) -> None:
    with serve(folder, "main:make", "--factory") as server:
        assert server.get("/")[1] == b"made"
        assert server.end() == 0
    status, text = fails(folder, "main:number", "--factory", "--port=0", "--workers=1")
    assert (status, "'main:number' is no factory: it is a int" in text) == (1, True)
    (folder / "none.py").write_text("def make(): return None\n")
    status, text = fails(folder, "none:make", "--factory", "--port=0", "--workers=1")
    assert (status, "'none:make()' is not callable: it is a NoneType" in text) == (1, True)
    (folder / "later.py").write_text("async def make(): return None\n")
    status, text = fails(folder, "later:make", "--factory", "--port=0", "--workers=1")
    said = "allcores: handler not found: 'later:make' is an async function, which is no factory\n"
    assert (status, text) == (1, said)
    status, text = fails(folder, "main:make", "--port=0", "--workers=1")
    assert (status, "a function that makes the application needs --factory" in text) == (1, True)
    (folder / "fails.py").write_text("def make(): raise RuntimeError('not today')\n")
    status, text = fails(folder, "fails:make", "--factory", "--port=0", "--workers=1")
    assert (status, text.count("File")) == (3, 1)


def test_the_folder_of_the_application(folder: Path, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "deep.py").write_text(APPLICATION)
    with serve(folder, "deep:app", "--app-dir", "inner") as server:
        assert answer(server)["path"] == [str(inner)]
        assert server.end() == 0


@pytest.mark.parametrize("output", ["none", "full"])
def test_nobody_has_to_hear_that_it_serves(folder: Path, output: str) -> None:
    (folder / "ends.py").write_text(
        """
import os, signal, threading

threading.Timer(0, os.kill, (os.getpid(), signal.SIGTERM)).start()
app = print
"""
    )
    line = command(folder, "ends:app", "--port=0", "--workers=1")
    redirected = {"none": ">&-", "full": ">/dev/full"}[output]
    shell = ["sh", "-c", f'exec "$@" {redirected}', "sh", *line]
    done = subprocess.run(shell, stderr=subprocess.PIPE, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


# What responses have


def test_fields_of_every_response(folder: Path) -> None:
    with serve(folder, "--header", "X-One: 1", "--header=x-two:zwei") as server:
        for path, status in (("/", 200), ("/", 200)):
            response, _ = server.get(path)
            assert response.status == status
            assert (response.headers["x-one"], response.headers["X-Two"]) == ("1", "zwei")
            assert response.headers["server"] == "allcores"
        with server.socket() as connection:  # of the server's own, too
            connection.sendall(b"nonsense\r\n\r\n")
            said = connection.recv(1000)
            assert said.startswith(b"HTTP/1.1 400 ") and b"\r\nX-One: 1\r\n" in said
        assert server.end() == 0


def test_no_server_and_no_date(folder: Path) -> None:
    with serve(folder, "--no-server-header", "--no-date-header") as server:
        headers = server.get("/")[0].headers
        assert headers["server"] is None and headers["date"] is None
        assert server.end() == 0
    with serve(folder, "--header=Server:mine", "--header=Date:never") as server:
        headers = server.get("/")[0].headers
        assert headers.get_all("server") == ["mine"] and headers.get_all("date") == ["never"]
        assert server.end() == 0


@pytest.mark.parametrize("level", ["critical", "error", "info"])
def test_log_levels(folder: Path, level: str) -> None:
    (folder / "raises.py").write_text("def app(request): raise RuntimeError('on purpose')\n")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        number = listening.fileno()
        options = ["--workers=1", f"--fd={number}", f"--log-level={level}"]
        process = subprocess.Popen(
            command(folder, "raises:app", *options),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            pass_fds=[number],
        )
        try:
            with socket.create_connection(listening.getsockname(), timeout=60) as connection:
                connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                assert connection.recv(1000).startswith(b"HTTP/1.1 500 ")
        finally:
            process.terminate()
            out, err = process.communicate(timeout=30)
    assert ("serving on" in out) is (level == "info")
    assert ("RuntimeError: on purpose" in err) is (level != "critical")
