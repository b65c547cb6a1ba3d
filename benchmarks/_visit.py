"""One start of a server for `./bench extensions`: its first answers, its load, its memory."""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import dataclasses
import subprocess
import time

import _load
import _processes
import _running
import _servers

WAYS = ("tree", "product")
# A seven as one would write it, between the rows that the search has.
POINT = (
    "0,0,6,15,15,4,0,0,0,3,16,13,14,11,0,0,0,2,7,1,12,9,0,0,0,0,0,4,15,3,0,0,"
    "0,0,2,14,13,4,0,0,0,0,8,16,8,2,0,0,0,0,11,9,0,0,0,0,0,0,13,4,0,0,0,0"
)
EXPECTED = """
import sys
sys.path.insert(0, sys.argv[1])
import neighbours_work as work
finder = work.load()
for way in sys.argv[3:]:
    print(work.respond(finder, sys.argv[2], way))
"""
WORKERS_PATIENCE = 30.0  # seconds, for all to answer


@dataclasses.dataclass
class Visit:
    """What one start of a server gave."""

    first_answer: float  # seconds from the start of its process, as the following
    all_answered: float  # until every worker has answered, or the last that did
    workers_seen: int
    start_cpu: float  # CPU seconds by then, all its processes
    memory_mib: float = 0.0  # after load: PSS
    unmapped_mib: float | None = None  # and what its memory files hold besides; None: unknown
    processes: int = 0
    load: dict[str, _load.Measurement] = dataclasses.field(default_factory=dict)  # by way


def path(way: str) -> str:
    return f"/nearest?point={POINT}&way={way}"


def expected_bodies() -> dict[str, str]:
    """What every server has to answer, from the work done here."""
    command = [_servers.python_for_servers(), "-c", EXPECTED, str(_servers.APPS), POINT, *WAYS]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return dict(zip(WAYS, done.stdout.splitlines(), strict=True))


def wait_for_all(running: _running.Running, workers: int) -> tuple[float, int]:
    """Ask until every worker has answered; when the last one did, and how many have."""
    seen: set[bytes] = set()
    last = time.monotonic()
    deadline = last + WORKERS_PATIENCE

    def ask(_: int) -> tuple[float, bytes] | None:
        with contextlib.suppress(OSError):
            status, body = _running.fetch(running.port, "/who")
            if status == 200:
                return time.monotonic(), body
        return None

    with concurrent.futures.ThreadPoolExecutor(2 * workers) as pool:
        while len(seen) < workers and time.monotonic() < deadline:
            for answer in sorted(filter(None, pool.map(ask, range(2 * workers)))):
                if answer[1] not in seen:
                    seen.add(answer[1])
                    last = answer[0]
    return last - running.started, len(seen)


def visit(
    server: _servers.Server, workers: int, bodies: dict[str, str], arguments: argparse.Namespace
) -> Visit:
    """Start a server, let it work, and end it."""
    with _running.Running(server, workers, settle=False) as running:
        after, seen = wait_for_all(running, workers)
        found = Visit(running.first_answer, after, seen, _processes.used_seconds(running.pids()))
        for way, body in bodies.items():
            options = {"path": path(way), "body": body, "connections": arguments.connections}
            _load.run(running, "closed", **options, seconds=arguments.seconds / 3)
            found.load[way] = _load.run(running, "closed", **options, seconds=arguments.seconds)
        pids = running.pids()
        found.processes = len(pids)
        found.memory_mib = _processes.memory_mib(pids)
        with contextlib.suppress(PermissionError):
            found.unmapped_mib = _processes.unmapped_mib(pids)
    return found
