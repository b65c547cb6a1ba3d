"""What an interpreter costs in memory: the standard library's and ours, idle and with imports."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

import _report as report

# In a process of its own: some interpreters after a first one; memory that is the process's own.
PROGRAM = """
import sys
count, maker, code = int(sys.argv[1]), sys.argv[2], sys.argv[3]

def own_kib():
    with open("/proc/self/smaps_rollup") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("Private_"))

if maker == "allcores":
    import allcores
    def make():
        one = allcores.Interpreter()
        if code: one.call(code)
        return one
else:
    from concurrent import interpreters
    def make():
        one = interpreters.create()
        if code: one.exec(code)
        return one

first = make()
before = own_kib()
made = [make() for _ in range(count)]
print((own_kib() - before) / count)
for one in [first, *made]:
    one.destroy() if maker == "allcores" else one.close()
"""

CASES = {"idle": "", "source text run": "pass", "import json": "import json"}


def kib(count: int, maker: str, code: str) -> float:
    """Memory of one of so many interpreters."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", PROGRAM, str(count), maker, code]
    for _ in range(2):  # the first time the bytecode is written
        done = subprocess.run(
            command, env=environment, stdout=subprocess.PIPE, text=True, check=True
        )
    return float(done.stdout)


def main() -> int:
    parser = argparse.ArgumentParser(prog="./bench interpreters", description=__doc__)
    parser.add_argument("--count", type=int, default=8, help="interpreters in a process (8)")
    arguments = parser.parse_args()
    about = report.machine()
    print(report.machine_line(about))
    found = {
        maker: {case: kib(arguments.count, maker, code) for case, code in CASES.items()}
        for maker in ("concurrent.interpreters", "allcores")
    }
    report.table(
        ["an interpreter", *CASES],
        [[maker, *(f"{value:,.0f}" for value in row.values())] for maker, row in found.items()],
        "memory, KiB",
    )
    report.save("interpreters", {"kib": found, "settings": vars(arguments)}, about)
    return 0


if __name__ == "__main__":
    sys.exit(main())
