"""Measures a group of servers: each alone for its memory, then all of them in rounds of slices."""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import time

import _load
import _peers
import _processes
import _report as report
import _running
import _servers
from cases import Case, Group

Samples = dict[str, dict[str, list[_load.Measurement]]]  # by case, by server

PROBLEMS = (_running.ServerError, OSError, RuntimeError)


class Run:
    """One run: what was measured, and what could not be, with the reason."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.failed: dict[str, str] = {}
        self.memory: dict[str, dict[str, float]] = {}  # MiB, by group and server, as the following
        self.processes: dict[str, dict[str, int]] = {}
        self.idle: dict[str, dict[str, float]] = {}  # CPU time with no request, percent of a core
        # CPU µs a request of a framework without a server: one, and one a core at once.
        self.alone: dict[str, tuple[float, float]] = {}
        self.samples: Samples = {}
        self._out: set[tuple[str, str]] = set()  # (group or case, server) that has failed

    def fail(self, what: str, server: _servers.Server, error: Exception) -> None:
        self._out.add((what, server.name))
        self.failed[f"{server.name}, {what}"] = str(error)
        print(f"\r{server.name}, {what}: {error}\033[K", file=sys.stderr)

    def measure(self, group: Group) -> None:
        if self.arguments.memory_workers and group.measures_memory:
            for server in group.servers:
                self.measure_memory(group, server)
        if self.arguments.only_memory:
            return
        if group.module:
            self.measure_alone(group)
        self.measure_load(group)

    def warm(
        self, running: _running.Running, cases: list[Case], seconds: float, times: int = 1
    ) -> None:
        for case in {case.path: case for case in cases if case.kind == "closed"}.values():
            if case.is_for(running.server):
                options = {"path": case.path, "body": case.body, "seconds": seconds}
                for _ in range(times):
                    _load.run(running, "closed", **options)

    def measure_memory(self, group: Group, server: _servers.Server) -> None:
        """A server on its own, with so many workers as asked for, after some load."""
        report.progress(f"{group.name}: memory of {server.name}")
        try:
            with _running.Running(server, self.arguments.memory_workers) as running:
                self.warm(running, group.cases, 0.7)
                pids = running.pids()
                self.memory.setdefault(group.name, {})[server.name] = _processes.memory_mib(pids)
                self.processes.setdefault(group.name, {})[server.name] = len(pids)
                before = _processes.CpuTime.of(pids)
                time.sleep(1)
                used = _processes.CpuTime.of(pids).since(before)
                self.idle.setdefault(group.name, {})[server.name] = used * 100
        except PROBLEMS as error:
            self.fail(group.name, server, error)

    def measure_alone(self, group: Group) -> None:
        """What the framework takes without any server, in the same Python.

        One has the machine to itself. With one on each core they share what cores share, as a
        server's workers do under load.
        """
        command = _peers.python(
            "framework_alone.py", group.module, group.servers[0].interface, "1.5"
        )
        found = []
        for copies in (1, os.cpu_count() or 1):
            with contextlib.ExitStack() as stack:
                some = [
                    stack.enter_context(
                        subprocess.Popen(
                            command,
                            cwd=_servers.APPS,
                            stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE,
                            text=True,
                        )
                    )
                    for _ in range(copies)
                ]
                done = [each.communicate() for each in some]
            if any(each.returncode for each in some):
                last = max(errors.strip().rpartition("\n")[2] for _, errors in done)
                self.failed[f"no server, {group.name}"] = last
                return
            found.append(statistics.mean(float(output) for output, _ in done))
        self.alone[group.name] = (found[0], found[1])

    def measure_load(self, group: Group) -> None:
        """All servers up, frozen but for the one under load; rounds over cases and servers."""
        with contextlib.ExitStack() as stack:
            running: list[_running.Running] = []
            for server in group.servers:
                if (group.name, server.name) in self._out:
                    continue
                report.progress(f"{group.name}: {server.name} starts")
                try:
                    one = stack.enter_context(_running.Running(server, None))
                    self.warm(one, group.cases, 0.5)
                    one.freeze()
                    running.append(one)
                except PROBLEMS as error:
                    self.fail(group.name, server, error)
            for turn in range(self.arguments.rounds):
                for case in group.cases:
                    self.measure_case(case, running, turn)

    def measure_case(self, case: Case, running: list[_running.Running], turn: int) -> None:
        total = self.arguments.rounds
        report.progress(f"round {turn + 1} of {total}: {case.name}")
        first = turn % max(1, len(running))
        for one in running[first:] + running[:first]:
            if not case.is_for(one.server) or (case.name, one.server.name) in self._out:
                continue
            one.thaw()
            try:
                seconds = self.arguments.seconds * case.seconds
                found = _load.run(one, case.kind, **case.load(), seconds=seconds)
            except PROBLEMS as error:
                self.fail(case.name, one.server, error)
            else:
                self.samples.setdefault(case.name, {}).setdefault(one.server.name, []).append(found)
            one.freeze()
