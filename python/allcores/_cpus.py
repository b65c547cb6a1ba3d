"""How many CPUs this process may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def cpu_count() -> int:
    """The number of CPUs that this process may use, at least 1.

    The CPUs of its affinity mask, and no more than the CPU time per second that its control groups
    (containers) allow, rounded up.
    """
    allowed = len(os.sched_getaffinity(0))
    for quota in _quotas(Path("/proc/self"), Path("/sys/fs/cgroup")):
        allowed = min(allowed, max(1, -(-quota[0] // quota[1])))
    return max(1, allowed)


def _quotas(process: Path, mounted: Path) -> Iterator[tuple[int, int]]:
    """Quota and period, in µs, of each group that the process is in, and of those above."""
    try:
        lines = (process / "cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers == "":  # version 2
            roots = [mounted, mounted / "unified"]
        elif "cpu" in controllers.split(","):
            roots = [mounted / controllers, mounted / "cpu"]
        else:
            continue
        for root in roots:
            folder = root / group.lstrip("/")
            # Inside a container the path is the host's and does not exist: the root is the
            # container's own group.
            folders = [folder, *folder.parents] if folder.exists() else [root]
            for level in folders:
                quota = _quota_v2(level) if controllers == "" else _quota_v1(level)
                if quota is not None:
                    yield quota
                if level == root:
                    break


def _quota_v2(folder: Path) -> tuple[int, int] | None:
    try:
        quota, period = (folder / "cpu.max").read_text().split()
    except OSError, ValueError:
        return None
    return None if quota == "max" or int(period) <= 0 else (int(quota), int(period))


def _quota_v1(folder: Path) -> tuple[int, int] | None:
    try:
        quota = int((folder / "cpu.cfs_quota_us").read_text())
        period = int((folder / "cpu.cfs_period_us").read_text())
    except OSError, ValueError:
        return None
    return None if quota <= 0 or period <= 0 else (quota, period)
