"""What every benchmark shares: the machine's description, a table, and files in results/.

    import _report as report

    print(report.machine_line())
    report.table(["case", "ns an object"], [["tuple", 7.13], ["dict", 11.9]])
    report.save("freeze", {"tuple": 7.13, "dict": 11.9})

Standard library only, so that it also runs in the environment of the peers and of the plots.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import pathlib
import platform
import subprocess
import sys
from collections.abc import Iterable, Sequence
from typing import Any

TOP = pathlib.Path(__file__).resolve().parent.parent
RESULTS = TOP / "benchmarks" / "results"
PAGE = TOP / "docs" / "benchmarks.md"

# The tables printed in this run, by title; save() writes them into NAME.md.
_tables: list[tuple[str, list[list[str]]]] = []


def _first(path: str, key: str) -> str:
    """The value of the first line "key : value" of a file under /proc, "" when there is none."""
    try:
        with open(path) as file:
            for line in file:
                name, _, value = line.partition(":")
                if name.strip() == key:
                    return value.strip()
    except OSError:
        pass
    return ""


def _commit() -> str:
    """The commit of the checkout, with a "+" when there are changes to it; "" without git."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-c", "safe.directory=*", "-C", str(TOP), *arguments],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    try:
        # Results of other benchmarks do not change what was measured.
        changed = git("status", "--porcelain", "-uno", "--", ".", ":!benchmarks/results")
        return git("rev-parse", "--short=12", "HEAD") + ("+" if changed else "")
    except OSError, subprocess.CalledProcessError:
        return ""


def machine(packages: Iterable[str] = ()) -> dict[str, Any]:
    """Where and with what a measurement was made; `packages` adds versions of these, if installed.

    Memory is in GiB. Cores are those that this process may use; `cores_total` all that are online.
    `load` is how many threads wanted to run in the last minute: call this before the measurement.
    """
    versions = {}
    for name in packages:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    memory_kib = int(_first("/proc/meminfo", "MemTotal").split()[0] or 0)
    hypervisor = "hypervisor" in _first("/proc/cpuinfo", "flags").split()
    return {
        "cpu": _first("/proc/cpuinfo", "model name") or platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "cores_total": os.cpu_count(),
        "virtual": hypervisor,
        "memory_gib": round(memory_kib / 2**20, 1),
        "kernel": f"{platform.system()} {platform.release()}",
        "libc": " ".join(platform.libc_ver()),
        "python": f"{platform.python_version()} ({platform.python_compiler()})",
        "packages": versions,
        "commit": _commit(),
        "load": round(os.getloadavg()[0], 2),
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def machine_line(about: dict[str, Any] | None = None) -> str:
    """The machine in one line, for the head of a table."""
    about = about or machine()
    virtual = ", virtual" if about["virtual"] else ""
    return (
        f"{about['cpu']} ({about['cores']} cores{virtual}), {about['memory_gib']} GiB, "
        f"{about['kernel']}, Python {about['python'].split()[0]}, "
        f"commit {about['commit'] or 'unknown'}, {about['date']}, load before: {about['load']}"
    )


def number(value: object, digits: int = 3) -> str:
    """A cell as text: floats with so many significant digits and never an exponent, None as "-"."""
    if value is None:
        return "-"
    if isinstance(value, bool) or not isinstance(value, float):
        return f"{value:,}" if type(value) is int else str(value)
    if value == 0 or value != value:
        return str(value)
    magnitude = 0
    while abs(value) >= 10 ** (magnitude + 1):
        magnitude += 1
    while abs(value) < 10**magnitude:
        magnitude -= 1
    return f"{value:,.{max(0, digits - 1 - magnitude)}f}"


def table(headers: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> None:
    """Print an aligned table to standard output, and keep it for save(); numbers to the right."""
    raw = [list(row) for row in rows]
    cells = [list(headers)] + [[number(value) for value in row] for row in raw]
    right = [
        all(isinstance(row[i], int | float | None) for row in raw) for i in range(len(headers))
    ]
    widths = [max(len(row[i]) for row in cells) for i in range(len(headers))]
    if title:
        print(f"\n{title}")
    for index, row in enumerate(cells):
        line = "  ".join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        )
        print(line.rstrip())
        if index == 0:
            print("  ".join("-" * width for width in widths))
    sys.stdout.flush()
    _tables.append((title, cells))


def progress(text: str) -> None:
    """What is going on, on one line of a terminal that the next call replaces; "" clears it."""
    if sys.stderr.isatty():
        print(f"\r{text}\033[K", end="", file=sys.stderr, flush=True)


def markdown(cells: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, from rows of text of which the first is the heading."""
    lines = ["| " + " | ".join(row) + " |" for row in cells]
    lines.insert(1, "|" + "---|" * len(cells[0]))
    return "\n".join(lines)


def _replace(target: pathlib.Path, text: str) -> None:
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    temporary.write_text(text)
    temporary.replace(target)


def save(name: str, data: Any, about: dict[str, Any] | None = None) -> pathlib.Path:
    """Write results/NAME.json (the machine and `data`) and NAME.md (the tables printed so far).

    Both are replaced whole, or not at all. A run without arguments also puts the tables into
    docs/benchmarks.md, between its lines "<!-- NAME -->" and "<!-- end of NAME -->", where it has
    such. Returns the path of the JSON file.
    """
    about = about or machine()
    command = " ".join(["./bench", pathlib.Path(sys.argv[0]).stem, *sys.argv[1:]])
    RESULTS.mkdir(parents=True, exist_ok=True)
    record = {"name": name, "command": command, "machine": about, "data": data}
    parts = [f"`{command}` on {machine_line(about)}."]
    if about["packages"]:
        parts.append(", ".join(f"{key} {value}" for key, value in about["packages"].items()) + ".")
    for title, cells in _tables:
        parts += [f"**{title[0].upper()}{title[1:]}**"] if title else []
        parts.append(markdown(cells))
    for suffix, text in (
        ("json", json.dumps(record, indent=1, default=str)),
        ("md", "\n\n".join([f"# {name}", *parts])),
    ):
        _replace(RESULTS / f"{name}.{suffix}", text + "\n")
    if len(sys.argv) == 1 and PAGE.exists():
        before, start, rest = PAGE.read_text().partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"<!-- end of {name} -->")
        if start and end:
            _replace(PAGE, before + start + "\n\n".join(parts) + "\n" + end + after)
    return RESULTS / f"{name}.json"
