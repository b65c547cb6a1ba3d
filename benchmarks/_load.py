"""Runs the load generator against a server, with the server's CPU time measured around it."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from typing import Any

import _peers
import _processes
import _running


@dataclasses.dataclass
class Measurement:
    """What one slice of load on one server gave."""

    rate: float  # responses a second
    p50_us: float  # of the cheap requests, as all the following
    p90_us: float
    p99_us: float
    cpu_us: float  # server CPU time per response, all its processes
    errors: int
    generator: dict[str, Any]  # all that the generator printed


def run(running: _running.Running, kind: str, **options: object) -> Measurement:
    """One slice of load: `kind` is "closed" or "open", the options are those of benchmarks/load.

    Raises ServerError when the server ends or refuses connections meanwhile.
    """
    command = [_peers.load_generator(), kind, "--port", str(running.port), "--wait", "1"]
    for name, value in options.items():
        command += ["--" + name.replace("_", "-"), str(value)]
    generator = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert generator.stdin is not None and generator.stdout is not None
        if generator.stdout.readline() == "ready\n":
            pids = running.pids()
            before = _processes.CpuTime.of(pids)
            generator.stdin.write("go\n")
            generator.stdin.flush()
            line = generator.stdout.readline()
            try:
                seconds = _processes.CpuTime.of(running.pids()).since(before)
            except (OSError, RuntimeError) as error:
                raise _running.ServerError(f"{error}: {running.last_words()}") from error
        else:
            line = ""
        problem = generator.communicate()[1].strip()
    finally:
        if generator.poll() is None:
            generator.kill()
        generator.wait()
    if generator.returncode != 0 or not line:
        raise _running.ServerError(f"{problem}: {running.last_words()}")
    found = json.loads(line)
    cheap = found["cheap"]
    return Measurement(
        rate=found["rate"],
        p50_us=cheap["p50"],
        p90_us=cheap["p90"],
        p99_us=cheap["p99"],
        cpu_us=seconds * 1e6 / max(1, found["answered"]),
        errors=found["error_count"],
        generator=found,
    )
