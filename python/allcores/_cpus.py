"""How many CPUs this process may use."""

from __future__ import annotations

import os

# Not from typing, and no pathlib: what a program imports without need is memory that it lacks
# elsewhere.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def cpu_count() -> int:
    """The number of CPUs that this process may use, at least 1.

    The CPUs of its affinity mask, and no more than the CPU time per second that its control groups
    (containers) allow, rounded up.
    """
    allowed = len(os.sched_getaffinity(0))
    for quota in _quotas("/proc/self", "/sys/fs/cgroup"):
        allowed = min(allowed, max(1, -(-quota[0] // quota[1])))
    return max(1, allowed)


def _quotas(process: str, mounted: str) -> Iterator[tuple[int, int]]:
    """Quota and period, in µs, of each group that the process is in, and of those above."""
    try:
        lines = _read(process, "cgroup").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers == "":  # version 2
            roots = [mounted, os.path.join(mounted, "unified")]
        elif "cpu" in controllers.split(","):
            roots = [os.path.join(mounted, name) for name in (controllers, "cpu")]
        else:
            continue
        for root in roots:
            level = os.path.join(root, group.strip("/")).rstrip("/")
            # Inside a container the path is the host's and does not exist: the root is the
            # container's own group.
            if not os.path.exists(level):
                level = root
            while True:
                quota = _quota_v2(level) if controllers == "" else _quota_v1(level)
                if quota is not None:
                    yield quota
                if level == root:
                    break
                level = os.path.dirname(level)


def _read(folder: str, name: str) -> str:
    with open(os.path.join(folder, name)) as file:
        return file.read()


def _quota_v2(folder: str) -> tuple[int, int] | None:
    try:
        quota, period = _read(folder, "cpu.max").split()
    except OSError, ValueError:
        return None
    return None if quota == "max" or int(period) <= 0 else (int(quota), int(period))


def _quota_v1(folder: str) -> tuple[int, int] | None:
    try:
        quota = int(_read(folder, "cpu.cfs_quota_us"))
        period = int(_read(folder, "cpu.cfs_period_us"))
    except OSError, ValueError:
        return None
    return None if quota <= 0 or period <= 0 else (quota, period)
