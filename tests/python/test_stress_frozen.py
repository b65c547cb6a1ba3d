"""The short form of tests/stress/frozen.py; ALLCORES_STRESS_SECONDS=60 for the long one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[1] / "stress" / "frozen.py"


@pytest.mark.stress
def test_every_operation_from_all_interpreters_at_once() -> None:
    seconds = float(os.environ.get("ALLCORES_STRESS_SECONDS", "5"))
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", str(PROGRAM), str(seconds)],
        capture_output=True,
        text=True,
        timeout=seconds * 5 + 200,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
