"""A PostgreSQL server for the tests: Debian's, in a temporary folder, as a user without rights."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BINARIES = Path("/usr/lib/postgresql")


def missing() -> str | None:
    """What is missing here; None when nothing is."""
    if not list(BINARIES.glob("*/bin/initdb")):
        return f"there is no PostgreSQL in {BINARIES}"
    return None


def _user() -> tuple[str, ...]:
    """PostgreSQL refuses to run as root; its package has made a user for it."""
    if os.geteuid() != 0:
        return ()
    user = pwd.getpwnam("postgres")
    switch = f"--reuid={user.pw_uid} --regid={user.pw_gid} --clear-groups"
    return ("setpriv", *switch.split(), "--")


@contextmanager
def postgresql() -> Iterator[str]:
    """The folder of the Unix socket of a running server, with an empty database `postgres`."""
    binaries = max(BINARIES.glob("*/bin"))
    # Not a folder of pytest's: those are closed to other users. A socket's path must be short.
    folder = Path(tempfile.mkdtemp(prefix="allcores-postgresql-"))
    user = _user()
    if user:
        shutil.chown(folder, "postgres", "postgres")
    data, log = folder / "data", folder / "log"

    def run(*command: str | Path) -> None:
        done = subprocess.run([*user, *command], cwd=folder, capture_output=True, text=True)
        said = log.read_text() if log.exists() else ""
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}{said}"

    try:
        create = "--auth=trust --no-sync --no-instructions --locale=C --encoding=UTF8"
        run(binaries / "initdb", "-D", data, "-U", "postgres", *create.split())
        # Only the Unix socket. Nothing of it need survive a crash.
        options = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off"
        options += " -c shared_buffers=16MB -c max_connections=64"
        control = (binaries / "pg_ctl", "-D", data, "-l", log, "-w", "-t", "60")
        # With its output to a pipe of ours, start would end only when the server does.
        start = [*user, *control, "-o", options, "start"]
        done = subprocess.run(
            start, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
        )
        assert done.returncode == 0, log.read_text()
        try:
            yield str(folder)
        finally:
            run(*control, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
