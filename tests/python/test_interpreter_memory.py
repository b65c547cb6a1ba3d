"""A short form of tests/stress/interpreter_cycles.py; ALLCORES_STRESS_CYCLES=500: the long one."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[1] / "stress" / "interpreter_cycles.py"

# KiB a cycle, over 60 measured cycles. An interpreter that leaves a single object behind keeps its
# allocator's arenas: 2400 without any of these modules. Runs of 60 cycles scatter by up to 150.
BOUND = 400
CYCLES = int(os.environ.get("ALLCORES_STRESS_CYCLES", "100"))


def growth(*arguments: str) -> float:
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", str(PROGRAM), *arguments],
        capture_output=True,
        text=True,
        timeout=600 + 2 * CYCLES,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    found = re.search(r": (-?[\d.]+) KiB a cycle", done.stdout)
    assert found is not None, done.stdout
    return float(found[1])


@pytest.mark.stress
def test_interpreters_that_come_and_go_leave_nothing_behind() -> None:
    # What scatters does so by some MiB, over however many cycles.
    assert growth(str(CYCLES), "allcores") < BOUND * min(1, 60 / (0.9 * CYCLES))


@pytest.mark.stress
def test_nor_do_their_extension_modules() -> None:
    # NumPy's C globals go on holding objects, and with them all of a heap: 9400.
    assert growth("60", "allcores", "import numpy") < BOUND


def test_a_leak_would_show() -> None:
    # Memory that nothing ever frees, in each interpreter. (An object would go with the heap.)
    leak = (
        "import ctypes; library = ctypes.CDLL(None); library.malloc.restype = ctypes.c_void_p; "
        "ctypes.memset(library.malloc(1 << 20), 1, 1 << 20)"
    )
    assert growth("60", "allcores", leak) > BOUND
