"""`allcores serve`: its configuration file, files of environment variables, and the environment."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import answer, command, fails, folder, serve
from servers import ServerProcess

from allcores._command_files import parse_env
from allcores._command_options import UsageError

__all__ = ["folder"]  # the fixture


def test_a_configuration_file(folder: Path) -> None:
    (folder / "allcores.toml").write_text(
        """
app = "main:app"
port = 0
workers = 2
keep_alive = 1  # no option
"""
    )
    status, text = fails(folder, "--config=allcores.toml")
    assert status == 2
    assert text == (
        "allcores serve: allcores.toml: there is no option keep_alive; "
        "did you mean --timeout-keep-alive?\n"
    )
    (folder / "allcores.toml").write_text(
        """
app = "main:app"
port = 0
workers = 2
timeout-keep-alive = 3
root_path = "/api"
uds_permissions = 0o660
header = { X-One = "1", X-Two = "zwei" }
date-header = false
"""
    )
    with ServerProcess(command(folder, "--config=allcores.toml", "--workers=3")) as server:
        response, body = server.get("/")
        assert json.loads(body)["workers"] == 3  # the command line wins
        assert (response.headers["x-one"], response.headers["x-two"]) == ("1", "zwei")
        assert response.headers["date"] is None
        assert server.end() == 0
    line = command(folder, "main:make", "--factory", "--config", "allcores.toml", "--date-header")
    with ServerProcess(line) as server:
        response, body = server.get("/")
        assert body == b"made"
        assert response.headers["date"] is not None
        assert server.end() == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("workers =", "c.toml: Invalid value"),
        ("workers = '4'", "c.toml: workers must be a number, not '4'"),
        ("workers = true", "c.toml: workers must be a number, not True"),
        ("workers = 0", "c.toml: workers must be 1 to 4096, not 0"),
        ("factory = 1", "c.toml: factory must be true or false, not 1"),
        ("host = 1", "c.toml: host must be a text, not 1"),
        ("host = ['a', 1]", "c.toml: host must be a text, not 1"),
        ("header = ['x']", "c.toml: header must be NAME:VALUE, not 'x'"),
        ("interface = 'x'", "c.toml: interface must be one of auto, asgi, wsgi, handler, not 'x'"),
        ("uds_permissions = '9'", "c.toml: uds_permissions must be an octal number"),
        ("root-path = ''\nroot_path = ''", "c.toml: root_path is there twice"),
        ("ws-max-queue = 0", "c.toml: ws-max-queue must be 1 to"),
        ("ws-ping-timeout = 'none'", "c.toml: ws-ping-timeout must be a number, not 'none'"),
        ("ws-per-message-deflate = 1", "ws-per-message-deflate must be true or false, not 1"),
        ("app = 1", "c.toml: app must be a text such as 'main:app'"),
        ("config = 'x'", "c.toml: config is for the command line"),
        ("host = { a = 'b' }", "c.toml: host must be a text, not {'a': 'b'}"),
        ("header = { A = 1 }", "c.toml: header.A must be a text, not 1"),
        ("static = { '/s' = ['x'] }", "c.toml: static./s must be a text, not ['x']"),
        ("health = 'x'", "c.toml: health must be a path such as '/healthz', not 'x'"),
        ("uds_permissions = 660", "c.toml: uds_permissions must be 0 to 0o777, not 660 (0o1224)"),
        ("WORKERS = 2", "c.toml: there is no option WORKERS; did you mean workers?"),
        ("app = 'main:app'\nenv-file = \"x\\u0000\"", "embedded null byte"),
        ("wrkers = 1", "c.toml: there is no option wrkers; did you mean workers?"),
        ("ssl_keyfile = 'x'", "allcores has no TLS yet"),
        ("bind = 'x'", "did you mean --host and --port?"),
        ("app = 'main'", "'main' is not of the form MODULE:NAME"),
    ],
)
def test_what_a_configuration_file_can_not_say(folder: Path, text: str, said: str) -> None:
    (folder / "c.toml").write_text(text)
    status, output = fails(folder, "--config", "c.toml")
    assert status == 2
    assert said in output
    assert output.count("\n") == 1


def test_a_file_of_variables(folder: Path) -> None:
    (folder / ".env").write_text("NAME=from the file\nWEB_CONCURRENCY=3\nPORT=0\n")
    line = command(folder, "main:app", "--env-file", ".env")
    with ServerProcess(line) as server:
        assert (answer(server)["name"], answer(server)["workers"]) == ("from the file", 3)
        assert server.end() == 0
    with ServerProcess(line, {"NAME": "there before", "WEB_CONCURRENCY": "2"}) as server:
        assert (answer(server)["name"], answer(server)["workers"]) == ("there before", 2)
        assert server.end() == 0
    (folder / ".env").write_bytes(b"\xef\xbb\xbfNAME=of an editor\nPORT=0\nWEB_CONCURRENCY=1\n")
    with ServerProcess(line) as server:
        assert answer(server)["name"] == "of an editor"
        assert server.end() == 0
    (folder / ".env").write_text("NAME=1\nwhat is this\n")
    status, text = fails(folder, "main:app", "--env-file", ".env")
    assert (status, text) == (
        2,
        "allcores serve: .env, line 2: 'what is this' is not of the form NAME=VALUE\n",
    )


def test_variables_of_the_environment(folder: Path) -> None:
    environment = {"HOST": "127.0.0.2", "PORT": "0", "WEB_CONCURRENCY": "2"}
    with ServerProcess(command(folder, "main:app"), environment) as server:
        assert server.host == "127.0.0.2"
        assert answer(server)["workers"] == 2
        assert server.end() == 0
    environment["PORT"] = "1"
    with serve(folder, "--host=127.0.0.1", environment=environment) as server:
        assert (server.host, answer(server)["workers"]) == ("127.0.0.1", 1)
        assert server.end() == 0
    with serve(folder, "--uds=x.sock", environment=environment) as server:
        assert server.path == "x.sock"  # HOST is not meant then
        assert server.end() == 0 if (folder / "x.sock").exists() else False
    with serve(folder, environment={"PORT": "tcp://10.0.0.1:80"}) as server:  # it does not count
        assert server.end() == 0
    status, text = fails(folder, "main:app", environment={"WEB_CONCURRENCY": "many"})
    assert status == 2
    assert text == (
        "allcores serve: the environment's WEB_CONCURRENCY must be a whole number, not 'many'\n"
    )
    status, text = fails(folder, "main:app", environment={"FORWARDED_ALLOW_IPS": "nobody"})
    said = "allcores serve: the environment's FORWARDED_ALLOW_IPS: 'nobody' is no address"
    assert (status, text.startswith(said), text.count("\n")) == (2, True, 1)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        ("A=1", {"A": "1"}),
        ("A=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("# a comment\n\n  A = 1 2  \n", {"A": "1 2"}),
        ("export A=1\nexport\tB=2", {"A": "1", "B": "2"}),
        ("A=", {"A": ""}),
        ("A=#x\nB=a#b\nC=a # b", {"A": "", "B": "a#b", "C": "a"}),
        ("A='a # b'  # c", {"A": "a # b"}),
        ('A="a\\nb\\t\\"c\\" \\\\ \\x"', {"A": 'a\nb\t"c" \\ \\x'}),
        ("A='a\\nb\\'c'", {"A": "a\\nb'c"}),
        ('A="two\nlines"\nB=3', {"A": "two\nlines", "B": "3"}),
        ("A=1\nB=${A}2${A}\nC='${A}'", {"A": "1", "B": "121", "C": "${A}"}),
        ("A=${NOT_THERE:-x}\nB=${NOT_THERE}\nC=${A", {"A": "x", "B": "", "C": "${A"}),
        ("A=postgres://u:p@h/db?x=y", {"A": "postgres://u:p@h/db?x=y"}),
    ],
)
def test_files_of_variables_as_others_read_them(text: str, found: dict[str, str]) -> None:
    assert parse_env(text, "f") == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("A", "f, line 1: 'A' is not of the form NAME=VALUE"),
        ("A=1\n1B=2", "f, line 2: '1B=2' is not"),
        ("A='x\ny", "f, line 1: the quote ' of A has no end"),
        ("A=1\nB='2\n\0'", "f, line 2: the value of B has a NUL"),
        ("A=\"1\n2\"\nB='1' x", "f, line 3: 'x' behind the value of B"),
    ],
)
def test_lines_that_are_no_variables(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_env(text, "f")
