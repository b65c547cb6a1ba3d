"""Interpreters that work with several packages at once, one of them replaced all the time.

    soak.py [--seconds N] [--interpreters N] [--without MODULE ...]

Each interpreter lets NumPy, pandas, scikit-learn, orjson, pydantic and lxml work in a loop; every
second, if that suffices for the imports, one is ended and another made. Wrong results, interpreters
that do not end and crashes end it. It says how memory goes: PSS of this process, in which images in
memory files count, with all interpreters at work; and what each that was replaced has left behind:
by how much more there is when all have ended than when all had, before.
"""

import argparse
import faulthandler
import os
import sys
import threading
import time

import allcores

PREPARE = """
import sys
for name in {without!r}:
    sys.modules[name] = None
import io
import lxml.etree
import numpy as np
import orjson
import pandas as pd
import pydantic
from sklearn.neighbors import NearestNeighbors


class Row(pydantic.BaseModel):
    key: int
    name: str
    values: list[float]


def work(seed):
    generator = np.random.default_rng(seed)
    points = generator.normal(size=(200, 4))
    frame = pd.DataFrame(points, columns=list("abcd"))
    frame["group"] = np.arange(200) % 7
    frame["text"] = [f"row {{n}}" for n in range(200)]
    means = frame.groupby("group")[list("abcd")].mean()
    read = pd.read_csv(io.StringIO(frame.to_csv(index=False)))
    neighbors = NearestNeighbors(n_neighbors=3).fit(points)
    near = neighbors.kneighbors(points[:20], return_distance=False)
    rows = [Row(key=n, name=f"n{{n}}", values=list(points[n])) for n in range(50)]
    text = orjson.dumps([row.model_dump() for row in rows])
    again = [Row.model_validate(row) for row in orjson.loads(text)]
    root = lxml.etree.fromstring("<a>" + "".join(f"<b n='{{n}}'/>" for n in range(100)) + "</a>")
    assert again == rows and read.shape == frame.shape
    found = root.xpath("//b[@n > 49]")
    return f"{{means.a.sum():.9f}} {{int(near.sum())}} {{len(text)}} {{len(found)}}"
"""


def pss_mib() -> float:
    with open("/proc/self/smaps_rollup") as file:
        for line in file:
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0


def state() -> str:
    with open("/proc/self/maps") as file:
        maps = sum(1 for _ in file)
    threads, files = (len(os.listdir(f"/proc/self/{name}")) for name in ("task", "fd"))
    return f"{pss_mib():7.1f} MiB, {maps} mappings, {threads} threads, {files} files"


class Place:
    """Where one interpreter after the other works."""

    def __init__(self, number: int, prepare: str, expected: list[str]) -> None:
        self.number = number
        self.prepare = prepare
        self.expected = expected
        self.rounds = 0
        self.replaced = 0
        self.replace = threading.Event()
        self.stop = threading.Event()
        self.error: BaseException | None = None
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self) -> None:
        try:
            while not self.stop.is_set():
                self.one_interpreter()
        except BaseException as error:
            self.error = error
        finally:
            self.ready.set()

    def one_interpreter(self) -> None:
        interpreter = allcores.Interpreter()
        try:
            interpreter.call(self.prepare)
            while not self.stop.is_set() and not self.replace.is_set():
                seed = self.rounds % len(self.expected)
                result = interpreter.call(f"work({seed})")
                assert result == self.expected[seed], f"{result} instead of {self.expected[seed]}"
                self.rounds += 1
                self.ready.set()
        finally:
            assert interpreter.destroy(60), "an interpreter did not end"
        if self.replace.is_set():
            self.replace.clear()
            self.replaced += 1


def run_places(options: argparse.Namespace, prepare: str, expected: list[str]) -> list[Place]:
    """All interpreters at work, for options.seconds; then ended."""
    places = [Place(n, prepare, expected) for n in range(options.interpreters)]
    for place in places:
        place.ready.wait()
    started, said, turn = time.monotonic(), -1e9, 0
    while (now := time.monotonic() - started) < options.seconds:
        if now - said >= max(5.0, options.seconds / 40):
            said = now
            replaced = sum(place.replaced for place in places)
            print(f"{now:4.0f} s {replaced:5} replaced: {state()}", flush=True)
        time.sleep(1)
        if any(place.error for place in places):
            break
        if not places[turn % len(places)].replace.is_set():
            places[turn % len(places)].replace.set()
            turn += 1
    for place in places:
        place.stop.set()
    for place in places:
        place.thread.join()
    # What could not go yet when the last one ended.
    with allcores.Interpreter():
        pass
    for place in places:
        if place.error is not None:
            raise place.error
    return places


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--interpreters", type=int, default=8)
    parser.add_argument("--without", nargs="*", default=[])
    options = parser.parse_args()
    faulthandler.enable()
    prepare = PREPARE.format(without=options.without)
    expected: list[str] = []
    with allcores.Interpreter() as first:
        first.call(prepare)
        expected += [str(first.call(f"work({seed})")) for seed in range(5)]
    # Caches are full, and threads have had their first memory, when all have come and gone once.
    run_places(argparse.Namespace(interpreters=options.interpreters, seconds=0), prepare, expected)
    before = pss_mib()
    print(f"all have ended once:      {state()}", flush=True)
    places = run_places(options, prepare, expected)
    rounds, replaced = (sum(getattr(p, what) for p in places) for what in ("rounds", "replaced"))
    print(f"{rounds} rounds, {replaced} replaced, then {state()}")
    ended = replaced + len(places)
    print(f"left: {(pss_mib() - before) / ended:.2f} MiB for each of {ended} that ended")
    return 0


if __name__ == "__main__":
    sys.exit(main())
