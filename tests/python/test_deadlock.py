"""The report of a deadlock: when everybody waits, and only then. The program goes on waiting."""

import os
import signal
import subprocess
import sys
import threading

import pytest

SHORT = 0.2


def start(program: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            sys.executable,
            "-u",
            "-X",
            "faulthandler",
            "-c",
            "import allcores, threading\n" + program,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "ALLCORES_DEADLOCK_SECONDS": str(SHORT), **environment},
    )


def report_of(program: str, threads: int) -> list[str]:
    """The lines of the report of a program that waits for ever; then Ctrl-C still ends it."""
    with start(program) as process:
        assert process.stderr is not None
        watchdog = threading.Timer(60, process.kill)
        watchdog.start()
        try:
            head = process.stderr.readline()
            assert head.startswith("allcores: deadlock: all threads have waited for 0.2 s"), head
            lines = [process.stderr.readline() for _ in range(threads)]
            process.send_signal(signal.SIGINT)
            assert "KeyboardInterrupt" in process.communicate(timeout=60)[1]
            return lines
        finally:
            watchdog.cancel()
            process.kill()


def test_one_thread_pops_from_its_own_channel() -> None:
    (line,) = report_of("def work():\n allcores.Channel().pop()\nwork()", 1)
    assert "of the main interpreter: pop from <allcores.Channel at 0x" in line
    assert line.endswith("0 inside>, at <string>:3 in work\n")


def test_a_push_into_a_full_channel_a_rendezvous_a_select_a_queue() -> None:
    (line,) = report_of("c = allcores.Channel(1)\nc.push(1)\nc.push(2)", 1)
    assert "push to <allcores.Channel at" in line and "1 of 1 inside>, at <string>:4 in" in line
    (line,) = report_of("allcores.Channel(rendezvous=True).push(1)", 1)
    assert "push to <allcores.Channel rendezvous at" in line
    program = "c = allcores.Channel(rendezvous=True)\nallcores.select(c, (c, 1))"
    (line,) = report_of(program, 1)
    assert ": pop from <" in line and "> or push to <" in line and "at <string>:3 in" in line
    (line,) = report_of("q = allcores.Queue()\nq.put(1)\nq.join()", 1)
    assert ": join of <" in line and "at <string>:4 in <module>" in line


TWO_INTERPRETERS = """
one, other = allcores.Channel(), allcores.Channel()
def pass_on(source, target):
    target.push(source.pop())
workers = [allcores.Interpreter("first"), allcores.Interpreter("second")]
threads = [threading.Thread(target=workers[0].call, args=(pass_on, one, other), daemon=True),
           threading.Thread(target=workers[1].call, args=(pass_on, other, one), daemon=True)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


HELD = """
class Home:
    def wait(self, inside):
        inside.push(None)
        allcores.Channel().pop()
    def number(self):
        return 1
home, inside = allcores.host(Home), allcores.Channel()
threading.Thread(target=home.wait, args=(inside,), daemon=True).start()
inside.pop()
home.number()
"""


def test_one_waits_for_a_hosted_object_and_another_in_it() -> None:
    lines = sorted(report_of(HELD, 2), key=lambda line: "main" in line)
    assert ": pop from <" in lines[0] and "in Home.wait" in lines[0]
    assert ": the hosted Home, held by another thread, at <string>:" in lines[1]


def test_two_interpreters_wait_for_each_other_and_main_joins_them() -> None:
    lines = report_of(TWO_INTERPRETERS, 3)
    text = "".join(lines)
    for name in ("first", "second"):
        assert f' "{name}": pop from <allcores.Channel at' in text, text
    assert text.count(" in pass_on\n") == 2, text
    assert lines[-1].startswith("  sleeping otherwise"), text


def test_main_waits_for_a_call_that_waits_for_main() -> None:
    program = """
channel = allcores.Channel(rendezvous=True)
def work():
    channel.push(1)
allcores.Interpreter("worker").call(work)
channel.pop()
"""
    text = "".join(report_of(program, 2))
    assert 'of interpreter 1 "worker": push to <allcores.Channel rendezvous' in text, text
    assert "of the main interpreter: a call in interpreter 1, at <string>:6 in <module>" in text


# Each ends by itself, long after the patience.
AGAIN = f"""
import time
def later(function, *args):
    threading.Timer({SHORT * 8}, function, args).start()
c = allcores.Channel()
"""


@pytest.mark.parametrize(
    "program",
    [
        # A timer sleeps in a lock with a time limit.
        "later(c.push, 1)\nc.pop()",
        "threading.Thread(target=lambda: (time.sleep(1.6), c.push(1))).start()\nc.pop()",
        "try: c.pop(timeout=1.6)\nexcept TimeoutError: pass",
        "import select, os\nr, w = os.pipe()\n"
        "threading.Thread(target=lambda: (os.read(r, 1), c.push(1))).start()\n"
        "def write():\n select.select([], [], [], 1.6)\n os.write(w, b'x')\n"
        "threading.Thread(target=write).start()\n"
        "c.pop()",
        "import hashlib, os\n"
        "def compute():\n"
        "    end = time.monotonic() + 1.6\n"
        "    while time.monotonic() < end: hashlib.pbkdf2_hmac('sha256', b'', b'', 200_000)\n"
        "    c.push(1)\n"
        "threading.Thread(target=compute).start()\nc.pop()",
        "import asyncio\n"
        "async def wait():\n"
        "    asyncio.get_running_loop().call_later(1.6, c.push_nowait, 1)\n"
        "    await c.apop()\n"
        "asyncio.run(wait())",
        # Another process has the other end.
        "import os\nr, w = os.pipe()\n"
        "if os.fork() == 0:\n    time.sleep(1.6)\n    os._exit(os.write(w, b'x') - 1)\n"
        "threading.Thread(target=lambda: (os.read(r, 1), c.push(1))).start()\nc.pop()",
    ],
    ids=["timer", "sleep", "time limit", "read and select", "C call", "asyncio", "another process"],
)
def test_what_may_still_happen_is_no_deadlock(program: str) -> None:
    with start(AGAIN + program) as process:
        output, errors = process.communicate(timeout=120)
    assert (process.returncode, output) == (0, ""), errors
    assert "deadlock" not in errors


def test_it_can_be_turned_off() -> None:
    program = "print(1)\nallcores.Channel().pop()"
    with start(program, ALLCORES_DEADLOCK_SECONDS="0") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "1\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(SHORT * 8)
        process.send_signal(signal.SIGINT)
        assert "deadlock" not in process.communicate(timeout=60)[1]


def test_two_deadlocks_are_two_reports() -> None:
    program = """
for _ in range(2):
    try: allcores.Channel().pop()
    except KeyboardInterrupt: print("over", flush=True)
"""
    with start(program) as process:
        assert process.stderr is not None
        watchdog = threading.Timer(60, process.kill)
        watchdog.start()
        try:
            for _ in range(2):
                assert "deadlock" in process.stderr.readline()
                process.stderr.readline()
                process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=60)
        finally:
            watchdog.cancel()
            process.kill()
    assert (output, errors) == ("over\nover\n", "")


def test_a_child_of_a_fork_has_a_list_of_its_own() -> None:
    program = """
import os, signal
class Child(Exception): pass
def fork(*_):
    if os.fork() == 0: raise Child
signal.signal(signal.SIGUSR1, fork)
try: allcores.Channel().pop()
except Child: allcores.Channel().pop()
"""
    with start(program) as process:
        assert process.stderr is not None
        watchdog = threading.Timer(60, process.kill)
        watchdog.start()
        child = 0
        try:
            assert "deadlock" in process.stderr.readline()
            assert f"thread {process.pid} of the main interpreter" in process.stderr.readline()
            process.send_signal(signal.SIGUSR1)
            assert "deadlock" in process.stderr.readline()
            child = int(process.stderr.readline().split()[1])
            assert child != process.pid
        finally:
            watchdog.cancel()
            process.kill()
            if child:
                os.kill(child, signal.SIGKILL)
        assert process.stderr.read() == ""
