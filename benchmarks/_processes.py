"""Whole trees of processes, read from /proc: who is in them, CPU time, memory. Linux only."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import pathlib

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third (the state) on."""
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def descendants(root: int) -> list[int]:
    """The processes that `root` started, and theirs, without itself and without zombies."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                state, parent = _stat(int(entry))[:2]
            except OSError:
                continue
            if state not in "ZX":
                children.setdefault(int(parent), []).append(int(entry))
    found: list[int] = []
    todo = [root]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return sorted(found)


@dataclasses.dataclass
class CpuTime:
    """CPU time used by some processes up to a moment: by thread in ns, and by process in ticks."""

    threads: dict[tuple[int, int], int]
    ticks: dict[int, int]

    @staticmethod
    def of(pids: list[int]) -> CpuTime:
        threads = {}
        ticks = {}
        for pid in pids:
            user, system = _stat(pid)[11:13]
            ticks[pid] = int(user) + int(system)
            for thread in os.listdir(f"/proc/{pid}/task"):
                try:
                    text = pathlib.Path(f"/proc/{pid}/task/{thread}/schedstat").read_text()
                except OSError:
                    continue  # the thread has just ended
                threads[pid, int(thread)] = int(text.split()[0])
        return CpuTime(threads, ticks)

    def since(self, before: CpuTime) -> float:
        """Seconds of CPU time between two moments.

        The scheduler's count in nanoseconds where no thread ended in between, else that of the
        kernel's accounting, in steps of 10 ms. Raises RuntimeError if a process has come or gone.
        """
        if self.ticks.keys() != before.ticks.keys():
            raise RuntimeError("processes of the server ended or began during the measurement")
        total = 0.0
        for pid in self.ticks:
            earlier = {key: value for key, value in before.threads.items() if key[0] == pid}
            later = {key: value for key, value in self.threads.items() if key[0] == pid}
            if earlier.keys() <= later.keys() and any(later.values()):
                total += sum(value - earlier.get(key, 0) for key, value in later.items()) / 1e9
            else:
                total += (self.ticks[pid] - before.ticks[pid]) / TICKS_PER_SECOND
        return total


def used_seconds(pids: list[int]) -> float:
    """CPU time of the processes since they began, also of threads that have ended; 10 ms steps."""
    return sum(CpuTime.of(pids).ticks.values()) / TICKS_PER_SECOND


def _rolled_up(pids: list[int], field: str) -> float:
    """The sum of a field of /proc/PID/smaps_rollup, in MiB."""
    kib = 0
    for pid in pids:
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith(f"{field}:"):
                kib += int(line.split()[1])
    return kib / 1024


def memory_mib(pids: list[int]) -> float:
    """The processes' proportional set size: a page that n processes share counts 1/n in each."""
    return _rolled_up(pids, "Pss")


def unmapped_mib(pids: list[int]) -> float:
    """What the processes' memory files (memfd, and all in a tmpfs) hold beyond what is mapped.

    A page of such a file takes memory as long as the file has it, but counts in a PSS only where
    and while it is mapped. Raises PermissionError for one who may not look at others' files.
    """
    blocks = {}
    for pid in pids:
        folder = f"/proc/{pid}/map_files"
        for name in os.listdir(folder):
            try:
                target = os.readlink(f"{folder}/{name}")
                found = os.stat(f"{folder}/{name}")
            except FileNotFoundError:
                continue  # unmapped meanwhile
            if target.startswith("/memfd:") or found.st_dev in _tmpfs_devices():
                blocks[found.st_dev, found.st_ino] = found.st_blocks * 512
    return max(0.0, sum(blocks.values()) / 2**20 - _rolled_up(pids, "Pss_Shmem"))


@functools.cache
def _tmpfs_devices() -> frozenset[int]:
    """The devices of the file systems that are memory."""
    found = set()
    for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind = line.split()[:3]
        if kind == "tmpfs":
            with contextlib.suppress(OSError):
                found.add(os.stat(place).st_dev)
    return frozenset(found)
