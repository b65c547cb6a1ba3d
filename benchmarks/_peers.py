"""What the servers under test are made of: the peers' own environment, and our C++ programs."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Sequence

import _report as report

BUILD = report.TOP / "build"
REQUIREMENTS = report.TOP / "benchmarks" / "peers.txt"
PYTHON = "python3.14"  # Pyronova has wheels for no other


def environment() -> pathlib.Path:
    """The peers' virtual environment, made at its first use. Never the package's own.

    A package that can't be installed leaves the others usable; its server then fails to start
    and is reported so.
    """
    folder = BUILD / "peers-venv"
    stamp = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:16]
    mark = folder / ".stamp"
    if mark.exists() and mark.read_text() == stamp:
        return folder
    print("allcores: setting up the peers' environment", file=sys.stderr)
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([PYTHON, "-m", "venv", str(folder)], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q"]
    if subprocess.run([*pip, "-r", str(REQUIREMENTS)], capture_output=True).returncode != 0:
        for name in names():
            done = subprocess.run([*pip, name], capture_output=True, text=True)
            if done.returncode != 0:
                print(f"{name} can't be installed:\n{done.stderr[-1000:]}", file=sys.stderr)
    mark.write_text(stamp)
    return folder


def names() -> list[str]:
    """The packages that peers.txt asks for."""
    lines = REQUIREMENTS.read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def python(script: str, *arguments: str) -> list[str]:
    """The command that runs a script of benchmarks/apps with the peers' Python."""
    return [str(environment() / "bin" / "python"), script, *arguments]


def tool(name: str, *arguments: str) -> list[str]:
    """The command that runs a peer's own command-line program."""
    return [str(environment() / "bin" / name), *arguments]


def versions() -> dict[str, str]:
    """The installed packages of the peers' environment, and its Python."""
    program = (
        "import json, platform, importlib.metadata as m;"
        "print(json.dumps({'python': platform.python_version(),"
        " **{d.name.lower(): d.version for d in m.distributions()}}))"
    )
    output = subprocess.run(python("-c", program), capture_output=True, check=True).stdout
    found: dict[str, str] = json.loads(output)
    wanted = ["python", *names()]
    return {name: version for name, version in sorted(found.items()) if name in wanted}


def built(preset: str, program: str) -> str:
    """Build one of our C++ programs with its CMake preset; where it is."""
    folder = BUILD / preset
    if not (folder / "build.ninja").exists():
        _run(["cmake", "--preset", preset, "-S", str(report.TOP), "-B", str(folder)])
    _run(["cmake", "--build", str(folder), "--target", program])
    target = next(
        path for path in folder.rglob(program) if path.is_file() and os.access(path, os.X_OK)
    )
    return str(target)


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, cwd=report.TOP)
    if done.returncode != 0:
        log = BUILD / "benchmark-build.log"
        log.write_text(done.stdout + done.stderr)
        raise RuntimeError(f"{' '.join(command[:3])} failed, see {log.relative_to(report.TOP)}")


def load_generator() -> str:
    """The load generator's program, built if need be."""
    return built("load", "load")


def ceiling_command(port: int, workers: int | None) -> list[str]:
    """The server of our own net/ and http/ without any Python."""
    count = [] if workers is None else ["--workers", str(workers)]
    return [built("ceiling", "ceiling"), "--port", str(port), *count]
