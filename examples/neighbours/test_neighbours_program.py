"""The program as its users start it: options, what is missing, how it ends."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from neighbours_process import Neighbours

FOLDER = Path(__file__).resolve().parent


def run(*arguments: str, program: str | None = None) -> subprocess.CompletedProcess[str]:
    """The program run to its end: for what it refuses."""
    start = [str(FOLDER)] if program is None else ["-c", program]
    return subprocess.run(
        [sys.executable, *start, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--prot", "80"], "did you mean --port?"),
        (["--point=5"], "did you mean --points?"),
        (["--port", "eighty"], "'eighty' is no port: 0 to 65535"),
        (["--port", "65536"], "'65536' is no port"),
        (["--workers", "0"], "'0' is no number of workers"),
        (["--points", "0"], "'0' is no number of points: 1 to 64692"),
        (["--points", "64693"], "'64693' is no number of points"),
        (["--port"], "expected one argument"),
        (["extra"], "unknown option or argument: extra"),
    ],
)
def test_wrong_options(arguments: list[str], message: str) -> None:
    result = run(*arguments)
    assert result.returncode == 2
    assert message in result.stderr
    assert "usage: " in result.stderr and "Traceback" not in result.stderr


def test_help() -> None:
    result = run("--help")
    assert result.returncode == 0
    for option in ("--port N", "--host H", "--workers N", "--points N"):
        assert option in result.stdout


@pytest.mark.parametrize(("module", "name"), [("numpy", "NumPy"), ("sklearn", "scikit-learn")])
def test_a_package_that_is_missing(module: str, name: str) -> None:
    program = (
        "import importlib.util, runpy, sys\n"
        "find = importlib.util.find_spec\n"
        f"importlib.util.find_spec = lambda name: None if name == {module!r} else find(name)\n"
        "sys.argv = ['neighbours', '--port', '0']\n"
        f"runpy.run_path({str(FOLDER)!r}, run_name='__main__')\n"
    )
    result = run(program=program)
    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        f"neighbours: {name} is not installed for this Python; "
        "install what examples need: ./py -m pip install -r tools/requirements-examples.txt"
    ]


def test_a_taken_port() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = run("--port", str(port))
    assert result.returncode == 1
    assert f"port {port} on 127.0.0.1 is taken" in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_order(number: int) -> None:
    with Neighbours("--workers", "1", "--points", "100") as server:
        assert server.get("/")[0].status == 200
        assert server.end(number) == 0
        assert "Traceback" not in server.output()


def test_ctrl_c_while_it_prepares() -> None:
    program = (
        "import gzip, os, runpy, sys\n"
        "def forever(*_):\n"
        "    print('reading', flush=True)\n"
        "    while True: os.sched_yield()\n"
        "gzip.open = forever\n"
        "sys.argv = ['neighbours', '--port', '0']\n"
        f"runpy.run_path({str(FOLDER)!r}, run_name='__main__')\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == "reading\n"
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == "neighbours: stopped\n"
        assert process.wait(20) == 130
