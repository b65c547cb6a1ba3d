"""Makes and ends interpreters with modules imported, and shows what memory does.

    ./py tests/stress/interpreter_cycles.py [CYCLES] [plain|allcores]

"plain" does the same with the standard library's concurrent.interpreters, to tell whose a leak is.
"""

import sys
from concurrent import interpreters

import allcores

IMPORTS = "import asyncio, json, decimal, sqlite3, ssl, datetime"


def private_bytes():
    """Memory that is this process's own."""
    with open("/proc/self/smaps_rollup") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("Private_")) * 1024


def one_allcores():
    with allcores.Interpreter() as one:
        one.call(IMPORTS)


def one_plain():
    one = interpreters.create()
    one.exec(IMPORTS)
    one.close()


def cycles(count, one):
    """Bytes a cycle after the first fifth, which fills caches (at most 50 cycles)."""
    settle = min(50, count // 5)
    start = 0
    for number in range(count):
        one()
        if number + 1 == settle:
            start = private_bytes()
        if (number + 1) % 50 == 0:
            print(f"{number + 1:5} cycles: {private_bytes() / 2**20:7.1f} MiB", flush=True)
    return (private_bytes() - start) / (count - settle)


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    kind = sys.argv[2] if len(sys.argv) > 2 else "allcores"
    each = cycles(count, one_plain if kind == "plain" else one_allcores)
    print(f"{kind}: {each / 1024:.1f} KiB a cycle")
    return each


if __name__ == "__main__":
    main()
