"""`allcores check`: do packages work in interpreters of their own, and what do they cost there?

Each package is imported in a process of its own (allcores/_check_one.py), as a mistake in an
extension may end the process or hang it.
"""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import importlib.metadata
import importlib.util
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
from typing import Any

# What may be said about a package; "works" is the only good one.
WORKS = "works"
FAILS = "fails"
FAILS_IN_MAIN = "fails in plain Python too"
CRASHES = "crashes"
HANGS = "hangs"
DOES_NOT_END = "does not end"
NOT_INSTALLED = "not installed"


@dataclasses.dataclass
class Result:
    """What was found out about one package. Sizes in MiB, times in seconds; None: not reached."""

    name: str
    verdict: str
    reason: str = ""
    modules: list[str] = dataclasses.field(default_factory=list)  # what was imported
    version: str | None = None
    extensions: int | None = None  # how many extension modules it brought in
    seconds: float | None = None  # for the import in one more interpreter
    memory_mib: float | None = None  # what that took
    left_mib: float | None = None  # what an interpreter leaves behind when it has ended


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = (
        "Imports each package in two interpreters at once and ends them, twice. The exit status is "
        "1 if one does not work."
    )
    parser.add_argument(
        "packages",
        nargs="+",
        metavar="PACKAGE",
        help="a module's name, as one imports it, or a package's, as pip knows it",
    )
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    parser.add_argument(
        "--timeout",
        type=_positive,
        default=120.0,
        metavar="SECONDS",
        help="how long one package may take (default: 120)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Check the packages, print what was found out, and return the exit status."""
    results = []
    width = max(len(name) for name in arguments.packages)
    for name in arguments.packages:
        result = check(name, arguments.timeout)
        results.append(result)
        if not arguments.json:
            print(_line(result, width), flush=True)
    if arguments.json:
        print(json.dumps([dataclasses.asdict(result) for result in results], indent=2))
    return 0 if all(result.verdict == WORKS for result in results) else 1


def check(name: str, timeout: float = 120.0) -> Result:
    """Find out about one package, in at most about `timeout` seconds."""
    modules = modules_of(name)
    if not modules:
        return Result(name, NOT_INSTALLED, suggestion(name))
    result = Result(name, WORKS, modules=modules, version=_version(name, modules))
    with tempfile.TemporaryDirectory(prefix="allcores-check-") as folder:
        report = pathlib.Path(folder) / "report"
        command = [sys.executable, "-m", "allcores._check_one", str(report), *modules]
        # The child finds what this process would: its sys.path, of which this is the first entry.
        path = os.pathsep.join(entry for entry in sys.path if entry) or "."
        process = subprocess.Popen(
            command,
            env=os.environ | {"PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        timed_out = False
        try:
            _, said = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            timed_out = True
            os.killpg(process.pid, signal.SIGKILL)
            _, said = process.communicate()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        lines = report.read_text().splitlines() if report.exists() else []
    return judge(result, [json.loads(line) for line in lines], process.returncode, timed_out, said)


def judge(
    result: Result, steps: list[dict[str, Any]], status: int, timed_out: bool, said: str
) -> Result:
    """Complete `result` from the child's report: a step is written down when it begins."""
    doing = "starting"
    for step in steps:
        doing = step.pop("doing", doing)
        for key, value in step.items():
            setattr(result, key, value)
    if result.verdict != WORKS:
        return result
    if timed_out:
        result.verdict, result.reason = HANGS, f"while {doing}; stopped after the time limit"
    elif status < 0:
        result.verdict = CRASHES
        result.reason = f"{signal.Signals(-status).name} while {doing}" + _where(said)
    elif status != 0:
        result.verdict = FAILS
        last = said.strip().splitlines()[-1:] or [f"exit status {status}"]
        result.reason = f"while {doing}: {last[0]}"
    return result


def _where(said: str) -> str:
    """From what faulthandler wrote: the error's own words, and the innermost line of Python."""
    words = re.search(
        r"^(?!Fatal Python error)(.*(?:free\(\)|malloc|corrupt|abort).*)$", said, re.M
    )
    frame = re.search(r'most recent call first\):\n  File "(.*)", line (\d+)', said)
    text = f": {words[1]}" if words else ""
    return text + (f", at {frame[1]}:{frame[2]}" if frame else "")


def modules_of(name: str) -> list[str]:
    """The modules to import for a module's or a package's name; none when it is not installed."""
    if all(part.isidentifier() for part in name.split(".")):
        try:
            if importlib.util.find_spec(name) is not None:
                return [name]
        except ImportError, ValueError:
            # A package on the way fails or is missing; the import will say so, if it is there.
            if importlib.util.find_spec(name.partition(".")[0]) is not None:
                return [name]
    wanted = _normalized(name)
    by_module = importlib.metadata.packages_distributions()
    found = sorted(
        module
        for module, packages in by_module.items()
        if wanted in map(_normalized, packages) and module.isidentifier()
    )
    public = [module for module in found if not module.startswith("_")]
    return public or found


def suggestion(name: str) -> str:
    """What to do about a package that is not there."""
    by_module = importlib.metadata.packages_distributions()
    known = {key.lower(): key for key in by_module if not key.startswith("_")}
    for packages in by_module.values():
        known |= {package.lower(): package for package in packages}
    near = difflib.get_close_matches(name.lower(), known, 1, 0.75)
    if near:
        return f"did you mean {known[near[0]]!r}?"
    python = f"{sys.executable} -m pip install {name.partition('.')[0]}"
    return f"try: {python}"


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _version(name: str, modules: list[str]) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError, ValueError:
        packages = importlib.metadata.packages_distributions().get(modules[0].partition(".")[0])
        return importlib.metadata.version(packages[0]) if packages else None


def _line(result: Result, width: int) -> str:
    parts = [f"{result.name:{width}}  {result.verdict}"]
    if result.verdict == WORKS:
        parts.append(
            f"{result.version or '':10} {result.extensions:3} extensions, {result.seconds:.2f} s "
            f"and {result.memory_mib:.1f} MiB an interpreter"
        )
        if result.left_mib is not None and result.left_mib >= 1:
            parts.append(f"leaves {result.left_mib:.1f} MiB behind at its end")
        return "  ".join(parts)
    return f"{parts[0]}: {result.reason}"


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError("must be a number of seconds above 0")
    return value
