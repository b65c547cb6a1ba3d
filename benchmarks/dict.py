"""A mapping that all workers share: allcores.Dict, a hosted dict, a Manager's dict, Redis."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import _report as report

# By name: what a worker is, and how many of them are measured.
WAYS = {
    "dict": "the interpreter itself, which nobody shares it with",
    "allcores.Dict": "an interpreter",
    "allcores.Dict, frozen": "an interpreter; the values are frozen",
    "allcores.host(dict)": "an interpreter",
    "Manager().dict()": "a process",
    "Redis": "a process",
    "Redis, 100 at once": "a process",
}
CASES = {"get": 0, "set": 100, "90 get, 10 set": 10}  # percent of the operations that set
WORKERS = (1, 2, 8)
type Done = tuple[float, float, int]
BATCH = 100  # operations between two looks at the clock, and of those that go to Redis at once


def key(number: int) -> str:
    return f"key {number}"


def value(number: int) -> str:
    return f"the value {number}"


def private_bytes(process: int | str = "self") -> int:
    with open(f"/proc/{process}/smaps_rollup") as file:
        return 1024 * sum(int(line.split()[1]) for line in file if line.startswith("Private_"))


def cpu_seconds(process: int) -> float:
    """Of all its threads, also those that have ended."""
    with open(f"/proc/{process}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def connect(target: Any) -> Any:
    """What is asked for keys: the mapping itself, or a client of the server at a port."""
    if not isinstance(target, int):
        return target
    import redis

    return redis.Redis(port=target, decode_responses=True)


def operation_of(mapping: Any, together: bool) -> Callable[[list[str], list[str]], None]:
    """Gets the first keys and sets the other ones."""
    if together:

        def at_once(gets: list[str], sets: list[str]) -> None:
            batch = mapping.pipeline(transaction=False)
            for each in gets:
                batch.get(each)
            for each in sets:
                batch.set(each, "the new value")
            batch.execute()

        return at_once
    if type(mapping).__module__.startswith("redis"):
        get, put = mapping.get, mapping.set
    else:
        get, put = mapping.__getitem__, mapping.__setitem__

    def one_by_one(gets: list[str], sets: list[str]) -> None:
        for each in gets:
            get(each)
        for each in sets:
            put(each, "the new value")

    return one_by_one


def work(
    target: Any, count: int, percent: int, together: bool, start: float, seconds: float, seed: int
) -> tuple[float, float, int]:
    """What one worker did, which begins at a time that all of them know.

    Operations a second, seconds of its thread's CPU time, operations.
    """
    choose = random.Random(seed)
    mapping = connect(target)
    operation = operation_of(mapping, together)
    # Enough, at random, that the processor's caches don't know them.
    batches = []
    for _ in range(200):
        keys = [key(choose.randrange(count)) for _ in range(BATCH)]
        batches.append((keys[percent * BATCH // 100 :], keys[: percent * BATCH // 100]))
    operation(*batches[0])
    late = time.time() - start
    if late > 0:
        raise RuntimeError(f"a worker was ready {late:.1f} s too late")
    time.sleep(-late)
    began, used = time.perf_counter(), time.thread_time()
    done = 0
    while time.perf_counter() - began < seconds:
        operation(*batches[done % len(batches)])
        done += 1
    took = time.perf_counter() - began
    return done * BATCH / took, time.thread_time() - used, done * BATCH


def put_work(results: Any, arguments: tuple[Any, ...]) -> None:
    results.put(work(*arguments))


class Way:
    """Makes the mapping, fills it, and runs workers on it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_local = name == "dict"
        self.has_processes = "Manager" in name or "Redis" in name

    @contextlib.contextmanager
    def filled(self, count: int) -> Iterator[tuple[Any, float, int | None]]:
        """What workers connect() to, bytes of memory an entry, and the process that serves it."""
        if "Redis" in self.name:
            with redis_server() as (port, process):
                yield port, self.fill_redis(port, process, count), process
            return
        with contextlib.ExitStack() as stack:
            holder: int | str = "self"
            if self.name == "dict":
                made: Any = {}
            elif "Manager" in self.name:
                import multiprocessing

                manager = multiprocessing.get_context("spawn").Manager()
                stack.enter_context(manager)
                holder = manager._process.pid  # type: ignore[attr-defined]
                made = manager.dict()
            else:
                import allcores

                make = getattr(allcores, "host", None) if "host" in self.name else None
                made = make(dict) if make is not None else allcores.Dict()
            before = private_bytes(holder)
            if "Manager" in self.name:
                for first in range(0, count, 10_000):
                    numbers = range(first, min(first + 10_000, count))
                    made.update({key(each): value(each) for each in numbers})
            elif "frozen" in self.name:
                import allcores

                values = allcores.freeze([value(each) for each in range(count)])
                for each in range(count):
                    made[key(each)] = values[each]
            else:
                for each in range(count):
                    made[key(each)] = value(each)
            memory = (private_bytes(holder) - before) / count
            yield made, memory, holder if isinstance(holder, int) else None

    def fill_redis(self, port: int, process: int, count: int) -> float:
        client = connect(port)
        before = private_bytes(process)
        for first in range(0, count, 1000):
            numbers = range(first, min(first + 1000, count))
            client.mset({key(each): value(each) for each in numbers})
        return (private_bytes(process) - before) / count

    @contextlib.contextmanager
    def workers(self, number: int) -> Iterator[Callable[..., list[Done]]]:
        """Runs work() in so many workers: a function of its arguments without the seed."""
        if self.has_processes:
            yield partial(self.in_processes, number)
        elif self.is_local:
            yield lambda *arguments: [work(*arguments, 1)]
        else:
            import allcores

            with contextlib.ExitStack() as stack:
                made = [stack.enter_context(allcores.Interpreter()) for _ in range(number)]
                yield partial(self.in_threads, [each.call for each in made])

    def in_threads(self, calls: list[Any], *arguments: Any) -> list[Done]:
        results: list[Done] = []

        def run(call: Any, seed: int) -> None:
            results.append(call(work, *arguments, seed))

        threads = [
            threading.Thread(target=run, args=each)
            for each in zip(calls, range(len(calls)), strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if len(results) < len(calls):
            raise RuntimeError("a worker failed")
        return results

    def in_processes(self, number: int, *arguments: Any) -> list[Done]:
        import multiprocessing

        context = multiprocessing.get_context("fork" if "Redis" in self.name else "spawn")
        results = context.SimpleQueue()
        started = [
            context.Process(target=put_work, args=(results, (*arguments, seed)))
            for seed in range(number)
        ]
        for each in started:
            each.start()
        for each in started:
            each.join()
        if any(each.exitcode for each in started):
            raise RuntimeError("a worker failed")
        return [results.get() for _ in started]


@contextlib.contextmanager
def redis_server() -> Iterator[tuple[int, int]]:
    """A server on loopback that writes no files: its port and process."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", ""]
    with subprocess.Popen([*command, "--appendonly", "no"], stdout=subprocess.DEVNULL) as server:
        try:
            import redis

            client = redis.Redis(port=port)
            for _ in range(500):
                try:
                    client.ping()
                    break
                except redis.ConnectionError:
                    time.sleep(0.02)
            yield port, server.pid
        finally:
            server.terminate()


def measure(name: str, count: int, seconds: float) -> dict[str, Any]:
    way = Way(name)
    found: dict[str, Any] = {}
    with way.filled(count) as (target, memory, server):
        found["bytes an entry"] = memory
        for number in (1,) if way.is_local else WORKERS:
            # Time for the slowest to be there: processes of the Manager's import everything anew.
            patience = 0.3 if way.is_local else 1.0 + number * (1.0 if way.has_processes else 0.2)
            with way.workers(number) as run:
                for case, percent in CASES.items():
                    start = time.time() + patience
                    before = cpu_seconds(server) if server else 0.0
                    done = run(target, count, percent, "at once" in name, start, seconds)
                    cpu = cpu_seconds(server) - before if server else 0.0
                    cpu += sum(each[1] for each in done)
                    found[f"{case}, {number}"] = sum(each[0] for each in done)
                    found[f"CPU of {case}, {number}"] = cpu * 1e9 / sum(each[2] for each in done)
    return found


def command_for(way: str, arguments: argparse.Namespace) -> list[str]:
    options = ["--measure", way, "--count", str(arguments.count)]
    options += ["--seconds", str(arguments.seconds)]
    if "Redis" not in way:
        return [sys.executable, __file__, *options]
    import _peers

    return _peers.python(__file__, *options)


def main() -> int:
    parser = argparse.ArgumentParser(prog="./bench dict", description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000, help="entries (1,000,000)")
    parser.add_argument("--seconds", type=float, default=2, help="of each measurement (2)")
    parser.add_argument("--measure", choices=WAYS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure, arguments.count, arguments.seconds)))
        return 0
    import allcores

    about = report.machine()
    print(report.machine_line(about))
    found = {}
    for way in WAYS:
        if "host" in way and not hasattr(allcores, "host"):
            continue
        report.progress(way)
        done = subprocess.run(
            command_for(way, arguments), stdout=subprocess.PIPE, text=True, check=False
        )
        if done.returncode != 0:
            print(f"{way} could not be measured", file=sys.stderr)
            continue
        found[way] = json.loads(done.stdout)
    report.progress("")
    for number in WORKERS:
        rows = [
            [way, *(each.get(f"{case}, {number}") for case in CASES)] for way, each in found.items()
        ]
        title = f"operations a second, {number} worker{'s' if number > 1 else ''}"
        report.table([title, *CASES], [row for row in rows if any(row[1:])])
    for number in WORKERS:
        rows = [
            [way, *(each.get(f"CPU of {case}, {number}") for case in CASES)]
            for way, each in found.items()
        ]
        title = f"ns of CPU an operation, server's too, {number} worker{'s' if number > 1 else ''}"
        report.table([title, *CASES], [row for row in rows if any(row[1:])])
    report.table(
        ["memory", "bytes an entry"], [[way, each["bytes an entry"]] for way, each in found.items()]
    )
    report.save("dict", found, about)
    return 0


if __name__ == "__main__":
    sys.exit(main())
