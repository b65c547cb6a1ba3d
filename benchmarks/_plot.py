"""Plots of results: draws results/NAME*.svg from results/NAME.json, with the peers' matplotlib.

draw() runs this file there; by hand: build/peers-venv/bin/python benchmarks/_plot.py FILE.json
"""

from __future__ import annotations

import importlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
from typing import Any

import _peers
import _report as report

COLOURS = {"ours": "#d1495b", "peer": "#7d8ca3", "ceiling": "#2e2e2e"}


def draw(path: pathlib.Path) -> None:
    """Draw the plots for one file of results; a failure is told and is not the benchmark's."""
    done = subprocess.run(
        _peers.python(str(pathlib.Path(__file__)), str(path)),
        capture_output=True,
        text=True,
        env={**os.environ, "MPLCONFIGDIR": str(_peers.BUILD / "matplotlib"), "MPLBACKEND": "Agg"},
    )
    if done.returncode == 0:
        print(done.stdout, end="")
    else:
        print(f"no plots: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)


def bars(
    axes: Any,
    title: str,
    values: dict[str, float],
    kinds: dict[str, str],
    limits: tuple[float, float] | None,
) -> None:
    """One panel: a horizontal bar a server, the best on top; logarithmic with `limits`."""
    ordered = sorted(values.items(), key=lambda item: item[1], reverse=True)
    names = [name for name, _ in ordered]
    numbers = [value for _, value in ordered]
    # One that is far behind would squeeze the others: its bar is cut, and its label says so.
    longest = max(numbers) if limits else min(max(numbers), 2.5 * statistics.median(numbers))
    lengths = [min(value, longest) for value in numbers]
    labels = [report.number(value) + (" →" if value > longest else "") for value in numbers]
    axes.barh(names, lengths, color=[COLOURS[kinds[name]] for name in names], height=0.72)
    axes.bar_label(axes.containers[0], labels, padding=3, fontsize=8)
    axes.set_title(title, fontsize=10, loc="left")
    if limits:
        axes.set_xscale("log")
        axes.set_xlim(*limits)
        axes.xaxis.set_major_formatter("{x:g}")
    else:
        axes.set_xlim(0, longest * 1.2)
    axes.tick_params(labelsize=8)
    for label in axes.get_yticklabels():
        if kinds[label.get_text()] == "ours":
            label.set_fontweight("bold")
    axes.spines[["top", "right"]].set_visible(False)


def panels(
    record: dict[str, Any],
    name: str,
    heading: str,
    what: dict[str, dict[str, float]],
    columns: int,
    log: bool = False,
) -> None:
    """One figure with a panel for each entry of `what`, written to results/NAME.svg."""
    # Only the peers' environment has it.
    pyplot = importlib.import_module("matplotlib.pyplot")

    pyplot.rcParams["svg.hashsalt"] = "allcores"
    pyplot.rcParams["svg.fonttype"] = "none"
    what = {title: values for title, values in what.items() if values}
    if not what:
        return
    columns = min(columns, len(what))
    everything = [value for values in what.values() for value in values.values()]
    limits = (min(everything) / 2, max(everything) * 3) if log else None
    rows = -(-len(what) // columns)
    height = 1.1 + 0.26 * max(len(values) for values in what.values())
    figure, grid = pyplot.subplots(
        rows, columns, figsize=(max(7.0, 4.3 * columns), height * rows + 0.7), squeeze=False
    )
    for axes in grid.flat[len(what) :]:
        axes.set_visible(False)
    kinds = record["data"]["kinds"]
    for axes, (title, values) in zip(grid.flat, what.items(), strict=False):
        bars(axes, title, values, kinds, limits)
    about = record["machine"]
    figure.suptitle(heading, fontsize=12, x=0.01, ha="left")
    figure.text(
        0.99, 0.004,
        f"{about['cpu']}, {about['cores']} cores, {about['kernel']}, "
        f"commit {about['commit']}, {about['date']}, load before {about['load']}",
        ha="right", va="bottom", fontsize=6.5, color="#666666",
    )  # fmt: skip
    figure.tight_layout(rect=(0, 0.012, 1, 0.995))
    target = report.RESULTS / f"{name}.svg"
    figure.savefig(target, metadata={"Date": None})
    if "ALLCORES_PLOT_PNG" in os.environ:
        figure.savefig(pathlib.Path(os.environ["ALLCORES_PLOT_PNG"]) / f"{name}.png", dpi=90)
    print(f"plot: {target.relative_to(report.TOP)}")


def field(rows: dict[str, dict[str, float]], name: str, scale: float = 1.0) -> dict[str, float]:
    return {server: row[name] * scale for server, row in rows.items()}


def draw_http(record: dict[str, Any], name: str) -> None:
    data = record["data"]
    cases = data["cases"]
    panels(record, f"{name}-cpu", "Server CPU time a request, µs (less is better)",
           {case: field(rows, "cpu_us") for case, rows in cases.items()}, 3)  # fmt: skip
    panels(record, f"{name}-p99", "99th percentile of latency at full load, ms (less is better)",
           {case: field(rows, "p99_us", 1e-3) for case, rows in cases.items()}, 3)  # fmt: skip
    panels(record, f"{name}-memory", "Memory, MiB (PSS)",
           {f"{group}, {data['memory_workers']} workers": memory
            for group, memory in data["memory_mib"].items()}, 2)  # fmt: skip


def draw_uneven(record: dict[str, Any], name: str) -> None:
    data = record["data"]
    settings = data["settings"]
    heading = (
        f"Latency of cheap requests while {settings['share']:.0%} of {settings['rate']:.0f} "
        f"a second burn 10 ms, {settings['workers']} workers; ms, logarithmic"
    )
    what = {title: field(data["servers"], f"{title}_us", 1e-3) for title in ("p50", "p90", "p99")}
    panels(record, name, heading, what, 3, log=True)


def draw_extensions(record: dict[str, Any], name: str) -> None:
    what: dict[str, dict[str, float]] = {}
    for workers, rows in record["data"]["extensions"].items():
        for way in ("tree", "product"):
            what[f"{way}, {workers} workers: CPU µs a request"] = field(rows, f"{way}_cpu_us")
            what[f"{way}, {workers} workers: p99 ms"] = field(rows, f"{way}_p99_us", 1e-3)
        what[f"{workers} workers: memory, MiB"] = field(rows, "all_memory_mib")
        what[f"{workers} workers: first answer after, s"] = field(rows, "first_answer")
    panels(record, name, "A nearest-neighbour search by NumPy and scikit-learn (less is better)",
           what, 2)  # fmt: skip


def main() -> None:
    path = pathlib.Path(sys.argv[1])
    record = json.loads(path.read_text())
    data = record["data"]
    draw = {"cases": draw_http, "extensions": draw_extensions}
    next((draw[key] for key in draw if key in data), draw_uneven)(record, path.stem)


if __name__ == "__main__":
    main()
