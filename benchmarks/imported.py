"""What an interpreter that has imported an application takes, by what it is for."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys

import _peers
import _report as report

# In a process of its own, by the peers' Python: interpreters in which the same was imported, what
# one more takes, and what is in one.
PROGRAM = """
import json, os, sys
import allcores
count, code = int(sys.argv[1]), sys.argv[2]

def pss_kib():
    with open("/proc/self/smaps_rollup") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))

def one_more(code):
    made = []
    def make():
        made.append(allcores.Interpreter())
        made[-1].call(code)
    for _ in range(3):
        make()
    before = pss_kib()
    for _ in range(count):
        make()
    return (pss_kib() - before) / count

look = '''
import gc, sys
from allcores import _core
def look():
    gc.collect()
    Code, Function = type(look.__code__), type(look)
    sizes, shared, seen = {}, {}, set()
    todo = gc.get_objects()
    own = {id(todo), id(sizes), id(shared), id(seen)}
    while todo:
        each = todo.pop()
        kind = type(each)
        if id(each) in seen or id(each) in own:
            continue
        seen.add(id(each))
        if kind is Code:
            todo += (each.co_consts, each.co_names, each.co_linetable, each.co_exceptiontable)
            todo += (each.co_filename, each.co_name, each.co_qualname)
        elif kind not in (str, bytes, int, float):
            todo += gc.get_referents(each)
        if isinstance(each, type):
            if not each.__flags__ & 1 << 9:
                continue  # CPython's own static ones
            name = "classes"
        elif kind in (str, bytes, tuple, dict):
            name = kind.__name__
        elif kind is Code:
            name = "code"
        elif kind is Function:
            name = "functions"
        else:
            name = "other objects"
        into = sizes
        if kind in (str, bytes, tuple):
            if _core.frozen_address(each) is not None:
                into = shared
            elif sys._is_immortal(each) and not (kind is str and sys._is_interned(each)):
                continue
        into[name] = into.get(name, 0) + (sys.getsizeof(each) + 15) // 16 * 16
    return sizes, shared
'''

if __name__ == "__main__":
    idle = one_more("pass")
    imported = one_more(code)
    found = []
    for source in ("pass", code):
        with allcores.Interpreter() as one:
            one.call(source)
            one.call(look)
            found.append(one.call("look()"))
    print(json.dumps({"idle": idle, "imported": imported, "objects": found}), flush=True)
    os._exit(0)
"""

# Why each is there as often as there are interpreters.
REASONS = {
    "code": "CPython writes counters and caches into it while it runs",
    "functions": "counted, have attributes",
    "classes": "counted, can be changed",
    "dict": "counted, can be changed: namespaces of modules, classes and objects",
    "str": "names that CPython interned before any module came, and what modules made",
    "bytes": "constants, which C code that is given one may write into",
    "tuple": "with something that each interpreter has its own of",
    "other objects": "counted, can be changed",
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="./bench imported", description=__doc__)
    parser.add_argument("--code", default="import fastapi", help="what is imported (%(default)s)")
    parser.add_argument("--count", type=int, default=5, help="interpreters to take the mean of (5)")
    arguments = parser.parse_args()
    about = report.machine()
    print(report.machine_line(about))
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPATH"] = str(report.TOP / "python")
    command = _peers.python("-c", PROGRAM, str(arguments.count), arguments.code)
    for _ in range(2):  # the first time the bytecode is written
        done = subprocess.run(
            command, env=environment, stdout=subprocess.PIPE, text=True, check=True
        )
    found = json.loads(done.stdout)
    (idle, _), (here, shared) = found["objects"]
    mib = 2.0**20
    parts = {name: (here.get(name, 0) - idle.get(name, 0)) / mib for name in REASONS}
    total = (found["imported"] - found["idle"]) / 1024
    rows = [[name, size, REASONS[name]] for name, size in parts.items()]
    rows += [
        [
            "the rest",
            total - sum(parts.values()),
            "names of variables, the table of interned strings, C libraries' memory, free blocks",
        ],
        ["all that was imported", total, ""],
        ["the interpreter itself", found["idle"] / 1024, ""],
    ]
    report.table(["one more interpreter", "MiB", "why not shared"], rows, "memory")
    report.table(
        ["once for all interpreters", "MiB that each sees"],
        [[name, size / mib] for name, size in sorted(shared.items())],
        "shared",
    )
    report.save("imported", {"found": found, "settings": vars(arguments)}, about)
    return 0


if __name__ == "__main__":
    sys.exit(main())
