"""Slow clients by slowhttptest: what they do to the latency of all others, against named peers."""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import shutil
import statistics
import subprocess
import sys
import threading

import _load
import _peers
import _report as report
import _running
import _servers

# Of slowhttptest, as its manual has them; {port} is the server's.
ATTACKS = {
    "slow headers": "-H -i 5 -x 24 -r 200 -u http://127.0.0.1:{port}/",
    "slow body": "-B -i 5 -s 8192 -x 10 -r 200 -u http://127.0.0.1:{port}/form",
    "slow read": "-X -w 512 -y 1024 -n 5 -z 32 -k 3 -r 200 -u http://127.0.0.1:{port}/large",
    "range": "-R -a 10 -b 3000 -t HEAD -r 500 -u http://127.0.0.1:{port}/large",
}
MOST_RISE = 2.0
# Connections held, p99 before and during, their ratio twice, CPU before and during, errors.
Row = tuple[int, float, float | None, float | None, float | None, float, float, int]


def servers() -> list[_servers.Server]:
    """Ours with as many workers as it has by itself, the peers with one for each core."""

    def ours(interface: str) -> _servers.Server:
        program = f"import allcores; allcores.serve('slow_{interface}_app:app', port=PORT)"
        return _servers.Server(
            f"allcores {interface}",
            "ours",
            lambda port, _: [
                *(_servers.python_for_servers(), "-c", program.replace("PORT", str(port)))
            ],
        )

    return [ours("asgi"), ours("wsgi"), *_servers.application_peers("slow_")]


def open_connections(pids: list[int]) -> int:
    """How many sockets the processes have open."""
    found = 0
    for pid in pids:
        folder = f"/proc/{pid}/fd"
        with contextlib.suppress(OSError):
            for each in os.listdir(folder):
                with contextlib.suppress(OSError):
                    found += os.readlink(f"{folder}/{each}").startswith("socket:")
    return found


class Attack:
    """slowhttptest while the block runs, from its first connection on; how many it held at most."""

    def __init__(self, running: _running.Running, attack: str, arguments: argparse.Namespace):
        self._pids = running.pids()
        self._before = open_connections(self._pids)
        self._command = ["slowhttptest", "-c", str(arguments.connections), "-l", "120", "-v", "0"]
        self._command += ATTACKS[attack].format(port=running.port).split()
        self.held = 0

    def __enter__(self) -> Attack:
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(self._command, stdin=quiet, stdout=quiet, stderr=quiet)
        self._ends = threading.Event()
        self._watch = threading.Thread(target=self._count)
        self._watch.start()
        return self

    def _count(self) -> None:
        while not self._ends.wait(0.5):
            self.held = max(self.held, open_connections(self._pids) - self._before)

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._watch.join()
        self._process.kill()
        self._process.wait()


def measure(running: _running.Running, arguments: argparse.Namespace) -> _load.Measurement:
    return _load.run(
        running,
        "open",
        path="/",
        body="Hello, World!",
        rate=arguments.rate,
        slow_share=0,
        connections=32,
        seconds=arguments.seconds,
        real_time=1,
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="./bench slow", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="of one slice of load")
    parser.add_argument("--rate", type=float, default=500.0, help="requests a second of the others")
    parser.add_argument("--connections", type=int, default=1200, help="of an attack")
    parser.add_argument("--only", action="append", default=[], help="servers whose name has this")
    arguments = parser.parse_args()
    if shutil.which("slowhttptest") is None:
        sys.exit("./bench slow needs slowhttptest (tools/packages.txt)")
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 16_384), most))
    _peers.environment()
    _peers.load_generator()
    about = report.machine()
    about["packages"] = _peers.versions()
    print(report.machine_line(about))
    chosen = [
        each
        for each in servers()
        if not arguments.only or any(word in each.name for word in arguments.only)
    ]
    rows: list[list[object]] = []
    result: dict[str, object] = {}
    for server in chosen:
        try:
            with _running.Running(server, None) as running:
                measure(running, arguments)  # warms up
                for attack in ATTACKS:
                    rows.append([server.name, attack, *one(running, attack, arguments)])
                    result[f"{server.name}, {attack}"] = rows[-1][2:]
        except (_running.ServerError, OSError) as error:
            print(f"{server.name}: {error}", file=sys.stderr)
    report.progress("")
    report.table(
        ["server", "attack", "it held", "p99 ms before", "during", "÷ of medians", "÷ of the best",
         "CPU µs before", "during", "errors"],
        rows,
        f"the other clients, {arguments.rate:.0f} requests a second, while slowhttptest makes and "
        f"keeps {arguments.connections} connections",
    )  # fmt: skip
    ours = [row[5] for row in rows if str(row[0]).startswith("allcores")]
    if ours:
        worst = max(each if isinstance(each, float) else float("inf") for each in ours)
        verdict = "met" if worst <= MOST_RISE else "missed"
        report.table(
            ["goal", "measured", "at most", ""],
            [["p99 of others under attack ÷ p99 before, medians", worst, MOST_RISE, verdict]],
            "goals",
        )
    report.save("slow", result, about)


def one(running: _running.Running, attack: str, arguments: argparse.Namespace) -> Row:
    """Rounds of: a slice without, one with the attack."""
    before: list[_load.Measurement] = []
    during: list[_load.Measurement] = []
    held = []
    for number in range(arguments.rounds):
        report.progress(f"{running.server.name}: {attack}, {number + 1} of {arguments.rounds}")
        before.append(measure(running, arguments))
        with Attack(running, attack, arguments) as attacked:
            during.append(measure(running, arguments))
        held.append(attacked.held)
    errors = sum(each.errors for each in during)
    asked = arguments.rate * arguments.seconds * arguments.rounds
    quiet, loud = ([each.p99_us / 1000 for each in slices] for slices in (before, during))
    cpu = [statistics.median(each.cpu_us for each in slices) for slices in (before, during)]
    if errors > asked / 100:  # those that were answered say nothing
        return (
            int(statistics.median(held)),
            statistics.median(quiet),
            None,
            None,
            None,
            *cpu,
            errors,
        )
    return (
        int(statistics.median(held)),
        statistics.median(quiet),
        statistics.median(loud),
        statistics.median(loud) / statistics.median(quiet),
        min(loud) / min(quiet),
        *cpu,
        errors,
    )


if __name__ == "__main__":
    main()
