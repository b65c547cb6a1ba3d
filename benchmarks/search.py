"""The search server on 1,000,000 titles: time to index and freeze, memory with 1 and 8 workers."""

from __future__ import annotations

import argparse
import http.client
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any
from urllib.parse import quote

import _report as report

FOLDER = report.TOP / "examples" / "search"
sys.path.insert(0, str(FOLDER))

import generate  # noqa: E402
from serving import Server  # noqa: E402

# Run in a process of its own: what was measured before leaves memory and caches behind.
INDEXING = """
import json, pathlib, sys, time
sys.path.insert(0, sys.argv[2])
import allcores, dump, titles
from pool import Pool

path, prefix, rounds = pathlib.Path(sys.argv[1]), sys.argv[3], int(sys.argv[4])
found = {}
for workers in (1, allcores.cpu_count()):
    with Pool(workers) as pool:
        begin = time.perf_counter()
        index, pages = dump.build(path, pool)
        found[f"index_{workers}"] = time.perf_counter() - begin
begin = time.perf_counter()
index = allcores.freeze(index)
found["freeze"] = time.perf_counter() - begin
took = []
for _ in range(rounds):
    begin = time.perf_counter()
    count, first = titles.search(index, prefix)
    took.append(time.perf_counter() - begin)
found |= {
    "pages": pages, "cores": allcores.cpu_count(), "bytes": sum(map(len, index)), "count": count,
    "listed": len(first), "search": sorted(took),
}
print(json.dumps(found))
"""

IDLE = """
import allcores
def pss():
    with open("/proc/self/smaps_rollup") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pss:")) * 1024
with allcores.Interpreter():
    pass
before = pss()
interpreters = [allcores.Interpreter() for _ in range(8)]
print((pss() - before) // 8)
for interpreter in interpreters:
    interpreter.destroy()
"""


def python(code: str, *arguments: object) -> str:
    """What a Python program of its own prints; its progress goes to the terminal."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def pss(server: Server) -> int:
    text = pathlib.Path(f"/proc/{server.process.pid}/smaps_rollup").read_text()
    return (
        next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) * 1024
    )


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def ask(server: Server, path: str, rounds: int) -> list[float]:
    """How long each of so many requests took, on one connection; seconds."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=30)
    took = []
    for _ in range(rounds):
        begin = time.perf_counter()
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        took.append(time.perf_counter() - begin)
        assert answer.status == 200
    connection.close()
    return took


def all_workers_busy(server: Server, path: str) -> None:
    """Ask until every worker has answered: its modules are imported and its memory is touched."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with_connections = [
            http.client.HTTPConnection(server.host, server.port, timeout=30) for _ in range(32)
        ]
        for _ in range(20):
            for connection in with_connections:
                connection.request("GET", path)
            for connection in with_connections:
                connection.getresponse().read()
        for connection in with_connections:
            connection.close()
        workers = json.loads(server.get("/stats")[1])["workers"]
        if all(worker["requests"] for worker in workers):
            return
    raise RuntimeError("some workers never answered")


def serve(dump: pathlib.Path, workers: int, path: str, rounds: int) -> dict[str, Any]:
    """Memory and latency of the server with so many workers."""
    with tempfile.TemporaryDirectory() as cache:
        begin = time.perf_counter()
        with Server("--workers", str(workers), "--dump", dump, cache=pathlib.Path(cache)) as server:
            started = time.perf_counter() - begin
            all_workers_busy(server, path)
            found = {"start": started, "pss": pss(server)}
            took = ask(server, path, rounds)
            found |= {"p50": percentile(took, 0.5), "p99": percentile(took, 0.99)}
            found["answer"] = json.loads(server.get(path)[1])["count"]
            found["server"] = json.loads(server.get("/stats")[1])["latency"]
            return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="./bench search", description=__doc__)
    parser.add_argument("--pages", type=int, default=1_000_000)
    parser.add_argument("--text", type=int, default=200, help="bytes of text a page (200)")
    parser.add_argument("--rounds", type=int, default=2000, help="searches measured (2000)")
    arguments = parser.parse_args()
    about = report.machine()
    print(report.machine_line(about))

    folder = report.TOP / "build" / "bench-search"
    folder.mkdir(parents=True, exist_ok=True)
    dump = folder / f"{arguments.pages}-{arguments.text}.xml"
    if not dump.exists():
        print("writing the dump", file=sys.stderr)
        generate.generate(dump, arguments.pages, text_bytes=arguments.text)
    common = generate.expected_common(arguments.pages)
    path = f"/title/{quote(generate.COMMON)}"

    built = json.loads(python(INDEXING, dump, FOLDER, generate.COMMON, arguments.rounds))
    assert (built["pages"], built["count"]) == (arguments.pages, common), built
    idle = int(python(IDLE))
    runs = {workers: serve(dump, workers, path, arguments.rounds) for workers in (1, 8)}
    assert all(run["answer"] == common for run in runs.values())

    size = dump.stat().st_size
    cores = built["cores"]
    rows = [
        ["index, 1 interpreter, s", built["index_1"]],
        [f"index, {cores} interpreters, s", built[f"index_{cores}"]],
        [f"index, {cores} interpreters, MB/s", size / 1e6 / built[f"index_{cores}"]],
        ["freeze, ms", built["freeze"] * 1e3],
        ["index, bytes a title", built["bytes"] / arguments.pages],
    ]
    report.table(
        ["", "measured"], rows, f"{arguments.pages:,} titles, a dump of {size / 1e6:,.0f} MB"
    )

    search = built["search"]
    rows = [
        ["in the interpreter", statistics.median(search) * 1e3, percentile(search, 0.99) * 1e3],
        ["over HTTP, 1 worker", runs[1]["p50"] * 1e3, runs[1]["p99"] * 1e3],
        ["over HTTP, 8 workers", runs[8]["p50"] * 1e3, runs[8]["p99"] * 1e3],
        [
            "in the server, 8 workers",
            runs[8]["server"]["p50"] * 1e3,
            runs[8]["server"]["p99"] * 1e3,
        ],
    ]
    report.table(
        ["a prefix of many titles", "p50 ms", "p99 ms"],
        [[name, float(p50), float(p99)] for name, p50, p99 in rows],
        f"a prefix that {common:,} titles have",
    )

    difference = runs[8]["pss"] - runs[1]["pss"]
    allowed = 8 * idle + 0.05 * runs[1]["pss"]
    rows = [
        ["an idle interpreter", idle / 1e6],
        ["the server, 1 worker", runs[1]["pss"] / 1e6],
        ["the server, 8 workers", runs[8]["pss"] / 1e6],
        ["difference", difference / 1e6],
        ["8 idle interpreters and 5 %", allowed / 1e6],
    ]
    report.table(["memory", "PSS, MB"], rows, "memory")
    goals = [
        ["8 workers more than 1, MB", difference / 1e6, allowed / 1e6],
        [f"prefix of {common:,}, over HTTP, p50 ms", runs[8]["p50"] * 1e3, 1.0],
    ]
    report.table(
        ["goal", "measured", "at most", ""],
        [[*row, "met" if row[1] <= row[2] else "missed"] for row in goals],
        "goals",
    )
    built["search"] = {"p50": statistics.median(search), "p99": percentile(search, 0.99)}
    report.save(
        "search",
        {"index": built, "idle": idle, "servers": runs, "settings": vars(arguments)},
        about,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
