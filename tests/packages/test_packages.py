"""Packages from PyPI's wheels, as they are, in three interpreters at once, again and again.

The stage `packages` of ./test runs it (tools/packages makes the environment that ALLCORES_PACKAGES
names). Each package has a module in jobs/, and a process of its own, which run.py is.
"""

import os
import pathlib
import signal
import subprocess
import sys

import pytest

import allcores

HERE = pathlib.Path(__file__).parent
JOBS = sorted(path.stem for path in (HERE / "jobs").glob("[!_]*.py"))
PYTHON = os.environ.get("ALLCORES_PACKAGES", "")
# Seconds; some compile for that long where the machine is busy.
LIMIT = 240

# What can't be imported here for reasons of its own, and what the error has to say.
REFUSED = {"pyodbc": "ImportError: libodbc.so.2: cannot open shared object file"}

pytestmark = pytest.mark.skipif(not PYTHON, reason="./test packages runs this")


def run(*arguments: str) -> tuple[int, str]:
    """A process with the packages and allcores: its exit status and what it said."""
    path = os.pathsep.join([str(pathlib.Path(allcores.__file__).parents[1]), str(HERE)])
    process = subprocess.Popen(
        [PYTHON, *arguments],
        env=os.environ | {"PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        said = process.communicate()[0] + f"\nit hung for {LIMIT} s"
    return process.returncode, said[-8000:]


def is_installed(job: str) -> bool:
    name = {"protobuf": "google.protobuf"}.get(job, job)
    code = f"import importlib.util as u; raise SystemExit(u.find_spec({name!r}) is None)"
    return subprocess.run([PYTHON, "-c", code]).returncode == 0


@pytest.mark.parametrize("job", JOBS)
def test_package(job: str) -> None:
    if not is_installed(job):
        pytest.skip("there is no wheel of it for this Python")
    # The longer form on one version of Python is enough.
    rounds = "3" if sys.version_info[:2] == (3, 14) else "2"
    status, said = run("-W", "error::RuntimeWarning", str(HERE / "run.py"), job, rounds)
    if job in REFUSED and status != 0:
        assert status == 1 and REFUSED[job] in said, said
        pytest.xfail(REFUSED[job])
    assert status == 0, said
    assert "the same everywhere" in said


def test_all_are_here() -> None:
    """Every package of the list has a job, but for what is there for others."""
    others = {"cloudpickle"}
    modules = {"pillow": "PIL", "scikit-learn": "sklearn", "pyyaml": "yaml", "pyzmq": "zmq"}
    modules |= {"rpds-py": "rpds", "grpcio": "grpc", "psycopg2-binary": "psycopg2"}
    for line in (HERE / "requirements.txt").read_text().splitlines():
        name = line.partition("==")[0].partition("[")[0]
        if name and not name.startswith("#") and name not in others:
            assert modules.get(name, name) in JOBS
