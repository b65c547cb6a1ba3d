"""Go's compiler, for what is compared with Go: the system's, or Debian's, which is not installed.

It is fetched with apt into build/go, with lists of apt's own there, and unpacked.
"""

from __future__ import annotations

import hashlib
import os
import pathlib
import shutil
import subprocess

import _report as report

FOLDER = report.TOP / "build" / "go"
PATIENCE = 600  # seconds for each command


class NoGoError(Exception):
    """There is no Go here; the text says why."""


def _run(*command: str, **environment: str) -> str:
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            cwd=FOLDER,
            timeout=PATIENCE,
            env={**os.environ, **environment},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoGoError(f"{command[0]}: {error}") from error
    if done.returncode != 0:
        raise NoGoError(f"{' '.join(command[:2])}: {(done.stderr or done.stdout).strip()[-500:]}")
    return done.stdout


def _apt(*command: str) -> str:
    """apt with lists and a cache of its own, that takes no lock and changes nothing else."""
    for name in ("lists/partial", "cache/archives/partial"):
        (FOLDER / name).mkdir(parents=True, exist_ok=True)
    (FOLDER / "status").touch()
    settings = {
        "Dir::State::lists": FOLDER / "lists",
        "Dir::State::status": FOLDER / "status",
        "Dir::Cache": FOLDER / "cache",
        "Debug::NoLocking": 1,
        "APT::Sandbox::User": "root",
    }
    options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    return _run(command[0], *options, *command[1:])


def _compiler() -> tuple[str, dict[str, str]]:
    """The go command, and what it needs in the environment."""
    installed = shutil.which("go")
    if installed is not None:
        return installed, {}
    root = FOLDER / "root"
    if not (root / ".complete").exists():
        _apt("apt-get", "-q", "update")
        depends = _apt("apt-cache", "depends", "golang-go").split()
        names = [each for each in depends if each.startswith("golang-1.") and each.endswith("-go")]
        if not names:
            raise NoGoError("golang-go depends on no golang-1.x-go")
        packages = (names[0], names[0].removesuffix("-go") + "-src")
        _apt("apt-get", "-q", "download", *packages)
        for package in packages:
            (archive,) = FOLDER.glob(f"{package}_*.deb")
            _run("dpkg", "-x", str(archive), str(root))
            archive.unlink()
        (root / ".complete").touch()
    (home,) = (root / "usr" / "lib").glob("go-*")
    return str(home / "bin" / "go"), {"GOROOT": str(home)}


def program(source: pathlib.Path) -> tuple[str, str]:
    """Build one file of Go: the program, and Go's version. Raises NoGoError."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    go, environment = _compiler()
    environment |= {
        "GOCACHE": str(FOLDER / "compiled"),
        "GOPATH": str(FOLDER / "path"),
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-mod=mod",
        "GO111MODULE": "off",
        "CGO_ENABLED": "0",
    }
    version = _run(go, "env", "GOVERSION", **environment).strip()
    mark = hashlib.sha256(source.read_bytes() + version.encode()).hexdigest()[:16]
    target = FOLDER / f"{source.stem}-{mark}"
    if not target.exists():
        _run(go, "build", "-o", str(target), str(source), **environment)
    return str(target), version
