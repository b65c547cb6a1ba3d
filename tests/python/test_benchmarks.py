"""The benchmarks themselves run by hand; here is checked what they share."""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import types

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
    monkeypatch.setattr(sys, "argv", ["benchmarks/example.py", "--rounds", "2"])
    return module


def test_machine_says_where_it_ran(report: types.ModuleType) -> None:
    about = report.machine(["pytest", "no-such-package"])
    assert about["cores"] >= 1
    assert about["memory_gib"] > 0
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


@pytest.mark.parametrize("script", ["http", "uneven.py"])
def test_the_command_lines_explain_themselves(script: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(BENCHMARKS / script), "--help"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "--rounds" in done.stdout


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
