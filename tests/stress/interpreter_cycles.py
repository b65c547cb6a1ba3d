"""Makes and ends interpreters with modules imported, and shows what memory does.

    ./py tests/stress/interpreter_cycles.py [CYCLES] [allcores|plain|c] [SOURCE]

The same with others' hands, to tell whose a leak is: "plain" with the standard library's
concurrent.interpreters, "c" with plain_cycles.c (CPython's own functions and a thread).

A tenth of the cycles, at least 40 of them, go before the first measurement: they fill caches.
"""

import ctypes
import subprocess
import sys
import sysconfig
import tempfile
from concurrent import interpreters
from pathlib import Path

IMPORTS = "import asyncio, json, decimal, sqlite3, ssl, datetime"


def private_bytes():
    """Memory that is this process's own."""
    with open("/proc/self/smaps_rollup") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("Private_")) * 1024


def allcores_cycle(source):
    import allcores

    def one():
        with allcores.Interpreter() as made:
            made.call(source)

    return one


def plain_cycle(source):
    def one():
        made = interpreters.create()
        made.exec(source)
        made.close()

    return one


def c_cycle(source):
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "plain_cycles.so"
        program = Path(__file__).with_name("plain_cycles.c")
        include = sysconfig.get_path("include")
        subprocess.run(
            ["cc", "-O1", "-fPIC", "-shared", f"-I{include}", program, "-o", library], check=True
        )
        run = ctypes.CDLL(str(library)).one_interpreter
    text = source.encode()

    def one():
        if run(text) != 0:
            raise RuntimeError("an interpreter of plain_cycles.c failed")

    return one


KINDS = {"allcores": allcores_cycle, "plain": plain_cycle, "c": c_cycle}


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    kind = sys.argv[2] if len(sys.argv) > 2 else "allcores"
    one = KINDS[kind](sys.argv[3] if len(sys.argv) > 3 else IMPORTS)
    settle = max(40, count // 10)
    start = 0
    for number in range(1, count + 1):
        one()
        if number == settle:
            start = private_bytes()
        if number == settle or number % 50 == 0:
            print(f"{number:5} cycles: {private_bytes() / 2**20:7.1f} MiB", flush=True)
    each = (private_bytes() - start) / (count - settle)
    print(f"{kind}: {each / 1024:.1f} KiB a cycle after the first {settle}")


if __name__ == "__main__":
    main()
