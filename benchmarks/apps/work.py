"""What every application under test does for a request, as Python code that runs for each one."""

import json
import time

TEXT = "Hello, World!"
SLOW = "done"
PARTS = [b"x" * 1024] * 32  # of a streamed answer


def message() -> str:
    """A small JSON document, made anew by the standard library."""
    return json.dumps({"message": "Hello, World!"})


def burn(milliseconds: float = 10.0) -> str:
    """Compute for so many milliseconds of this thread's own CPU time."""
    end = time.thread_time_ns() + int(milliseconds * 1e6)
    while time.thread_time_ns() < end:
        pass
    return SLOW
