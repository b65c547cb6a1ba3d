"""print in several interpreters at once: lines come out whole."""

import collections
import subprocess
import sys
import textwrap

WORKERS, LINES = 4, 200


def run(body):
    """Runs `body`, called with a number, in WORKERS interpreters at once; their output."""
    program = """
        import threading, allcores
        def work(number):
            BODY
        workers = [allcores.Interpreter() for _ in range(WORKERS)]
        together = threading.Barrier(WORKERS)
        def call(number, worker):
            together.wait()
            worker.call(work, number)
        threads = [threading.Thread(target=call, args=each) for each in enumerate(workers)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        for worker in workers: assert worker.destroy()
    """
    program = textwrap.dedent(program).replace("WORKERS", str(WORKERS))
    body = textwrap.indent(textwrap.dedent(body).strip(), "    ").lstrip()
    body = body.replace("LINES", str(LINES))
    done = subprocess.run(
        [sys.executable, "-c", program.replace("BODY", body)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def check(output, length):
    """Each line has one worker's letter only, and none is missing."""
    lines = output.splitlines()
    assert collections.Counter(lines) == {letter * length: LINES for letter in "abcd"}


def test_lines_of_many_parts():
    out, err = run("""
        for _ in range(LINES):
            for _ in range(30):
                print("abcd"[number], end="")
            print()
    """)
    check(out, 30)
    assert err == ""


def test_lines_longer_than_a_pipe_takes_at_once():
    out, _ = run("""
        for _ in range(LINES):
            print("abcd"[number] * 10_000)
    """)
    check(out, 10_000)


def test_threads_of_each_interpreter():
    out, _ = run("""
        import threading
        def some():
            for _ in range(LINES // 4):
                for _ in range(10):
                    print("abcd"[number], end="")
                print()
        threads = [threading.Thread(target=some) for _ in range(4)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
    """)
    check(out, 10)


def test_standard_error_and_logging():
    out, err = run("""
        import logging
        logging.basicConfig(format="%(message)s")
        for _ in range(LINES):
            logging.warning("%s", "abcd"[number] * 50)
    """)
    check(err, 50)
    assert out == ""


def test_the_last_line_needs_no_end():
    out, _ = run("""
        if number == 2:
            print("unfinished", end="")
    """)
    assert out == "unfinished"
