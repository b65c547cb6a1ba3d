"""Packages from PyPI's wheels and from Debian, in three interpreters at once, again and again.

The stage `packages` of ./test runs it (tools/packages makes the environment that ALLCORES_PACKAGES
names). Each package has a module in jobs/, and a process of its own, which run.py is.
"""

import importlib.metadata
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import textwrap

import pytest

import allcores

HERE = pathlib.Path(__file__).parent
JOBS = sorted(path.stem for path in (HERE / "jobs").glob("[!_]*.py"))
PYTHON = os.environ.get("ALLCORES_PACKAGES", "")
# Seconds; some compile for that long where the machine is busy.
LIMIT = 240

# What can't be tried without something of the system's, and what the error says then.
MISSING = {
    "pyodbc": (
        "ImportError: libodbc.so.2: cannot open shared object file",
        "ImportError: the system has no driver of SQLite for ODBC",
    )
}

# Debian's own packages, which use the libraries of the system.
DEBIAN = ("numpy", "pandas", "lxml.etree", "psycopg2", "h5py")
DEBIAN_FOLDER = "/usr/lib/python3/dist-packages/"

# The longer form on one version of Python is enough.
ROUNDS = "3" if sys.version_info[:2] == (3, 14) else "2"

pytestmark = pytest.mark.skipif(not PYTHON, reason="./test packages runs this")


def run(*arguments: str, python: str = PYTHON, folder: str = "") -> tuple[int, str]:
    """A process with the packages and allcores: its exit status and what it said.

    What `folder` has is imported before what is installed.
    """
    folders = [folder, str(pathlib.Path(allcores.__file__).parents[1]), str(HERE)]
    path = os.pathsep.join(filter(None, folders))
    process = subprocess.Popen(
        [python, *arguments],
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


def run_job(job: str, python: str = PYTHON) -> str:
    """What the job found out, which is the same in every interpreter."""
    status, said = run(
        "-W", "error::RuntimeWarning", str(HERE / "run.py"), job, ROUNDS, python=python
    )
    for reason in MISSING.get(job, ()):
        if status == 1 and reason in said:
            pytest.skip(reason)
    assert status == 0, said
    assert "the same everywhere" in said
    return said


@pytest.mark.parametrize("job", JOBS)
def test_package(job: str) -> None:
    if not is_installed(job):
        pytest.skip("there is no wheel of it for this Python")
    run_job(job)


@pytest.mark.parametrize("module", DEBIAN)
def test_package_of_debian(module: str) -> None:
    """Installed for the system, and for no virtual environment."""
    name = "python{}.{}".format(*sys.version_info)
    python = shutil.which(name, path="/usr/bin")
    if python is None:
        pytest.skip(f"there is no /usr/bin/{name}")
    status, said = run("-c", f"import {module} as module; print(module.__file__)", python=python)
    if status != 0 or not said.startswith(DEBIAN_FOLDER):
        pytest.skip(f"there is no {module} of Debian's for this Python: {said.splitlines()[-1]}")
    run_job(module.partition(".")[0], python)


def test_pandas_without_pyarrow(tmp_path: pathlib.Path) -> None:
    """In an environment where only pandas and what it needs are installed, by links."""
    site = "import sysconfig; print(sysconfig.get_path('purelib'))"
    installed = subprocess.check_output([PYTHON, "-c", site], text=True).strip()
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", str(tmp_path)], check=True)
    python = str(tmp_path / "bin" / "python")
    target = pathlib.Path(subprocess.check_output([python, "-c", site], text=True).strip())
    wanted, seen = ["pandas"], set[str]()
    while wanted:
        name = wanted.pop()
        if name in seen:
            continue
        seen.add(name)
        (found,) = importlib.metadata.distributions(name=name, path=[installed])
        for top in {file.parts[0] for file in found.files or ()} - {"..", "__pycache__"}:
            (target / top).symlink_to(pathlib.Path(installed, top))
        for need in found.requires or ():
            requirement, _, condition = need.partition(";")
            if "extra ==" not in condition and "win32" not in condition:
                wanted.append(re.split(r"[^\w.-]", requirement)[0])
    assert "numpy" in seen
    run_job("pandas", python)


def test_pyodbc_without_the_system_s_library(tmp_path: pathlib.Path) -> None:
    """What a user sees where unixODBC is missing, as in plain Python: here it has another name."""
    code = "import importlib.util as u; print(u.find_spec('pyodbc').origin)"
    original = subprocess.check_output([PYTHON, "-c", code], text=True).strip()
    needs, other = b"libodbc.so.2", b"libodbc.so.?"
    binary = pathlib.Path(original).read_bytes()
    assert needs in binary
    (tmp_path / pathlib.Path(original).name).write_bytes(binary.replace(needs, other))
    code = """
    import allcores
    def work():
        try:
            import pyodbc
        except ImportError as error:
            return str(error)
    with allcores.Interpreter() as interpreter:
        print([interpreter.call(work), interpreter.call(work), work()])
    """
    status, said = run("-c", textwrap.dedent(code), folder=str(tmp_path))
    expected = f"{other.decode()}: cannot open shared object file: No such file or directory"
    assert (status, said) == (0, f"{[expected] * 3}\n")


def test_soak() -> None:
    """A short one; soak.py --seconds 3600 is the long one."""
    status, said = run(str(HERE / "soak.py"), "--seconds", "15", "--interpreters", "2")
    assert status == 0, said
    left = re.search(r"left: (-?[\d.]+) MiB", said)
    # What stays of one whose images stay: 100 MiB.
    assert left is not None and float(left[1]) < 40, said


def test_all_are_here() -> None:
    """Every package of the list has a job, but for what is there for others."""
    others = {"cloudpickle"}
    modules = {"pillow": "PIL", "scikit-learn": "sklearn", "pyyaml": "yaml", "pyzmq": "zmq"}
    modules |= {"rpds-py": "rpds", "grpcio": "grpc", "psycopg2-binary": "psycopg2"}
    modules |= {"opencv-python-headless": "cv2", "pynacl": "nacl"}
    for line in (HERE / "requirements.txt").read_text().splitlines():
        name = line.partition("==")[0].partition("[")[0]
        if name and not name.startswith("#") and name not in others:
            assert modules.get(name, name) in JOBS
