"""The benchmarks themselves run by hand; here is checked what they share."""

import contextlib
import importlib.util
import json
import os
import pathlib
import socket
import socketserver
import subprocess
import sys
import threading
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest

BENCHMARKS = pathlib.Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> types.ModuleType:
    """A fresh copy of benchmarks/_report.py that writes into a folder of the test."""
    spec = importlib.util.spec_from_file_location("_report", BENCHMARKS / "_report.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(module, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(sys, "argv", ["benchmarks/example.py", "--rounds", "2"])
    return module


def test_machine_says_where_it_ran(report: types.ModuleType) -> None:
    about = report.machine(["pytest", "no-such-package"])
    assert about["cores"] >= 1
    assert about["memory_gib"] > 0
    assert about["load"] >= 0
    assert about["python"].startswith(f"{sys.version_info.major}.{sys.version_info.minor}")
    assert set(about["packages"]) == {"pytest"}
    assert about["kernel"] in report.machine_line(about)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5.4321, "5.43"),
        (0.012345, "0.0123"),
        (123456.7, "123,457"),
        (99.96, "100.0"),
        (1234567, "1,234,567"),
        (0.0, "0.0"),
        (-2.5, "-2.50"),
        (None, "-"),
        ("as it is", "as it is"),
        (True, "True"),
    ],
)
def test_number(report: types.ModuleType, value: object, text: str) -> None:
    assert report.number(value) == text


def test_table_and_files(report: types.ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    report.table(["case", "ns"], [["short", 1.5], ["a longer one", None]], title="Reading")
    assert capsys.readouterr().out.splitlines() == [
        "",
        "Reading",
        "case            ns",
        "------------  ----",
        "short         1.50",
        "a longer one     -",
    ]
    path = report.save("example", {"short": 1.5})
    record = json.loads(path.read_text())
    assert record["data"] == {"short": 1.5}
    assert record["command"] == "./bench example --rounds 2"
    assert record["machine"]["cores"] >= 1
    assert "| short | 1.50 |" in (path.parent / "example.md").read_text()
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["example.json", "example.md"]


def test_a_full_run_fills_in_the_page(
    report: types.ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    page = tmp_path / "page.md"
    text = "# Page\n\n<!-- example -->\nold\n<!-- end of example -->\n\nThe rest.\n"
    page.write_text(text)
    report.table(["case", "ns"], [["short", 1.5]], title="reading")
    report.save("example", {})
    assert page.read_text() == text, "a run with options is a trial"
    monkeypatch.setattr(sys, "argv", ["benchmarks/example.py"])
    report.save("other", {})
    assert page.read_text() == text
    report.save("example", {})
    lines = page.read_text().splitlines()
    assert lines[:3] == ["# Page", "", "<!-- example -->"]
    assert lines[-3:] == ["<!-- end of example -->", "", "The rest."]
    assert {"**Reading**", "| short | 1.50 |"} <= set(lines) and "old" not in lines


@pytest.mark.parametrize("script", ["http", "uneven.py", "slow.py", "extensions.py", "messages.py"])
def test_the_command_lines_explain_themselves(script: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(BENCHMARKS / script), "--help"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "--rounds" in done.stdout


GOOD = b"HTTP/1.1 200 OK\r\nDate: now\r\ncontent-length: 4\r\n\r\nbody"
ANSWERS = {
    "/good": [GOOD],
    "/pieces": [GOOD[:20], GOOD[20:-2], GOOD[-2:]],
    "/status": [GOOD.replace(b"200 OK", b"503 No")],
    "/body": [GOOD.replace(b"body", b"bodx")],
    "/long": [GOOD.replace(b" 4", b" 5") + b"y"],
    "/malformed": [GOOD.replace(b"content-length", b"content-size")],
    "/close": [],
}


class Server(socketserver.ThreadingTCPServer):
    """Answers each request with what ANSWERS has for its path; without any, closes."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    class Connection(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(ConnectionError):
                while request := self.rfile.readline():
                    assert self.rfile.readline().startswith(b"Host: 127.0.0.1:")
                    assert self.rfile.readline() == b"\r\n"
                    pieces = ANSWERS[request.split()[1].decode()]
                    if not pieces:
                        return
                    for piece in pieces:
                        self.connection.sendall(piece)

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), self.Connection)


@pytest.fixture(scope="module")
def load() -> Iterator[Callable[..., Any]]:
    """Runs the load generator against a Server."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import _peers
    finally:
        sys.path.remove(str(BENCHMARKS))
    program = _peers.load_generator()
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            port = str(server.server_address[1])

            def run(kind: str, *options: object) -> Any:
                command = [program, kind, "--port", port, *map(str, options)]
                done = subprocess.run(command, capture_output=True, text=True, timeout=60)
                assert done.returncode == 0, done.stderr
                return json.loads(done.stdout)

            yield run
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ("/good", None),
        ("/pieces", None),
        ("/status", "status"),
        ("/body", "body"),
        ("/long", "body"),
        ("/malformed", "malformed"),
        ("/close", "closed"),
    ],
)
def test_the_load_generator_checks_every_response(
    load: Callable[..., Any], path: str, wrong: str | None
) -> None:
    options = ["--path", path, "--body", "body", "--connections", 3, "--seconds", 0.1]
    found = load("closed", *options, "--depth", 2)
    if wrong in (None, "status", "body"):
        assert found["answered"] >= 6 and found["answered"] % 2 == 0
        assert found["cheap"]["count"] == found["in_time"] <= found["answered"]
        assert found["reopened"] == 0
        assert found["error_count"] == (0 if wrong is None else found["answered"])
    else:
        assert found["answered"] == 0 and found["reopened"] > 0
    if wrong is not None:
        assert found["errors"][wrong] > 0


def test_an_open_loop_sends_what_is_due(load: Callable[..., Any]) -> None:
    found = load(
        "open", "--rate", 2000, "--seconds", 0.5, "--warm-up", 0.1, "--connections", 8,
        "--path", "/good", "--body", "body", "--slow-path", "/pieces", "--slow-body", "body",
        "--slow-share", 0.25,
    )  # fmt: skip
    assert found["error_count"] == 0
    assert 800 < found["answered"] < 1200
    assert 600 < found["in_time"] == found["cheap"]["count"] + found["slow"]["count"] < 1000
    assert 0.15 < found["slow"]["count"] / found["in_time"] < 0.35
    assert 0 < found["cheap"]["p50"] <= found["cheap"]["p99"] <= found["cheap"]["max"]


def test_a_tree_of_processes_is_seen_whole_and_ends_whole(tmp_path: pathlib.Path) -> None:
    """A server's worker that outlives its parent still counts, and goes with the keeper."""
    server = tmp_path / "server.py"
    server.write_text(
        "import os, signal, time\n"
        "if os.fork() == 0:\n"
        "    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "    print(os.getpid(), flush=True)\n"
        "    signal.pause()\n"
        "signal.pause()\n"
    )
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import _processes
    finally:
        sys.path.remove(str(BENCHMARKS))
    keeper = subprocess.Popen(
        [sys.executable, str(BENCHMARKS / "_keeper.py"), str(os.getpid()), sys.executable,
         str(server)],
        stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    with keeper:
        assert keeper.stdout is not None
        worker = int(keeper.stdout.readline())
        members = _processes.descendants(keeper.pid)
        assert worker in members and len(members) == 2
        before = _processes.CpuTime.of(members)
        assert _processes.CpuTime.of(members).since(before) >= 0
        assert _processes.memory_mib(members) > 1
        keeper.terminate()
        assert keeper.wait(timeout=30) == 0
    assert not pathlib.Path(f"/proc/{worker}").exists()


def test_memory_files_count_beyond_what_is_mapped() -> None:
    """Of 8 MiB in a memory file one page is mapped: the rest is in no PSS, but held."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import _processes
    finally:
        sys.path.remove(str(BENCHMARKS))
    program = (
        "import mmap, os, sys\n"
        "file = os.memfd_create('held')\n"
        "os.write(file, b'x' * (8 << 20))\n"
        "page = mmap.mmap(file, mmap.PAGESIZE)\n"
        "page[0]\n"
        "print('ready', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        try:
            held = _processes.unmapped_mib([child.pid])
        except PermissionError:
            pytest.skip("only the superuser may look at another process's files")
        finally:
            child.communicate("")
        assert 7.9 < held < 8.1


def test_the_goals_of_extensions_are_ratios_below_one_when_we_are_ahead() -> None:
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import extensions
    finally:
        sys.path.remove(str(BENCHMARKS))
    less = ["all_memory_mib", "first_answer", "tree_p99_us", "tree_cpu_us", "product_p99_us",
            "product_cpu_us"]  # fmt: skip
    more = ["tree_rate", "product_rate"]
    rows = {
        name: dict.fromkeys(less, size) | dict.fromkeys(more, 100 / size)
        for name, size in (("allcores", 5.0), ("uvicorn", 20.0), ("granian rsgi, 1 thread", 10.0),
                           ("gunicorn preload", 1.0))
    }  # fmt: skip
    assert [line[1] for line in extensions.goals(rows, 2)] == [0.5] * 8
    assert extensions.goals({"allcores": rows["allcores"]}, 2) == []


def _slices(slow: types.ModuleType, p99s_us: list[float], errors: int = 0) -> list[Any]:
    load = slow._load.Measurement
    return [
        slow.Slice(load(1000, 50, 60, p99, 30, errors, {"answered": 5000}), 1200, 7, 1199)
        for p99 in p99s_us
    ]


def test_what_slow_clients_do_to_others_is_met_missed_or_unclear() -> None:
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import _attack
        import slow
    finally:
        sys.path.remove(str(BENCHMARKS))
    headers, body, read, ranges = _attack.KINDS[:4]
    found = {
        slow.WITHOUT: _slices(slow, [200, 220, 210, 215, 900]),
        headers.name: _slices(slow, [800, 415, 210]),
        body.name: _slices(slow, [425, 425, 425]),
        read.name: _slices(slow, [210, 210, 210], errors=51),
        ranges.name: _slices(slow, [215, 215, 215]),
    }
    lines = [slow.verdict("a", kind, found, 1200) for kind in (headers, body, read, ranges)]
    assert [line[2] for line in lines] == [1200, 1200, 1199, 7]
    assert [line[8] for line in lines] == ["met", "met", "missed", "met"]
    assert lines[0][7] == pytest.approx(415 / 215) and lines[2][7] is None
    found[body.name] = _slices(slow, [435, 435, 435])
    assert slow.verdict("a", body, found, 1200)[8] == "missed"
    assert slow.verdict("a", body, found, 1400)[8] == "unclear"
    found[slow.WITHOUT] = _slices(slow, [200, 440])
    assert slow.verdict("a", body, found, 1200)[8] == "unclear"
    found[body.name] = _slices(slow, [220, 230, 390])
    assert slow.verdict("a", body, found, 1200)[8] == "met"
    found[body.name] = _slices(slow, [220, 230, 410])
    assert slow.verdict("a", body, found, 1200)[8] == "unclear"


def test_a_port_where_nobody_looks_takes_connections_and_bytes() -> None:
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import _attack
    finally:
        sys.path.remove(str(BENCHMARKS))
    with _attack.Silence() as silence:
        assert _attack.queues(silence.port) == []
        with (
            socket.create_connection(("127.0.0.1", silence.port), 10) as one,
            socket.create_connection(("127.0.0.1", silence.port), 10) as other,
        ):
            one.sendall(b"x" * 1000)
            assert _attack.queues(silence.port) == [0, 0]
            # Of the other side's bytes: what this one does not take.
            assert _attack.queues(other.getsockname()[1]) == [0]
