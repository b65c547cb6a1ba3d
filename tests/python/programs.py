"""Python programs in processes of their own: what may crash or hang, or ends the process."""

import subprocess
import sys
import textwrap
from pathlib import Path


def run_program(
    program: str, *arguments: str, options: tuple[str, ...] = (), timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run it beside the tests' helper modules, with these options of Python; what it printed."""
    command = [sys.executable, "-X", "faulthandler", *options, "-c", textwrap.dedent(program)]
    return subprocess.run(
        [*command, *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
        cwd=Path(__file__).parent,
    )


def run_alone(program: str, *arguments: str, timeout: float = 120) -> str:
    """Run one that has to end well; what it wrote to standard output."""
    done = run_program(program, *arguments, timeout=timeout)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    return done.stdout
