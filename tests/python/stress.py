"""Runs a program of tests/stress in its short form; ALLCORES_STRESS_SECONDS=600 for a long one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "stress"


def run(name: str, patience: float = 2) -> None:
    """`patience`: times as long as asked for that the program may take, besides what starts it."""
    seconds = float(os.environ.get("ALLCORES_STRESS_SECONDS", "5"))
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", str(FOLDER / name), str(seconds)],
        capture_output=True,
        text=True,
        timeout=seconds * patience + 200,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
