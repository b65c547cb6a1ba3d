"""The short form of tests/stress/channels.py; ALLCORES_STRESS_SECONDS=600 for the long one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[1] / "stress" / "channels.py"


@pytest.mark.stress
def test_interpreters_come_and_go() -> None:
    seconds = float(os.environ.get("ALLCORES_STRESS_SECONDS", "5"))
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", str(PROGRAM), str(seconds)],
        capture_output=True,
        text=True,
        timeout=seconds * 2 + 200,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
