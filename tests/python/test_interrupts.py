"""Ctrl-C while the main thread is in another interpreter."""

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

PROGRAM = """
import os, signal, sys, time
import allcores

class Home:
    def __init__(self):
        self.seen = []
    def loop(self):
        say_inside()
        while True:
            pass
    def swallow(self):
        try:
            self.loop()
        except KeyboardInterrupt:
            self.seen.append("interrupted")
        return "went on"
    def pop(self, channel):
        say_inside()
        return channel.pop()
    def read(self):
        say_inside()
        return os.read(0, 1)
    def look(self):
        return self.seen
    def meet(self, other):
        return other.loop()

def say_inside():
    os.write(1, b"inside\\n")

def loop():
    Home().loop()

def make():
    return allcores.share(Home())

def interrupted(call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except KeyboardInterrupt:
        return True
    return False

def main(worker, home):
"""


def run(body: str, *, line: bytes = b"") -> None:
    """A program that has to get one SIGINT each time it says that it is inside, and then to end.

    The program is given `line` after that.
    """
    program = PROGRAM + textwrap.indent(textwrap.dedent(body), "    ")
    program += (
        '\nwith allcores.Interpreter("worker") as worker:\n    main(worker, worker.call(make))\n'
    )
    process = subprocess.Popen(
        [sys.executable, "-X", "faulthandler", "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=Path(__file__).parent,
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        while process.stdout.readline() == b"inside\n":
            process.send_signal(signal.SIGINT)
            if line:
                process.stdin.write(line)
                process.stdin.flush()
        _, said = process.communicate(timeout=60)
    except BaseException:
        process.kill()
        process.communicate()
        raise
    assert process.returncode == 0, said.decode()


@pytest.mark.parametrize(
    "call",
    [
        "home.loop",
        "allcores.host(Home).loop",
        "worker.call, loop, where='caller'",
        "home.meet, allcores.host(Home)",
    ],
)
def test_a_call_that_computes_is_interrupted(call):
    run(f"""
    for _ in range(2):
        assert interrupted({call})
    assert home.look() == []
    assert worker.call(abs, -1, where="caller") == 1
    """)


def test_a_wait_there_is_interrupted_and_loses_nothing():
    run("""
    channel = allcores.Channel()
    assert interrupted(home.pop, channel)
    channel.push(1)
    assert channel.pop() == 1
    """)


def test_what_is_caught_there_is_raised_here():
    run("""
    assert interrupted(home.swallow)
    assert home.look() == ["interrupted"]
    """)


def test_the_program_s_own_handler_runs_when_the_call_is_back():
    run(
        """
        seen = []
        home.look()
        signal.signal(signal.SIGINT, lambda *_: seen.append("handled"))
        assert home.read() == b"x"
        assert seen == ["handled"]
        # And Python's, once it is there again: visits look for it from time to time.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        until = time.monotonic() + 0.1
        while time.monotonic() < until:
            home.look()
        assert interrupted(home.loop)
        """,
        line=b"x",
    )
