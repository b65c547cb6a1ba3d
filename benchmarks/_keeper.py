"""Runs one server and ends with all its processes, however it and the benchmark end.

python _keeper.py PARENT CMD [ARG ...]: killed with its parent (PR_SET_PDEATHSIG), adopts what the
server leaves behind (PR_SET_CHILD_SUBREAPER), and on SIGTERM stops the server: politely first.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time

import _processes

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
POLITE_SECONDS = 1.5


def send(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def stop_all(server: int) -> None:
    """Ask the server to stop, then kill whatever is left of it."""
    # A server that the benchmark has frozen hears nothing until it goes on.
    send(_processes.descendants(os.getpid()), signal.SIGCONT)
    send([server], signal.SIGTERM)
    deadline = time.monotonic() + POLITE_SECONDS
    while (left := _processes.descendants(os.getpid())) and time.monotonic() < deadline:
        reap()
        time.sleep(0.02)
    while left:
        send(left, signal.SIGKILL)
        reap()
        time.sleep(0.005)
        left = _processes.descendants(os.getpid())
    reap()


def main() -> int:
    parent = int(sys.argv[1])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    wanted = {signal.SIGTERM, signal.SIGCHLD}
    signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
    if os.getppid() != parent:
        return 1

    def before_exec() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, wanted)
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    server = subprocess.Popen(sys.argv[2:], preexec_fn=before_exec).pid
    while True:
        if signal.sigwait(wanted) == signal.SIGTERM:
            stop_all(server)
            return 0
        ended, status = os.waitpid(server, os.WNOHANG)
        if ended:
            stop_all(server)
            return os.waitstatus_to_exitcode(status) & 255 or 1


if __name__ == "__main__":
    sys.exit(main())
