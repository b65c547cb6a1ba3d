"""slowhttptest as an attacker: what each attack does, while a block runs, and how far it came."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import signal
import socket
import subprocess
import tempfile

ESTABLISHED = "01"
# It asks once by itself whether the server still answers, and polls that socket again and again,
# on a whole core, after it has given up on it: so it never gives up.
PROBE_SECONDS = 600


@dataclasses.dataclass(frozen=True)
class Kind:
    """One attack: slowhttptest's options for it, and the path that it asks for."""

    name: str
    options: str
    path: str
    holds: bool = True  # its connections stay; otherwise each is answered, and closes
    of_files: bool = False  # for servers with static files only


KINDS = [
    Kind("slow headers", "-H -i 1 -x 24", "/"),
    Kind("slow body", "-B -i 1 -s 8192 -x 10", "/form"),
    # A window of 512 to 1024 bytes, of which 32 are read every second; three answers of 1 MB.
    Kind("slow read", "-X -w 512 -y 1024 -n 1 -z 32 -k 3", "/large"),
    # bytes=0-,1-1,1-2, ... 1-3000: a field of 20 KB.
    Kind("range", "-R -a 1 -b 3000 -t GET", "/page", holds=False),
    Kind("range of a file", "-R -a 1 -b 3000 -t GET", "/files/page", holds=False, of_files=True),
]


class Silence(contextlib.AbstractContextManager["Silence"]):
    """A port that takes connections and bytes, and at which nobody ever looks.

    What slowhttptest costs by itself, it costs here too: processor time, the kernel's work for its
    connections and its bytes.
    """

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen(4096)
        self.port = int(self._socket.getsockname()[1])

    def __exit__(self, *_: object) -> None:
        self._socket.close()


class Attack(contextlib.AbstractContextManager["Attack"]):
    """slowhttptest at a port while the block runs, from its first connection to its end."""

    def __init__(self, kind: Kind, port: int, connections: int, rate: float, seconds: float):
        self._port = port
        self._folder = tempfile.TemporaryDirectory(prefix="slow-")
        if not kind.holds:  # as long as the block runs, at the same rate
            connections = max(connections, int(rate * (seconds + 1)))
        self._command = [
            "slowhttptest", *kind.options.split(), "-c", str(connections), "-r", f"{rate:.0f}",
            "-u", f"http://127.0.0.1:{port}{kind.path}", "-l", "600", "-p", str(PROBE_SECONDS),
            "-v", "0", "-g", "-o", f"{self._folder.name}/a",
        ]  # fmt: skip
        self.held = 0  # connections that stood at a time, at most
        self.closed = 0  # connections that have ended, which is what the ranges are about
        self.full = 0  # of those that stand at the end: with bytes that the client does not take

    def __enter__(self) -> Attack:
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(
            self._command,
            stdin=quiet,
            stdout=quiet,
            stderr=quiet,
            preexec_fn=lambda: os.nice(10),  # real ones come from elsewhere
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.full = sum(queued > 0 for queued in queues(self._port))
        self._process.send_signal(signal.SIGINT)  # then it writes down what it has seen
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        lines: list[str] = []
        with self._folder, contextlib.suppress(FileNotFoundError):
            lines = pathlib.Path(self._folder.name, "a.csv").read_text().splitlines()[1:]
        # A line for each second: seconds, closed, pending, connected, whether it is available.
        cells = [line.split(",") for line in lines]
        self.closed = max((int(each[1]) for each in cells), default=0)
        self.held = max((int(each[3]) for each in cells), default=0)


def queues(port: int) -> list[int]:
    """For each connection that stands at a port: bytes that the other side has not taken yet."""
    found = []
    for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == ESTABLISHED and fields[1].endswith(f":{port:04X}"):
            found.append(int(fields[4].split(":")[0], 16))
    return found
