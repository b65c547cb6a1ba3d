"""Workers of a server load the handler a few at a time, and each serves as soon as it has it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from servers import ServerProcess, started

# Each import of this module knows how many came before it. It says that it has come, waits for what
# its kind says, and says that it is done.
APPLICATION = '''
import os
from pathlib import Path

from allcores import http

here = Path(__file__).parent


def came():
    number = 0
    while True:
        try:
            (here / f"came-{number}").touch(exist_ok=False)
        except FileExistsError:
            number += 1
        else:
            return number


def note(what):
    thread = Path("/proc/thread-self/comm").read_text().strip()
    log = os.open(here / "log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(log, f"{what} {thread}\\n".encode())
    os.close(log)


def wait_at(gate):
    """Until the test has opened it to write."""
    print("waits at", gate)
    os.close(os.open(here / gate, os.O_RDONLY))


def handler(request):
    if request.path == "/held":
        return (here / "held").read_text()
    return {"number": number, "workers": len(http.statistics()["workers"])}


number = came()
note("begins")
'''


class Application:
    """The module above in a folder of its own, with `kind` at its end; and the gates' folder."""

    def __init__(self, folder: Path, kind: str, gates: list[str]) -> None:
        self.folder = folder
        (folder / "staged.py").write_text(APPLICATION + kind + '\nnote("is done")\n')
        for gate in gates:
            os.mkfifo(folder / gate)

    def command(self, cpus: int, workers: int) -> list[str]:
        """A server of it that takes the machine to have so many CPUs."""
        program = (
            "import allcores, allcores._serve\n"
            f"allcores._serve.cpu_count = lambda: {cpus}\n"
            f"allcores.serve('staged:handler', workers={workers}, port=0)"
        )
        return [sys.executable, "-c", program]

    def serve(self, cpus: int, workers: int) -> ServerProcess:
        return ServerProcess(self.command(cpus, workers), {"PYTHONPATH": str(self.folder)})

    def start(self, cpus: int, workers: int) -> AbstractContextManager[subprocess.Popen[str]]:
        """One that need not come so far as to serve."""
        return started(self.command(cpus, workers), {"PYTHONPATH": str(self.folder)})

    def log(self) -> list[str]:
        return (self.folder / "log").read_text().splitlines()

    def open(self, gate: str) -> int:
        """As soon as a worker waits there."""
        return os.open(self.folder / gate, os.O_WRONLY)


def refuses(server: ServerProcess) -> bool:
    """Whether it takes no more connections; one that it stops in the middle of is reset."""
    try:
        server.socket().close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        pass
    return False


def test_the_first_worker_answers_while_the_others_load(tmp_path: Path) -> None:
    app = Application(tmp_path, "if number > 0: wait_at('gate')", ["gate"])
    with app.serve(cpus=2, workers=5) as server:
        for _ in range(20):
            assert json.loads(server.get("/")[1]) == {"number": 0, "workers": 5}
        assert sum("is done" in line for line in app.log()) == 1
        gate = app.open("gate")
        while sum("is done" in line for line in app.log()) < 5:
            assert server.get("/")[0].status == 200
        os.close(gate)
        assert "with 5 workers" in server.output()
        assert server.end() == 0
        assert server.stderr() == ""


@pytest.mark.parametrize("cpus", [1, 2, 3])
def test_as_many_load_at_a_time_as_there_are_cpus(tmp_path: Path, cpus: int) -> None:
    gates = [f"gate-{number}" for number in range(1, 7)]
    app = Application(tmp_path, "if number > 0: wait_at(f'gate-{number}')", gates)
    with app.serve(cpus=cpus, workers=7) as server:
        # All but one of the places are held until the end: each that opens was with those.
        for number in [*range(cpus, 7), *range(1, cpus)]:
            os.close(app.open(f"gate-{number}"))
        while sum("is done" in line for line in app.log()) < 7:
            assert server.get("/")[0].status == 200
        assert server.end() == 0
    loading, most = 0, 0
    for line in app.log():
        loading += 1 if line.startswith("begins") else -1
        most = max(most, loading)
    assert most == cpus
    began = [line.split()[-1] for line in app.log() if line.startswith("begins")]
    assert sorted(began) == [f"worker-{number}" for number in range(7)]
    if cpus == 1:
        assert began == sorted(began)


def test_a_worker_that_can_not_load_stops_those_that_serve(tmp_path: Path) -> None:
    kind = """
if number > 1:
    wait_at('gate')
    raise RuntimeError("not one more")
"""
    app = Application(tmp_path, kind, ["gate", "held"])
    with app.serve(cpus=2, workers=6) as server:
        connection = server.connect()
        connection.request("GET", "/held")
        held = app.open("held")
        gate = app.open("gate")
        while not refuses(server):
            pass
        os.write(held, b"finished")
        os.close(held)
        assert connection.getresponse().read() == b"finished"
        connection.close()
        assert server.process.wait(30) == 1
        os.close(gate)
        assert "staged.py" in server.stderr()
        assert server.stderr().endswith(
            "allcores: the handler can't be loaded: RuntimeError: not one more\n"
        )
        assert server.stderr().count("Traceback") == 1
    assert len(list(tmp_path.glob("came-*"))) <= 4  # nobody else has tried


def test_nothing_is_served_when_the_first_can_not_load(tmp_path: Path) -> None:
    kind = """
if number == 0:
    raise RuntimeError("not even one")
wait_at('gate')
"""
    app = Application(tmp_path, kind, ["gate"])
    with app.start(cpus=2, workers=6) as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "serving on" not in out
    assert err.endswith("allcores: the handler can't be loaded: RuntimeError: not even one\n")
