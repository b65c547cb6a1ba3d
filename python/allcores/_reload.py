"""`allcores serve --reload`: a process that watches files, and one that serves, started again.

The server is ended as by SIGTERM and started anew when a file changes. One that fails to start is
not: the next change is waited for.
"""

from __future__ import annotations

import contextlib
import fnmatch
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from allcores._command_options import UsageError

POLL_SECONDS = 0.4
# How long a server that was told to end may take longer than its own grace.
PATIENCE_SECONDS = 10.0
SKIPPED_FOLDERS = frozenset({"__pycache__", "node_modules", "site-packages"})


class Patterns:
    """Which files matter: *.py and what is included, but for what is excluded.

    A pattern is for a file's or a folder's name, or for its path from the watched folder.
    """

    def __init__(self, include: Sequence[str], exclude: Sequence[str]) -> None:
        self._include = ["*.py", *include]
        self._exclude = list(exclude)

    def skips(self, name: str, relative: str) -> bool:
        """Whether a folder is not looked into."""
        return name.startswith(".") or name in SKIPPED_FOLDERS or self._any(self._exclude, relative)

    def takes(self, relative: str) -> bool:
        """Whether a file counts."""
        return self._any(self._include, relative) and not self._any(self._exclude, relative)

    @staticmethod
    def _any(patterns: list[str], relative: str) -> bool:
        name = relative.rpartition("/")[2]
        return any(
            fnmatch.fnmatchcase(relative, each) or fnmatch.fnmatchcase(name, each)
            for each in patterns
        )


class Watched:
    """What is watched: folders with patterns, and single files."""

    def __init__(self, folders: Sequence[str], files: Sequence[str], patterns: Patterns) -> None:
        self.folders = [os.path.abspath(folder) for folder in folders]
        self.files = [os.path.abspath(file) for file in files]
        self._patterns = patterns

    def takes(self, path: str) -> bool:
        """Whether a change of this file, or its end, counts."""
        if path in self.files:
            return True
        for folder in self.folders:
            if path.startswith(folder.rstrip("/") + "/"):
                relative = path[len(folder.rstrip("/")) + 1 :]
                parts = relative.split("/")
                inner = ("/".join(parts[: i + 1]) for i in range(len(parts) - 1))
                if not any(self._patterns.skips(each.rpartition("/")[2], each) for each in inner):
                    return self._patterns.takes(relative)
        return False

    def snapshot(self) -> dict[str, tuple[int, int]]:
        """All files that count, with the time of their last change and their size."""
        found: dict[str, tuple[int, int]] = {}
        for path in self.files:
            try:
                status = os.stat(path)
            except OSError:
                continue
            found[path] = (status.st_mtime_ns, status.st_size)
        for folder in self.folders:
            for path, status in self._walk(folder, ""):
                found[path] = (status.st_mtime_ns, status.st_size)
        return found

    def _walk(self, folder: str, inner: str) -> Iterator[tuple[str, os.stat_result]]:
        try:
            with os.scandir(os.path.join(folder, inner)) as entries:
                listed = list(entries)
        except OSError:
            return
        if inner and any(entry.name == "pyvenv.cfg" for entry in listed):
            return
        for entry in listed:
            relative = f"{inner}/{entry.name}" if inner else entry.name
            try:
                if entry.is_dir(follow_symlinks=False):
                    if not self._patterns.skips(entry.name, relative):
                        yield from self._walk(folder, relative)
                elif self._patterns.takes(relative):
                    yield entry.path, entry.stat()
            except OSError:  # it has gone meanwhile
                continue


class Watcher(Protocol):
    """Who tells of changes: the paths since the last start()."""

    name: str
    timeout: float | None

    def start(self) -> None: ...
    def changes(self) -> list[str]: ...


class PollingWatcher:
    """Looks at all files every now and then."""

    name = f"every {POLL_SECONDS} s"
    timeout: float | None = POLL_SECONDS

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._before: dict[str, tuple[int, int]] = {}

    def start(self) -> None:
        self._before = self._watched.snapshot()

    def changes(self) -> list[str]:
        now = self._watched.snapshot()
        return sorted(
            path for path in {*now, *self._before} if now.get(path) != self._before.get(path)
        )


class NotifiedWatcher:
    """Hears of changes from the package watchfiles, on a thread that writes to a pipe."""

    name = "by watchfiles"
    timeout: float | None = None

    def __init__(self, watched: Watched, watchfiles: Any, wake: int) -> None:
        self._watched = watched
        self._watchfiles = watchfiles
        self._wake = wake
        self._lock = threading.Lock()
        self._changes: set[str] = set()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        for changes in self._watchfiles.watch(
            *self._watched.folders,
            *(file for file in self._watched.files if os.path.exists(file)),
            watch_filter=lambda _change, path: self._watched.takes(path),
            raise_interrupt=False,
        ):
            with self._lock:
                self._changes.update(path for _, path in changes)
            os.write(self._wake, b"\0")

    def start(self) -> None:
        with self._lock:
            self._changes.clear()

    def changes(self) -> list[str]:
        with self._lock:
            return sorted(self._changes)


def run(arguments: Sequence[str], given: dict[str, Any], adopted: Sequence[int]) -> int:
    """Serve with these options of the command line and start again at changes; the exit status."""
    folders = given.get("reload-dir") or [given.get("app-dir", ".")]
    for folder in folders:
        if not os.path.isdir(folder):
            raise UsageError(f"--reload-dir {folder}: there is no such folder")
    files = [given[name] for name in ("config", "env-file") if name in given]
    patterns = Patterns(given.get("reload-include", ()), given.get("reload-exclude", ()))
    descriptors = given.get("fd", [])
    reader, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    watcher = _watcher(Watched(folders, files, patterns), wake)
    print(f"allcores: watching {' and '.join(folders)} {watcher.name}", flush=True)
    grace = given.get("timeout-graceful-shutdown", 10.0)
    command = _command(arguments, adopted)
    supervisor = _Supervisor(command, descriptors, watcher, reader, wake, grace)
    return supervisor.run()


def _watcher(watched: Watched, wake: int) -> Watcher:
    try:
        import watchfiles  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return PollingWatcher(watched)
    return NotifiedWatcher(watched, watchfiles, wake)


def _command(arguments: Sequence[str], adopted: Sequence[int]) -> list[str]:
    """The command that serves: this process's own, without --reload."""
    own = sys.orig_argv[: len(sys.orig_argv) - len(arguments)]
    options = ["--no-reload", *(f"--fd={number}" for number in adopted)]
    rest = list(arguments)
    end = rest.index("--") if "--" in rest else len(rest)
    kept = [word for word in rest[:end] if word != "--reload"]
    return [sys.executable, *own[1:], *options, *kept, *rest[end:]]


class _Supervisor:
    """Starts the server, and again when told to."""

    def __init__(
        self,
        command: list[str],
        descriptors: Sequence[int],
        watcher: Watcher,
        reader: int,
        wake: int,
        grace: float,
    ) -> None:
        self._grace = grace
        self._command = command
        self._descriptors = tuple(descriptors)
        self._watcher = watcher
        self._reader = reader
        self._wake = wake
        self._signals: list[int] = []
        self._child: subprocess.Popen[bytes] | None = None

    def run(self) -> int:
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda number, _frame: self._signals.append(number))
        signal.signal(signal.SIGHUP, self._restart)
        is_first = True
        while True:
            self._watcher.start()
            self._child = subprocess.Popen(self._command, pass_fds=self._descriptors)
            changed = self._wait()
            if changed:
                self._say_what(changed)
            if changed or self._signals:
                self._end_child()
            status = self._child.wait()
            self._child = None
            is_over = not changed and (status == 0 or (status == 2 and is_first))
            if not (changed or self._signals or is_over):
                print("allcores: stopped; waiting for a change", file=sys.stderr, flush=True)
                changed = self._wait()
                if changed:
                    self._say_what(changed)
            if self._signals or is_over:
                return status if status >= 0 else 128 - status
            is_first = False

    def _restart(self, number: int, _frame: object) -> None:
        """The server's workers restart; the server itself does not."""
        if self._child is not None:
            self._child.send_signal(number)

    def _say_what(self, changed: list[str]) -> None:
        names = ", ".join(os.path.relpath(path) for path in changed[:3])
        print(f"allcores: {names} changed, starting again", flush=True)

    def _wait(self) -> list[str]:
        """Until files have changed, a signal has come or the server has ended."""
        while not self._signals:
            if self._sleep(self._watcher.timeout):
                return []
            changed = [] if self._signals else self._watcher.changes()
            if changed:
                return changed
        return []

    def _sleep(self, seconds: float | None) -> bool:
        """Until something happens, or so long. Whether the server has ended."""
        if self._child is None:
            select.select([self._reader], [], [], seconds)
            self._empty_pipe()
            return False
        ended = os.pidfd_open(self._child.pid)
        try:
            ready, _, _ = select.select([self._reader, ended], [], [], seconds)
        finally:
            os.close(ended)
        self._empty_pipe()
        return ended in ready

    def _empty_pipe(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._reader, 4096)

    def _end_child(self) -> None:
        """Ask the server to end; one that does not is killed."""
        assert self._child is not None
        deadline = time.monotonic() + self._grace + PATIENCE_SECONDS
        if not self._signals:
            self._child.terminate()
        told = 0
        while True:
            for number in self._signals[told:]:
                # The terminal has sent its SIGINT to both.
                if number != signal.SIGINT or not _is_in_foreground():
                    self._child.send_signal(number)
            told = len(self._signals)
            if self._sleep(max(0.0, deadline - time.monotonic())):
                return
            if time.monotonic() >= deadline:
                self._child.kill()
                return


def _is_in_foreground() -> bool:
    try:
        return os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False
