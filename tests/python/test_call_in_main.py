"""allcores.call_in_main, in_main, and Interpreter.call on the caller's thread."""

import os
import sys
import threading

import pytest
import share_objects
from programs import run_alone, run_program
from servers import ServerProcess

import allcores
from allcores import Channel, Interpreter, call_in_main, in_main

calls: list[object] = []


def note(value, *, factor=1):
    """In main's module of this name."""
    calls.append(value)
    return value * factor, threading.get_native_id(), share_objects.interpreter_name()


@in_main
def decorated(value):
    """Says where it runs."""
    return note(value)


@in_main(on_main_thread=True)
def on_main_thread(value):
    return note(value)


def fails():
    raise LookupError("in main")


@pytest.fixture(scope="module")
def worker():
    with Interpreter("worker") as made:
        made.call(share_objects.set_name, "worker")
        yield made


def in_worker(function, *args, **kwargs):
    return call_in_main(function, *args, **kwargs), threading.get_native_id()


def test_it_runs_in_main_on_the_callers_thread(worker):
    (value, thread, name), own = worker.call(in_worker, note, 3)
    assert (value, name) == (3, "main")
    assert thread == own != os.getpid()
    assert calls[-1] == 3
    assert worker.call(keywords) == 6


def keywords():
    return call_in_main(note, 3, factor=2)[0]


def test_it_runs_on_the_main_thread(worker):
    for _ in range(20):
        value, thread, name = worker.call(waits_for_main_thread, 4)
        assert (value, thread, name) == (4, os.getpid(), "main")


def waits_for_main_thread(value):
    return call_in_main(note, value, on_main_thread=True)


def test_the_decorator(worker):
    assert decorated.__name__ == "decorated"
    assert decorated.__doc__ == "Says where it runs."
    assert decorated.__wrapped__(1)[0] == 1
    value, thread, name = worker.call(decorated, 5)
    assert (value, name) == (5, "main")
    assert thread != os.getpid()
    assert worker.call(on_main_thread, 6) == (6, os.getpid(), "main")
    assert decorated(7) == on_main_thread(7) == (7, os.getpid(), "main")


def test_in_main_itself():
    with open(__file__) as file:
        assert call_in_main(lambda each: each, file) is file  # an ordinary call
    outcome = []
    thread = threading.Thread(
        target=lambda: outcome.append(call_in_main(note, 1, on_main_thread=True))
    )
    thread.start()
    thread.join()
    assert outcome == [(1, os.getpid(), "main")]


def test_errors(worker):
    for options in ({}, {"on_main_thread": True}):
        with pytest.raises(LookupError, match="in main") as raised:
            worker.call(fails_there, options)
        assert "in fails" in str(raised.value.__cause__)
    with pytest.raises(TypeError, match="needs a function, not a int"):
        call_in_main(5)
    with pytest.raises(TypeError, match="cannot go to another interpreter"):
        worker.call(sends_a_file)


def fails_there(options):
    call_in_main(fails, **options)


def sends_a_file():
    with open(__file__) as file:
        call_in_main(note, file)


held = threading.Lock()


def test_main_thread_jobs_interrupt_waits(worker):
    done = Channel()
    held.acquire()
    thread = threading.Thread(target=worker.call, args=(says_when_done, done))
    thread.start()
    # Only the job, which runs on this thread, ends this wait.
    assert held.acquire(timeout=60)
    held.release()
    thread.join()
    assert done.pop() == os.getpid()


def says_when_done(done):
    done.push(call_in_main(let_go, on_main_thread=True))


def let_go():
    held.release()
    return threading.get_native_id()


def test_on_the_callers_thread(worker):
    assert worker.call(threading.get_native_id, where="caller") == threading.get_native_id()
    assert worker.call(threading.get_native_id) != threading.get_native_id()
    assert worker.call("6 * 7", where="caller") == 42
    assert worker.call(share_objects.interpreter_name, where="caller") == "worker"
    with pytest.raises(ValueError, match='where must be "owner" or "caller", not \'there\''):
        worker.call("1", where="there")
    with pytest.raises(LookupError, match="in main"):
        worker.call(fails, where="caller")
    with pytest.raises(TypeError, match="source text takes no arguments"):
        worker.call("1", 2, where="caller")
    ended = Interpreter()
    assert ended.destroy() is True
    with pytest.raises(allcores.OwnerGone):
        ended.call("1", where="caller")


def test_at_the_same_time_as_its_own_thread(worker):
    inside, go_on = Channel(), Channel()
    thread = threading.Thread(target=worker.call, args=(waits_inside, inside, go_on))
    thread.start()
    inside.pop()
    assert worker.call("1 + 1", where="caller") == 2
    go_on.push(None)
    thread.join()


def waits_inside(inside, go_on):
    inside.push(None)
    go_on.pop()


def test_from_inside_itself(worker):
    assert worker.call(calls_itself, "worker", worker) == 2


def calls_itself(_name, worker):
    return worker.call("1 + 1", where="caller")


def test_at_the_end_of_the_process():
    done = run_program(
        """
import allcores, threading
def work(go):
    import allcores, time
    go.pop()
    try:
        while True:
            allcores.call_in_main(int, 5, on_main_thread=True)
    except allcores.OwnerGone:
        pass
go = allcores.Channel()
for _ in range(2):
    worker = allcores.Interpreter()
    threading.Thread(target=worker.call, args=(work, go), daemon=True).start()
    go.push(None)
for _ in range(100000): pass
print("the end")
"""
    )
    assert (done.returncode, done.stdout) == (0, "the end\n"), done.stderr


def test_a_script_that_sleeps():
    done = run_program(
        """
import allcores, os, threading, time
def work():
    import allcores
    def end_sleep():
        raise KeyError("not in the main thread's own code")
    try:
        allcores.call_in_main(end_sleep, on_main_thread=True)
    except KeyError as error:
        return "caught"
worker = allcores.Interpreter()
def ask():
    print(worker.call(work), flush=True)
    os._exit(0)  # while the main thread sleeps still
threading.Thread(target=ask).start()
time.sleep(1000)
"""
    )
    assert (done.returncode, done.stdout) == (0, "caught\n"), done.stderr


def test_a_servers_main_thread_runs_jobs(tmp_path):
    (tmp_path / "program.py").write_text(
        """
import threading
import allcores

@allcores.in_main(on_main_thread=True)
def thread():
    return threading.get_native_id()

def handle(request):
    return str(thread())

if __name__ == "__main__":
    import program
    allcores.serve(program.handle, port=0, workers=2)
"""
    )
    with ServerProcess([sys.executable, tmp_path / "program.py"], together=True) as server:
        for _ in range(20):
            response, body = server.get("/")
            assert (response.status, int(body)) == (200, server.process.pid)
        assert server.end() == 0


def test_calling_back_what_waits_for_the_main_thread_is_an_error():
    run_alone("""
    import allcores

    @allcores.in_main(on_main_thread=True)
    def back(where):
        try:
            return worker.call("1 + 1", where=where)
        except RuntimeError as error:
            return str(error)

    worker = allcores.Interpreter("asker")
    answer = worker.call(lambda: back("owner"))
    assert answer.startswith('deadlock: the interpreter "asker" waits'), answer
    assert worker.call(lambda: back("caller")) == 2
    assert worker.call("2 + 2") == 4
    """)
