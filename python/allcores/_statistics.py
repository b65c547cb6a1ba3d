"""What a running server has counted."""

from __future__ import annotations

import os

from allcores._core import server_statistics

# Not from typing: its import costs every interpreter more than all of this package.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def statistics() -> dict[str, Any]:
    """What the running server has counted; for its handlers and the main interpreter.

    {"uptime": seconds, "requests", "connections" (open now), "bytes_received", "bytes_sent",
    "responses": {"2xx", …}, "latency": {"p50", "p90", "p99", "max"} in seconds, "memory": {"rss",
    "pss"} in bytes, "workers": [{"worker", "interpreter", "requests", "cpu_seconds",
    "busy_seconds", "latency"}, …]}. RuntimeError when no server runs.
    """
    counted: dict[str, Any] | None = server_statistics()
    if counted is None:
        raise RuntimeError("no server runs in this process: allcores.serve starts one")
    counted["memory"] = _memory()
    return counted


def _memory() -> dict[str, int]:
    """Resident and proportional memory of this process, bytes."""
    found = {"Rss": 0, "Pss": 0}
    with open(f"/proc/{os.getpid()}/smaps_rollup") as lines:
        for line in lines:
            name, _, rest = line.partition(":")
            if name in found:
                found[name] = int(rest.split()[0]) * 1024
    return {"rss": found["Rss"], "pss": found["Pss"]}
