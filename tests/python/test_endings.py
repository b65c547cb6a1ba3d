"""How a process ends that has interpreters: each in a process of its own, with a bound on time.

Whatever the workers do, the exit status is what Python's own would be, nothing hangs, and nothing
but the program's own output is on standard error.
"""

import signal
import subprocess
import sys
import textwrap

import pytest
from programs import run_alone

BOUND = 30.0  # seconds, on a busy machine; the longest take little over 1


def start(source):
    return subprocess.Popen(
        [sys.executable, "-X", "faulthandler", "-c", textwrap.dedent(source)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background jobs, and what they start, ignore SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def finish(process, status=0, out=None, err=""):
    """Wait for the end, and check it. `err` None: any text but signs of a crash."""
    try:
        stdout, stderr = process.communicate(timeout=BOUND)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)  # faulthandler prints where it hangs
        stdout, stderr = process.communicate()
        pytest.fail(f"hangs:\n{stdout}\n{stderr}")
    assert "remaining subinterpreters" not in stderr
    assert "Fatal Python error" not in stderr
    assert process.returncode == status, stderr
    if err is not None:
        assert stderr == err
    if out is not None:
        assert stdout == out
    return stdout, stderr


def check(source, status=0, out=None, err=""):
    return finish(start(source), status, out, err)


def wait_for_line(process, line="ready\n"):
    assert process.stdout.readline() == line


# What a worker may be doing when the process ends. Each says "ready" when it is at it.
BUSY = {
    "python": "print('ready')\nwhile True: pass",
    "swallowing": """
print('ready')
while True:
    try:
        while True: pass
    except BaseException: pass
""",
    "sleeping": "import time; print('ready'); time.sleep(1000)",
    "regex": "import re; print('ready'); re.match('(a*)*b', 'a' * 64)",
}

# Called in a daemon thread; a pipe tells that it has begun.
WORKING = """
import os, sys, threading, time, allcores
begun, begin = os.pipe()
worker = allcores.Interpreter()
worker.call(f"import os\\ndef print(text): os.write({begin}, text.encode())")
threading.Thread(target=worker.call, args=(BUSY,), daemon=True).start()
assert os.read(begun, 100) == b"ready"
"""

# Called by the main thread.
CALLING = """
import os, allcores
worker = allcores.Interpreter()
worker.call("import os\\ndef print(text): os.write(1, text.encode() + b'\\\\n')")
worker.call(BUSY)
"""


def program(busy, how, rest=""):
    return f"BUSY = {BUSY[busy]!r}\n{how}\n{textwrap.dedent(rest)}"


def test_normal_exit_with_an_idle_interpreter():
    check("import allcores; w = allcores.Interpreter(); print(w.call('1 + 1'))", out="2\n")


def test_normal_exit_without_any():
    check("import allcores", out="")


@pytest.mark.parametrize("busy", BUSY)
def test_the_main_program_ends_while_a_worker_is_busy(busy):
    check(program(busy, WORKING, "print('end')"), out="end\n")


@pytest.mark.parametrize("busy", ["python", "sleeping"])
def test_sys_exit_while_a_worker_is_busy(busy):
    check(program(busy, WORKING, "sys.exit(3)"), 3)


@pytest.mark.parametrize("busy", ["python", "sleeping"])
def test_an_uncaught_exception_while_a_worker_is_busy(busy):
    _, stderr = check(program(busy, WORKING, "raise ValueError('x')"), 1, err=None)
    assert stderr.endswith("ValueError: x\n")
    assert stderr.count("Traceback") == 1


def test_os_exit_in_a_worker():
    check("import allcores; allcores.Interpreter().call('import os; os._exit(5)')", 5)


def test_sys_exit_in_a_worker_is_an_error_of_the_call():
    source = """
        import allcores
        with allcores.Interpreter() as worker:
            try:
                worker.call("import sys; sys.exit(7)")
            except allcores.RemoteError as error:
                print(error)
            print(worker.call("1"))
    """
    check(source, out="SystemExit: 7\n1\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("busy", ["python", "sleeping", "regex"])
def test_a_signal_while_the_main_thread_does_something_else(busy, number):
    # Nothing that waits in C: a signal that comes just before would be seen only after it, in any
    # Python.
    rest = "print('ready', flush=True)\nwhile True: pass"
    process = start(program(busy, WORKING, rest))
    wait_for_line(process)
    process.send_signal(number)
    _, stderr = finish(process, -number, err=None)
    assert stderr == "" if number == signal.SIGTERM else stderr.endswith("KeyboardInterrupt\n")


@pytest.mark.parametrize("busy", BUSY)
def test_ctrl_c_while_the_main_thread_waits_for_a_call(busy):
    process = start(program(busy, CALLING))
    wait_for_line(process)
    process.send_signal(signal.SIGINT)
    _, stderr = finish(process, -signal.SIGINT, err=None)
    assert stderr.endswith("KeyboardInterrupt\n")


def test_the_second_ctrl_c_does_not_wait():
    # The worker tells when it has felt the first: two that are seen together are one.
    source = """
        import os, signal, time, allcores
        def stubborn():
            import os, time
            try:
                os.write(1, b"ready\\n")
                while True: pass
            except KeyboardInterrupt:
                os.write(1, b"felt\\n")
            time.sleep(1000)
        times = []
        def interrupt(number, frame):
            times.append(time.monotonic())
            signal.default_int_handler(number, frame)
        signal.signal(signal.SIGINT, interrupt)
        worker = allcores.Interpreter()
        try:
            worker.call(stubborn)
        finally:
            os._exit(len(times) == 2 and time.monotonic() - times[1] < 0.9)
    """
    process = start(source)
    wait_for_line(process)
    process.send_signal(signal.SIGINT)
    wait_for_line(process, "felt\n")
    process.send_signal(signal.SIGINT)
    finish(process, 1, err=None)


def test_an_interrupted_interpreter_can_be_used_again():
    source = """
        import allcores
        worker = allcores.Interpreter()
        try:
            worker.call("import os, signal; os.kill(os.getpid(), signal.SIGINT)\\nwhile True: pass")
        except KeyboardInterrupt:
            print("interrupted")
        print(worker.call("'still there'"), worker.destroy())
    """
    check(source, out="interrupted\nstill there True\n")


def test_threads_in_a_worker():
    source = """
        import allcores
        def work():
            import threading
            done = []
            threads = [threading.Thread(target=done.append, args=(i,)) for i in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            def loop():
                while True:
                    pass
            threading.Thread(target=threading.Event().wait, daemon=True).start()
            threading.Thread(target=loop, daemon=True).start()
            return len(done)
        print(allcores.Interpreter().call(work))
    """
    check(source, out="4\n")


def test_daemon_threads_that_heed_do_not_hinder_destroy():
    source = """
        import allcores
        def work():
            import threading
            def loop():
                while True:
                    pass
            for _ in range(3):
                threading.Thread(target=loop, daemon=True).start()
        worker = allcores.Interpreter()
        worker.call(work)
        print(worker.destroy())
    """
    check(source, out="True\n")


def test_a_thread_of_a_worker_that_never_ends():
    source = """
        import allcores
        def work():
            import threading
            threading.Thread(target=threading.Event().wait).start()
        worker = allcores.Interpreter()
        worker.call(work)
        print("end")
    """
    check(source, out="end\n")


def test_subprocess_in_a_worker():
    source = """
        import allcores
        def run():
            import subprocess, sys
            command = [sys.executable, "-c", "print(6)"]
            return subprocess.run(command, capture_output=True, text=True).stdout
        with allcores.Interpreter() as worker:
            print(worker.call(run), end="")
            try:
                worker.call("import os; os.fork()")
            except RuntimeError as error:
                print(error)
    """
    out, _ = check(source)
    assert out.startswith("6\nfork not supported")


FORKING = """
import os, sys, threading, warnings, allcores
warnings.simplefilter('ignore', DeprecationWarning)
worker = allcores.Interpreter()
assert worker.call("1") == 1
others = [allcores.Interpreter() for _ in range(2)]
if BUSY:
    for each in others:
        threading.Thread(target=each.call, args=(BUSY,), daemon=True).start()
child = os.fork()
if child == 0:
    assert not worker.is_alive()
    try:
        worker.call("1")
    except RuntimeError:
        pass
    else:
        os._exit(9)
    assert worker.destroy()
    with allcores.Interpreter() as fresh:
        assert fresh.call("6 * 7") == 42
    left_alive = allcores.Interpreter()
    sys.exit(4)
_, status = os.waitpid(child, 0)
print(os.waitstatus_to_exitcode(status), worker.call("'parent'"))
"""


@pytest.mark.parametrize("busy", ["", "while True: pass", "import time; time.sleep(1000)"])
def test_fork(busy):
    check(f"BUSY = {busy!r}\n{FORKING}", out="4 parent\n")


def test_fork_while_interpreters_come_and_go():
    source = """
        import os, threading, warnings, allcores
        warnings.simplefilter('ignore', DeprecationWarning)
        stop = False
        def churn():
            while not stop:
                with allcores.Interpreter() as one:
                    one.call("1")
        threads = [threading.Thread(target=churn) for _ in range(2)]
        for thread in threads:
            thread.start()
        for _ in range(10):
            child = os.fork()
            if child == 0:
                with allcores.Interpreter() as one:
                    os._exit(one.call("5"))
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 5
        stop = True
        for thread in threads:
            thread.join()
        print("done")
    """
    check(source, out="done\n")


def test_multiprocessing_by_fork():
    source = """
        import multiprocessing, allcores
        def work(queue):
            with allcores.Interpreter() as one:
                queue.put(one.call("2 ** 10"))
        worker = allcores.Interpreter()
        context = multiprocessing.get_context("fork")
        queue = context.SimpleQueue()
        process = context.Process(target=work, args=(queue,))
        process.start()
        print(queue.get())
        process.join()
        print(process.exitcode, worker.call("1"))
    """
    check(source, out="1024\n0 1\n")


def test_creation_without_memory_is_a_memory_error():
    source = """
        import resource, allcores
        resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
        made = []
        try:
            while True:
                made.append(allcores.Interpreter())
        except MemoryError as error:
            print(error)
        assert made and all(one.call("1") == 1 for one in made)
        made.pop().destroy()
        print("done")
    """
    check(source, out="not enough memory for another interpreter\ndone\n")


@pytest.mark.parametrize("megabytes", [100, 120, 140, 160, 200])
def test_creation_with_little_memory(megabytes):
    source = f"""
        import resource, allcores
        used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        limit = used + ({megabytes} << 20)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        try:
            print(allcores.Interpreter().call("'made'"))
        except MemoryError:
            print("MemoryError")
    """
    out, _ = check(source)
    assert out in ("made\n", "MemoryError\n")


def test_the_main_program_ends_while_interpreters_are_being_made():
    source = """
        import threading, allcores
        first = threading.Event()
        def churn():
            while True:
                allcores.Interpreter()
                first.set()
        for _ in range(2):
            threading.Thread(target=churn, daemon=True).start()
        first.wait()
    """
    check(source, out="", err=None)


def test_an_interpreter_that_nobody_holds_ends():
    source = """
        import allcores
        from concurrent import interpreters
        before = len(interpreters.list_all())
        worker = allcores.Interpreter()
        worker.call("1")
        del worker
        while len(interpreters.list_all()) > before:
            pass
        print("gone")
    """
    check(source, out="gone\n")


QUIET = "import threading; threading.excepthook = lambda *_: None\n"


@pytest.mark.parametrize("busy", BUSY)
def test_destroying_a_busy_interpreter_in_a_process_that_goes_on(busy):
    rest = """
        before = time.monotonic()
        print(worker.destroy(0.1))
        assert time.monotonic() - before < 5
        try:
            worker.call("1")
        except RuntimeError as error:
            print("ended")
        with allcores.Interpreter() as another:
            print(another.call("'goes on'"))
    """
    # The thread whose call does not come back gets a RuntimeError or a RemoteError.
    heeds = busy == "python"
    check(QUIET + program(busy, WORKING, rest), out=f"{heeds}\nended\ngoes on\n")


def test_an_abandoned_interpreter_costs_no_cpu():
    rest = """
        worker.destroy(0)
        def of_others():
            return time.process_time() - time.thread_time()
        # One that went on would get as much of the CPUs as this thread does.
        before, end = of_others(), time.thread_time() + 0.5
        while time.thread_time() < end: pass
        print(of_others() - before < 0.15)
    """
    check(QUIET + program("swallowing", WORKING, rest), out="True\n")


def test_closed_standard_output():
    source = """
        import os, allcores
        os.close(1)
        with allcores.Interpreter() as worker:
            worker.call("print('nobody hears this')")
        os._exit(0)
    """
    check(source, err=None)


def test_a_deletion_that_is_stuck():
    # __main__ is taken apart by CPython itself, and 10 seconds are given for that.
    source = """
        import os, warnings, allcores
        warnings.simplefilter('ignore', DeprecationWarning)
        def fill():
            import __main__
            class Stuck:
                def __del__(self):
                    while True: pass
            __main__.kept = Stuck()
        worker = allcores.Interpreter()
        worker.call(fill)
        print(worker.destroy(0), flush=True)
        # No fork waits for it, and no new interpreter.
        child = os.fork()
        if child == 0:
            with allcores.Interpreter() as one:
                os._exit(one.call("5"))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        with allcores.Interpreter() as one:
            print(one.call("6"))
    """
    check(source, out="False\n5\n6\n")


@pytest.mark.parametrize("where", ["owner", "caller"])
@pytest.mark.parametrize("what", ["apop", "event", "server", "daemon"])
def test_an_event_loop_that_waits_is_woken_for_the_end(where, what):
    run_alone(
        """
        import sys, threading
        import allcores

        def wait(what, ready, cleaned):
            import asyncio, threading

            async def main():
                ready.push(None)
                try:
                    if what == "apop":
                        await ready.apop()
                    elif what == "server":
                        server = await asyncio.start_server(print, "127.0.0.1", 0)
                        await server.serve_forever()
                    else:
                        await asyncio.Event().wait()
                finally:
                    cleaned.push(what)

            if what == "daemon":
                threading.Thread(target=asyncio.run, args=(main(),), daemon=True).start()
            else:
                asyncio.run(main())

        def call():
            try:
                worker.call(wait, what, ready, cleaned, where=where)
            except (RuntimeError, allcores.RemoteError):
                pass

        what, where = sys.argv[1:]
        ready, cleaned = allcores.Channel(rendezvous=True), allcores.Channel()
        worker = allcores.Interpreter()
        caller = threading.Thread(target=call)
        caller.start()
        ready.pop()
        if what == "daemon":
            caller.join()
        assert worker.destroy(timeout=0) is True
        assert cleaned.pop_nowait() == what
        caller.join()
        """,
        what,
        where,
    )
