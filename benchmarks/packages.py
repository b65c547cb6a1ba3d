"""What a package costs in one more interpreter, beside one more process: memory, time to import."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys

import _report as report

# Each of these prints JSON, in a process of its own. Memory is that of four who have imported it
# against three: what is shared among them is in both.

INTERPRETERS = """
import json, os, sys, threading, time
import allcores, _processes
source, at_once = sys.argv[1], int(sys.argv[2])
def memory_mib():
    # Pages of images' files that nobody has mapped are memory too.
    return _processes.memory_mib([os.getpid()]) + _processes.unmapped_mib([os.getpid()])
def make():
    one = allcores.Interpreter()
    started = time.perf_counter()
    one.call(source)
    return one, time.perf_counter() - started
kept = [make() for _ in range(3)]
before = memory_mib()
one, seconds = make()
kept.append((one, seconds))
found = {"mib": memory_mib() - before, "seconds": seconds}
for one, _ in kept:
    one.destroy()
# All at once, as a server's workers do.
kept = []
threads = [threading.Thread(target=lambda: kept.append(make())) for _ in range(at_once)]
started, used = time.perf_counter(), time.process_time()
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
found["at_once"] = time.perf_counter() - started
found["at_once_cpu"] = time.process_time() - used
print(json.dumps(found))
for one, _ in kept:
    one.destroy()
"""

PROCESSES = """
import json, resource, subprocess, sys, time
import _processes
source, at_once = sys.argv[1], int(sys.argv[2])
CHILD = '''
import sys, time
started = time.perf_counter()
exec(sys.argv[1])
print(time.perf_counter() - started, flush=True)
sys.stdin.read()
'''
def make():
    return subprocess.Popen([sys.executable, "-c", CHILD, source], text=True,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
def memory_mib():
    return _processes.memory_mib([child.pid for child in kept])
def end(children):
    for child in children:
        child.communicate()
kept = [make() for _ in range(3)]
for child in kept:
    child.stdout.readline()
before = memory_mib()
kept.append(make())
seconds = float(kept[-1].stdout.readline())
found = {"mib": memory_mib() - before, "seconds": seconds}
end(kept)
used = sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
started = time.perf_counter()
kept = [make() for _ in range(at_once)]
for child in kept:
    child.stdout.readline()
found["at_once"] = time.perf_counter() - started
end(kept)
found["at_once_cpu"] = sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2]) - used
print(json.dumps(found))
"""

CASES = {
    "nothing": "pass",
    "numpy": "import numpy",
    "pandas, pyarrow": "import pandas, pyarrow.parquet",
    "polars": "import polars",
    "scikit-learn": "import sklearn.neighbors, sklearn.ensemble, sklearn.linear_model",
    "pydantic, fastapi": "import fastapi, pydantic",
}


def packages_python() -> str:
    """The Python that has the packages of tests/packages, installing what is not there."""
    command = [str(report.TOP / "tools" / "packages"), "3.14"]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def measure(python: str, program: str, source: str, at_once: int) -> dict[str, float]:
    folders = f"{report.TOP / 'python'}:{report.TOP / 'benchmarks'}"
    found: dict[str, float] = json.loads(
        subprocess.run(
            [python, "-c", program, source, str(at_once)],
            env=os.environ | {"PYTHONPATH": folders},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout
    )
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="./bench packages", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="of each, in turn (3)")
    parser.add_argument("--at-once", type=int, default=8, help="that import at once (8)")
    arguments = parser.parse_args()
    about = report.machine()
    print(report.machine_line(about))
    python = packages_python()
    programs = {"interpreter": INTERPRETERS, "process": PROCESSES}
    found: dict[str, dict[str, dict[str, float]]] = {}
    for case, source in CASES.items():
        runs: dict[str, list[dict[str, float]]] = {name: [] for name in programs}
        for _ in range(arguments.rounds):
            for name, program in programs.items():
                runs[name].append(measure(python, program, source, arguments.at_once))
        found[case] = {
            name: {key: sorted(run[key] for run in of)[len(of) // 2] for key in of[0]}
            for name, of in runs.items()
        }
    rows = []
    for case, by_kind in found.items():
        own, other = by_kind["interpreter"], by_kind["process"]
        rows.append(
            [
                case,
                *(f"{each['mib']:.1f}" for each in (own, other)),
                *(f"{each['seconds'] * 1000:.0f}" for each in (own, other)),
                *(f"{each['at_once']:.2f}" for each in (own, other)),
                *(f"{each['at_once_cpu']:.2f}" for each in (own, other)),
            ]
        )
    number = arguments.at_once
    report.table(
        [
            *("imported", "MiB, one more interpreter", "process", "ms to import", "process"),
            *(f"s, {number} interpreters at once", "processes", "CPU s, interpreters", "processes"),
        ],
        rows,
        "one more interpreter, one more process (medians)",
    )
    report.save("packages", {"found": found, "settings": vars(arguments)}, about)
    return 0


if __name__ == "__main__":
    sys.exit(main())
