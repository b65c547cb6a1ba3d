"""FastAPI and Django, each by `allcores serve` at full load, for as long as one likes.

    soak.py [--seconds N] [--reload-every N] [--workers N] [--applications NAME ...]

A process for each application asks it for everything that it has, with 20 connections that must get
the right answers, and others that break off in heads, bodies, answers and WebSockets, or send what
is none of HTTP. Handlers raise. In the middle of every round of `--reload-every` seconds a SIGHUP
replaces all workers. At its end the load pauses: then the descriptors have to be as many as before,
and memory is read.

It ends with status 1 when a right request did not get its answer, the server has said on standard
error what nobody wanted, descriptors are left, or memory grows from round to round.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path[:0] = [str(FOLDER), str(FOLDER.parent / "python")]

from served import FOLDERS, descriptors, until  # noqa: E402
from servers import ServerProcess  # noqa: E402

APPLICATIONS = {
    "fastapi": ("fastapi", "fastapi_app:app"),
    "django": ("django", "django_app:wsgi"),
    "django-asgi": ("django", "django_app:asgi"),
}
# What a server may say on standard error: the failure that soak_clients.fails asks for, and what
# Django logs of a client that has gone in the middle of its body.
WANTED = re.compile(
    r"[ \t].*|Traceback \(most recent call last\):|LookupError: fails on purpose"
    r"|GET /fails failed|Internal Server Error: /fails|Internal Server Error: /echo"
    r"|ConnectionResetError: .* the client went away, or was too slow, before .*"
    r"|django.http.request.UnreadablePostError: .* the client went away, .*"
    r"|The above exception was the direct cause of the following exception:|"
)
WORKER = re.compile(r"worker-(\d+)")
# Memory of round after round differs by what the last requests were; a leak adds up.
FREE_GROWTH, GROWTH_OF_A_ROUND = 12.0, 1.0  # MiB

SET_UP = """
import django
django.setup()
from django.core.management import call_command
call_command("migrate", run_syncdb=True, verbosity=0)
from django_site.models import Author, Counter
Author.objects.create(name="Ada")
Counter.objects.create(name="load")
"""


class Problem(Exception):
    """What the soak is there to find."""


class Soaked:
    """One application, its server and its load; a context manager."""

    def __init__(self, name: str, workers: int, folder: Path) -> None:
        self.name = name
        self.workers = workers
        self.reloads = 0
        self.right = 0
        self.memory: list[float] = []  # MiB, at the end of each round
        self.expected: int | None = None  # how many descriptors, at the end of each
        self.read_until = 0  # of standard error
        kind, target = APPLICATIONS[name]
        environment = {
            "PYTHONPATH": os.pathsep.join(map(str, FOLDERS)),
            "APP_DATABASE": f"sqlite:{folder / name}",
            "DJANGO_SETTINGS_MODULE": "django_app",
        }
        if kind == "django":
            subprocess.run([sys.executable, "-c", SET_UP], check=True, env=os.environ | environment)
        command = [sys.executable, "-W", "error::RuntimeWarning", "-m", "allcores", "serve", target,
                   "--port", "0", "--workers", str(workers)]  # fmt: skip
        self.server = ServerProcess(command, environment)
        self.pid = self.server.process.pid
        self.load = subprocess.Popen(
            [sys.executable, FOLDER / "soak_load.py", kind, str(self.server.port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Soaked:
        return self

    def __exit__(self, *error: object) -> None:
        self.load.kill()
        self.load.communicate()
        self.server.close()

    def tell(self, word: str) -> None:
        assert self.load.stdin is not None
        self.load.stdin.write(word + "\n")
        self.load.stdin.flush()

    def reload(self) -> None:
        self.reloads += 1
        self.server.process.send_signal(signal.SIGHUP)

    def settle(self) -> None:
        """Wait for the workers of the last reload, and for those before to have gone."""
        first = self.reloads * self.workers
        wanted = set(range(first, first + self.workers))
        until(f"{self.name}: only the new workers are there", lambda: self.present() == wanted, 120)

    def present(self) -> set[int]:
        """The numbers of the workers' threads that there are."""
        if self.server.process.poll() is not None:
            said = self.server.stderr()[-8000:]
            raise Problem(f"{self.name} has ended, status {self.server.process.returncode}: {said}")
        found = set()
        for thread in os.listdir(f"/proc/{self.pid}/task"):
            try:
                name = Path(f"/proc/{self.pid}/task/{thread}/comm").read_text().strip()
            except OSError:
                continue  # it has just ended
            if match := WORKER.fullmatch(name):
                found.add(int(match[1]))
        return found

    def end_of_round(self) -> str:
        """Stops the load and looks at what there is; what to say of it. Raises Problem."""
        self.tell("stop")
        assert self.load.stdout is not None
        found = json.loads(self.load.stdout.readline() or '{"errors": ["the load has ended"]}')
        self.right += found.get("right", 0)
        self.check_said()
        if found["errors"]:
            texts = "\n  ".join(found["errors"][:20])
            raise Problem(f"{self.name}: {len(found['errors'])} errors:\n  {texts}")
        self.settle()
        self.check_descriptors()
        self.check_said()
        self.memory.append(pss_mib(self.pid))
        numbers = ", ".join(f"{found.get(kind, 0)} {kind}"
                            for kind in ("right", "rude", "messages", "failed"))  # fmt: skip
        with open(f"/proc/{self.pid}/maps") as file:
            maps = sum(1 for _ in file)
        threads = len(os.listdir(f"/proc/{self.pid}/task"))
        return (
            f"{self.name:11} {self.reloads:3} reloads, {self.memory[-1]:6.1f} MiB, "
            f"{descriptors(self.server)} files, {threads} threads, {maps} mappings; {numbers}"
        )

    def check_descriptors(self) -> None:
        if self.expected is None:
            self.expected = descriptors(self.server)
        expected = self.expected
        until(
            f"{self.name}: no more than {expected} descriptors: {self.open_files()}",
            lambda: descriptors(self.server) <= expected,
        )

    def open_files(self) -> dict[str, int]:
        """What is open, and how often."""
        found: dict[str, int] = {}
        for number in os.listdir(f"/proc/{self.pid}/fd"):
            try:
                target = re.sub(r"\d+", "N", os.readlink(f"/proc/{self.pid}/fd/{number}"))
            except OSError:
                continue
            found[target] = found.get(target, 0) + 1
        return found

    def check_said(self) -> None:
        """Raises Problem for a line on standard error that nobody wanted."""
        text = self.server.stderr()
        new, self.read_until = text[self.read_until :], len(text)
        lines = new.splitlines()
        for number, line in enumerate(lines):
            if not WANTED.fullmatch(line):
                around = "\n".join(lines[max(0, number - 60) : number + 20])
                raise Problem(f"{self.name} said {line!r}:\n{around}")

    def check_memory(self) -> None:
        """Raises Problem when the last rounds had more memory than those before them."""
        third = len(self.memory) // 3
        if third == 0:
            return
        before = statistics.median(self.memory[third : 2 * third])
        after = statistics.median(self.memory[-third:])
        rounds = len(self.memory) - 2 * third
        print(f"{self.name}: {(after - before) / rounds:+.2f} MiB a round, of {after:.0f}")
        if after - before > FREE_GROWTH + GROWTH_OF_A_ROUND * rounds:
            raise Problem(f"{self.name}: memory grows: {[round(each) for each in self.memory]}")

    def end(self) -> None:
        status = self.server.end(signal.SIGTERM)
        self.check_said()
        if status != 0:
            raise Problem(f"{self.name} ended with status {status}: {self.server.stderr()[-3000:]}")
        said = self.server.output()
        started, ended = (said.count(f"fastapi: {word}\n") for word in ("up", "down"))
        if self.name == "fastapi" and {started, ended} != {self.workers * (self.reloads + 1)}:
            raise Problem(f"{started} lifespans began and {ended} ended, {self.reloads} reloads")


def pss_mib(pid: int) -> float:
    found = re.search(r"Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text())
    assert found is not None
    return int(found[1]) / 1024


def soak(seconds: float, reload_every: float, workers: int, names: list[str]) -> None:
    """All applications at once; raises Problem, or AssertionError for what takes too long."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        all_soaked = [stack.enter_context(Soaked(name, workers, folder)) for name in names]
        started = time.monotonic()
        for soaked in all_soaked:
            soaked.settle()
        while time.monotonic() - started < seconds:
            for soaked in all_soaked:
                soaked.tell("go")
            time.sleep(reload_every / 2)
            for soaked in all_soaked:
                soaked.reload()
            time.sleep(reload_every / 2)
            for soaked in all_soaked:
                print(f"{time.monotonic() - started:5.0f} s {soaked.end_of_round()}", flush=True)
        for soaked in all_soaked:
            soaked.check_memory()
            soaked.end()
            assert soaked.right > 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--reload-every", type=float, default=60, help="seconds")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--applications", nargs="+", default=["fastapi", "django"],
                        choices=APPLICATIONS)  # fmt: skip
    given = parser.parse_args()
    try:
        soak(given.seconds, given.reload_every, given.workers, given.applications)
    except Problem as problem:
        print(f"soak: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
