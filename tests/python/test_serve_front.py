"""What the server does around the application: proxies, log, files, health, metrics, limits."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import pytest
from commands import command, fails
from servers import ServerProcess

import allcores

# The same for all interfaces: who asks, and a wait until a test has written to a pipe.
APPLICATION = """
import asyncio
import json


def what(path, client, scheme, server=None):
    if path == "/wait":
        return "wait"
    return json.dumps({"client": client, "scheme": scheme, "path": path, "server": server})


def handler(request):
    client = request.client
    text = what(request.path, list(client), request.scheme)
    if text == "wait":
        text = open(request.query["pipe"]).read()
    return text


def wsgi(environ, start_response):
    client = [environ["REMOTE_ADDR"], int(environ["REMOTE_PORT"] or 0)]
    text = what(environ["PATH_INFO"], client, environ["wsgi.url_scheme"], environ["SERVER_NAME"])
    if text == "wait":
        text = open(environ["QUERY_STRING"].partition("=")[2]).read()
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Own", "yes")])
    return [text.encode()]


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    client = list(scope["client"]) if scope["client"] else None
    text = what(scope["path"], client, scope["scheme"], list(scope["server"]))
    if text == "wait":
        pipe = scope["query_string"].decode().partition("=")[2]
        text = await asyncio.to_thread(lambda: open(pipe).read())
    headers = [(b"content-type", b"text/plain"), (b"x-own", b"yes")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})
"""

TARGETS = ["main:handler", "main:asgi", "main:wsgi"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where main.py is, and files to serve."""
    (tmp_path / "main.py").write_text(APPLICATION)
    files = tmp_path / "files"
    (files / "sub").mkdir(parents=True)
    (files / "a.txt").write_text("0123456789")
    (files / "index.html").write_text("<p>index")
    (files / "large.bin").write_bytes(bytes(range(256)) * 20_000)
    (files / "out").symlink_to("/etc/passwd")
    return tmp_path


def serve(folder: Path, target: str, *arguments: str, environment: dict[str, str] | None = None):
    words = [target, "--workers=2", *arguments]
    if not any(word.startswith("--uds") for word in words):
        words.append("--port=0")
    return ServerProcess(command(folder, *words), environment)


def ask(server: ServerProcess, path: str = "/", **headers: str) -> dict[str, object]:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    response, body = server.get(path, headers=fields)
    assert response.status == 200
    found: dict[str, object] = json.loads(body)
    return found


def log_lines(server: ServerProcess) -> list[str]:
    return [line.rstrip("\n") for line in server.lines if "serving on" not in line]


@pytest.fixture(params=TARGETS)
def target(request: pytest.FixtureRequest) -> Iterator[str]:
    yield request.param


# Proxies


def test_the_first_line_says_the_interface(folder: Path, target: str) -> None:
    with serve(folder, target) as server:
        assert f"with 2 workers ({target.removeprefix('main:')}), Python" in server.lines[0]
        assert server.end() == 0


def test_a_trusted_proxy_names_the_client(folder: Path, target: str) -> None:
    with serve(folder, target) as server:
        plain = ask(server)
        assert (plain["client"][0], plain["scheme"]) == ("127.0.0.1", "http")  # type: ignore[index]
        told = ask(server, X_Forwarded_For="6.6.6.6, 1.2.3.4", X_Forwarded_Proto="https")
        assert (told["client"], told["scheme"]) == (["1.2.3.4", 0], "https")
        assert server.end() == 0


@pytest.mark.parametrize(
    ("arguments", "environment", "client"),
    [
        (["--no-proxy-headers"], {}, "127.0.0.1"),
        (["--forwarded-allow-ips=10.0.0.1"], {}, "127.0.0.1"),
        (["--forwarded-allow-ips=127.0.0.0/8,::1"], {}, "1.2.3.4"),
        (["--forwarded-allow-ips=*"], {}, "6.6.6.6"),
        ([], {"FORWARDED_ALLOW_IPS": "10.0.0.1"}, "127.0.0.1"),
        ([], {"FORWARDED_ALLOW_IPS": "*"}, "6.6.6.6"),
        (["--forwarded-allow-ips=127.0.0.1"], {"FORWARDED_ALLOW_IPS": "10.0.0.1"}, "1.2.3.4"),
    ],
)
def test_who_is_trusted(
    folder: Path, arguments: list[str], environment: dict[str, str], client: str
) -> None:
    with serve(folder, "main:handler", *arguments, environment=environment) as server:
        told = ask(server, X_Forwarded_For="6.6.6.6, 1.2.3.4", X_Forwarded_Proto="https")
        assert told["client"][0] == client  # type: ignore[index]
        assert told["scheme"] == ("http" if client == "127.0.0.1" else "https")
        assert server.end() == 0


def test_who_comes_by_a_unix_socket_is_trusted(folder: Path, target: str) -> None:
    with serve(folder, target, "--uds", str(folder / "x.sock")) as server:
        nobody = None if target == "main:asgi" else ["", 0]
        assert ask(server)["client"] == nobody
        names = {"main:asgi": [str(folder / "x.sock"), None], "main:wsgi": "localhost"}
        assert ask(server)["server"] == names.get(target)
        assert ask(server, X_Forwarded_For="1.2.3.4")["client"] == ["1.2.3.4", 0]
        assert server.end() == 0


# The access log


def test_a_line_for_each_request(folder: Path, target: str) -> None:
    with serve(folder, target, "--access-log", "--workers=1") as server:
        server.get('/a?b="', headers={"User-Agent": "me", "Referer": "http://r/"})
        server.get("/", "HEAD")
        server.get("/", "POST", body=b"x" * 100_000)
        assert server.end() == 0
        time = r"\[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]"
        first, second, third = log_lines(server)
        assert re.fullmatch(
            rf'127\.0\.0\.1 - - {time} "GET /a\?b=\\x22 HTTP/1\.1" 200 \d+ "http://r/" "me"', first
        )
        assert re.fullmatch(rf'127\.0\.0\.1 - - {time} "HEAD / HTTP/1\.1" 200 - "-" "-"', second)
        assert '"POST / HTTP/1.1" 200 ' in third


def test_a_format(folder: Path, target: str) -> None:
    text = "%(m)s %(U)s %(s)s %(B)s %({x-test}i)s %({content-type}o)s %({NAME}e)s 100%%"
    line = serve(folder, target, f"--access-log-format={text}", environment={"NAME": "value"})
    with line as server:
        body = server.get("/x", headers={"X-Test": "t"})[1]
        assert server.end() == 0
        kind = "text/plain; charset=utf-8" if target == "main:handler" else "text/plain"
        assert log_lines(server) == [f"GET /x 200 {len(body)} t {kind} value 100%"]


def test_pipelined_requests_have_a_line_each(folder: Path, target: str) -> None:
    with serve(folder, target, "--access-log-format=%(U)s") as server:
        with server.socket() as connection:
            paths = [f"/{number}" for number in range(100)]
            sent = "".join(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n" for path in paths)
            connection.sendall(sent.encode() + b"GET /end HTTP/1.0\r\n\r\n")
            while connection.recv(65536):
                pass
        assert server.end() == 0
        assert log_lines(server) == [*paths, "/end"]


def test_the_log_names_the_client_behind_a_proxy(folder: Path) -> None:
    with serve(folder, "main:handler", "--access-log-format=%(h)s:%(p)s") as server:
        ask(server, X_Forwarded_For="1.2.3.4")
        assert server.end() == 0
        assert log_lines(server) == ["1.2.3.4:0"]


def test_answers_before_a_request_is_whole(folder: Path, target: str) -> None:
    """Nobody was asked, so that most is not known: "-"."""
    text = "%(h)s %(u)s '%(r)s' %(m)s %(U)s %(q)s %(H)s %(s)s %(b)s %(f)s %(a)s %({x}o)s"
    arguments = [f"--access-log-format={text} %({{content-type}}o)s", "--timeout-header=0.2"]
    arguments += ["--timeout-body=0.2", "--max-header=1000", "--max-body=10", "--workers=1"]
    agent = b"User-Agent: me\r\nHost: x\r\n"
    get, post = b"GET /a HTTP/1.1\r\n", b"POST / HTTP/1.1\r\n" + agent
    got, posted = "'GET /a HTTP/1.1' GET /a  HTTP/1.1", "'POST / HTTP/1.1' POST /  HTTP/1.1"
    cases = [
        (b"\x16\x03\x01\r\n\r\n", "'-' - - - - 400 16 - -"),
        (b"GET /?b HTTP/1.1\r\na b\r\n\r\n", "'GET /?b HTTP/1.1' GET / b HTTP/1.1 400 16 - -"),
        (get + b"Host:\r\nHost:\r\n\r\n", f"{got} 400 16 - -"),
        (get + agent + b"X: " + b"x" * 2000, f"{got} 431 36 - me"),
        (post + b"Content-Length: 11\r\n\r\n", f"{posted} 413 22 - me"),
        (b"GET ", "'-' - - - - 408 20 - -"),
        (b"GET /a?", "'GET /a?' GET /a  - 408 20 - -"),
        (get + b"Referer: r\r\nAuth", f"{got} 408 20 r -"),
        (post + b"Content-Length: 9\r\n\r\nx", f"{posted} 408 20 - me"),
        (b"GET / HTTP/2.0\r\n\r\n", "'GET / HTTP/2.0' GET /  HTTP/2.0 505 31 - -"),
    ]
    with serve(folder, target, *arguments) as server:
        for sent, _ in cases:
            with server.socket() as connection:
                connection.sendall(sent)
                while connection.recv(65536):
                    pass
        with server.socket():  # that says nothing is no request
            pass
        assert server.end() == 0
        said = [f"127.0.0.1 - {line} - text/plain; charset=utf-8" for _, line in cases]
        assert log_lines(server) == said


def test_how_long_it_took_to_time_out(folder: Path) -> None:
    arguments = ["--access-log-format=%(s)s %(D)s", "--timeout-header=0.3", "--workers=1"]
    with serve(folder, "main:handler", *arguments) as server:
        with server.socket() as connection:
            connection.sendall(b"GET / HTTP/1.1\r\n")
            assert b"408" in connection.recv(65536)
        assert server.end() == 0
        status, took = log_lines(server)[0].split()
        assert status == "408"
        assert int(took) >= 200_000


def test_without_an_access_log_nothing_is_said(folder: Path, target: str) -> None:
    for arguments in ([], ["--access-log-format=%(h)s", "--no-access-log"]):
        with serve(folder, target, *arguments) as server:
            ask(server)
            assert server.end() == 0
            assert log_lines(server) == []


# Files


def test_files(folder: Path, target: str) -> None:
    with serve(folder, target, "--static=/s=files") as server:
        response, body = server.get("/s/a.txt")
        assert (response.status, body) == (200, b"0123456789")
        assert response.headers["content-type"] == "text/plain; charset=utf-8"
        assert response.headers["accept-ranges"] == "bytes"
        etag = response.headers["etag"]
        response, body = server.get("/s/a.txt", headers={"If-None-Match": etag})
        assert (response.status, body) == (304, b"")
        response, body = server.get("/s/a.txt", headers={"Range": "bytes=2-4"})
        assert (response.status, body) == (206, b"234")
        assert response.headers["content-range"] == "bytes 2-4/10"
        response, body = server.get("/s/a.txt", headers={"Range": "bytes=99-"})
        assert (response.status, response.headers["content-range"]) == (416, "bytes */10")
        response, body = server.get("/s/a.txt", "HEAD")
        assert (response.headers["content-length"], body) == ("10", b"")
        assert server.get("/s/")[1] == b"<p>index"
        response, _ = server.get("/s?x=y")
        assert (response.status, response.headers["location"]) == (301, "./s/?x=y")
        large = server.get("/s/large.bin")[1]
        assert large == (folder / "files" / "large.bin").read_bytes()
        response, _ = server.get("/s/a.txt", "POST", body=b"x" * 3_000_000)
        assert (response.status, response.headers["allow"]) == (405, "GET, HEAD")
        assert ask(server, "/other")["path"] == "/other"
        assert server.end() == 0
        assert server.stderr() == ""


@pytest.mark.parametrize("prefix", ["", "/api", "/x/y"])
def test_the_slash_of_a_folder_behind_a_proxy(folder: Path, prefix: str) -> None:
    """Which has taken a prefix away, of which the server need not know."""
    (folder / "files" / "a:b").mkdir()
    for name in ("sub", "a:b"):
        (folder / "files" / name / "index.html").write_text(name)
    with serve(folder, "main:asgi", "--static=/s=files", "--root-path=/api") as server:
        for path in ("/s", "/s/sub", "/s/a:b", "/s/sub?x=y"):
            response, _ = server.get(path)
            assert response.status == 301
            seen = urljoin(f"https://outside{prefix}{path}", response.headers["location"])
            plain, mark, query = path.partition("?")
            assert seen == f"https://outside{prefix}{plain}/{mark}{query}"
        assert server.end() == 0


def test_no_way_out_of_the_folder(folder: Path) -> None:
    paths = ["/s/out", "/s/../main.py", "/s/%2e%2e/main.py", "/s/..%2fmain.py", "/s//etc/passwd"]
    with serve(folder, "main:handler", "--static=/s=files") as server:
        for path in [*paths, "/s/sub/", "/s/nothing", "/s/a.txt%00", "/s/%"]:
            response, body = server.get(path)
            assert (response.status, body) == (404, b"Not Found\n"), path
        assert server.end() == 0


def test_several_folders_and_the_root(folder: Path) -> None:
    (folder / "files" / "sub" / "b.txt").write_text("b")
    arguments = ["--static=/=files", "--static=/s/=files/sub"]
    with serve(folder, "main:handler", *arguments) as server:
        assert server.get("/a.txt")[1] == b"0123456789"
        assert server.get("/s/b.txt")[1] == b"b"
        assert server.get("/s/a.txt")[0].status == 404
        assert ask(server, "/nothing")["path"] == "/nothing"
        assert server.get("/")[1] == b"<p>index"
        assert server.end() == 0


def test_files_on_one_connection_with_the_application(folder: Path, target: str) -> None:
    with serve(folder, target, "--static=/s=files") as server:
        connection = server.connect()
        for _ in range(20):
            for path, size in (("/s/large.bin", 5_120_000), ("/x", None), ("/s/a.txt", 10)):
                connection.request("GET", path)
                response = connection.getresponse()
                body = response.read()
                assert response.status == 200
                assert size is None or len(body) == size
        connection.close()
        assert server.end() == 0


# Health and metrics


def test_health(folder: Path, target: str) -> None:
    with serve(folder, target, "--health=/healthz") as server:
        response, body = server.get("/healthz")
        assert (response.status, body) == (200, b"ok\n")
        assert server.get("/healthz", "HEAD")[1] == b""
        assert ask(server, "/healthz/")["path"] == "/healthz/"
        assert server.end() == 0


def test_health_needs_no_python(folder: Path) -> None:
    """It is answered while the only worker's GIL is held: by the other worker's thread."""
    (folder / "busy.py").write_text("def app(request):\n    while True: pass\n")
    line = command(folder, "busy:app", "--workers=2", "--port=0", "--health=/healthz")
    with ServerProcess(line) as server, server.socket() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        for _ in range(50):
            assert server.get("/healthz")[1] == b"ok\n"


def test_metrics(folder: Path, target: str) -> None:
    with serve(folder, target, "--metrics=/metrics", "--static=/s=files") as server:
        for path in ("/", "/", "/s/a.txt", "/s/nothing"):
            server.get(path)
        # An answer is counted when it has been sent, and each worker begins by itself.
        wanted = re.compile(
            rb'workers 2\n.*_count ([4-9]|\d\d+)\n.*_cpu_seconds_total\{worker="0"\}', re.DOTALL
        )
        body = b""
        while not wanted.search(body):
            response, body = server.get("/metrics")
        assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        text = body.decode()
        values = dict(re.findall(r"^([^#\s]\S*) (\S+)$", text, re.MULTILINE))
        assert int(values['allcores_responses_total{class="2xx"}']) >= 3
        assert values['allcores_responses_total{class="4xx"}'] == "1"
        assert int(values['allcores_request_duration_seconds_bucket{le="+Inf"}']) >= 4
        assert values["allcores_workers"] == "2"
        assert int(values["allcores_connections"]) >= 1
        assert float(values['allcores_worker_cpu_seconds_total{worker="0"}']) >= 0
        for line in text.splitlines():
            assert re.fullmatch(r'# (HELP|TYPE) \w+ .+|\w+(\{\w+="[^"]*"\})? [0-9.e+-]+', line)
        assert server.end() == 0


# The limit of requests at a time


def test_the_limit_of_requests_at_a_time(folder: Path, target: str) -> None:
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    arguments = ["--limit-concurrency=1", "--health=/healthz", "--access-log-format=%(U)s %(s)s"]
    with serve(folder, target, *arguments) as server:
        connection = server.connect()
        connection.request("GET", f"/wait?pipe={pipe}")
        with open(pipe, "w") as writer:  # it is in the application
            response, body = server.get("/")
            assert (response.status, body) == (503, b"Service Unavailable\n")
            assert response.headers["retry-after"] == "1"
            assert server.get("/healthz")[0].status == 200
            writer.write("done")
        assert connection.getresponse().read() == b"done"
        connection.close()
        for _ in range(20):  # each is gone before the next
            assert server.get("/")[0].status == 200
        assert server.end() == 0
        lines = log_lines(server)
        assert sorted(set(lines)) == ["/ 200", "/ 503", "/healthz 200", "/wait 200"]
        assert lines.count("/wait 200") == lines.count("/ 503") == 1


def test_a_client_that_goes_away_is_not_counted_for_ever(folder: Path) -> None:
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    with serve(folder, "main:asgi", "--limit-concurrency=1") as server:
        with server.socket() as connection:
            connection.sendall(f"GET /wait?pipe={pipe} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            with open(pipe, "w") as writer:
                connection.shutdown(socket.SHUT_RDWR)
                writer.write("done")
        while server.get("/")[0].status == 503:
            pass
        assert server.end() == 0


# What can't be


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("--forwarded-allow-ips=x", "--forwarded-allow-ips: 'x' is no address and no network"),
        ("--forwarded-allow-ips=10.0.0.0/40", "'10.0.0.0/40' is no address and no network"),
        ("--access-log-format=%(x)s", "--access-log-format: there is no atom %(x)s; there are h l"),
        ("--access-log-format=%h", "'%h' is no atom: they look like %(h)s"),
        ("--access-log-format=a\nb", "--access-log-format is for one line"),
        ("--static=files", "--static must be PREFIX=FOLDER, not 'files'"),
        ("--static=s=files", "a prefix is a path such as '/static', not 's'"),
        ("--static=/s=nothing", "--static: there is no folder 'nothing'"),
        ("--static=/s=main.py", "--static: there is no folder 'main.py'"),
        ("--health=healthz", "--health must be a path such as"),
        ("--metrics=/m?x", "--metrics must be a path such as"),
        ("--limit-concurrency=0", "--limit-concurrency must be 1 to"),
    ],
)
def test_values_that_are_none(folder: Path, argument: str, said: str) -> None:
    status, text = fails(folder, "main:handler", argument, "--workers=1")
    assert status == 2
    assert said in text
    assert text.count("\n") == 1


def test_as_arguments() -> None:
    with pytest.raises(ValueError, match="serve: forwarded_allow_ips: 'x' is no address"):
        allcores.serve(len, forwarded_allow_ips=["10.0.0.1", "x"])
    with pytest.raises(ValueError, match="serve: static: there is no folder"):
        allcores.serve(len, static={"/s": "/nothing/there"})
    with pytest.raises(TypeError, match="serve: static must be pairs of str"):
        allcores.serve(len, static=[("/s",)])  # type: ignore[list-item]


def test_in_a_configuration_file(folder: Path) -> None:
    (folder / "c.toml").write_text(
        "app = 'main:handler'\nport = 0\nworkers = 1\nstatic = { '/s' = 'files' }\n"
        "health = '/healthz'\naccess_log_format = '%(U)s'\n"
    )
    with ServerProcess(command(folder, "--config=c.toml")) as server:
        assert server.get("/s/a.txt")[1] == b"0123456789"
        assert server.get("/healthz")[1] == b"ok\n"
        assert server.end() == 0
        assert log_lines(server) == ["/s/a.txt", "/healthz"]
