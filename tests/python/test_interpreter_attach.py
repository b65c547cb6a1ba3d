"""Other OS threads in an interpreter: src/interpreter/attach.h, through an entry for tests."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from allcores import Interpreter

# threading.local is kept with the thread state: the number counts the visits with the same one.
SETTING_UP = """
import threading
state = threading.local()
def visit():
    state.visits = getattr(state, "visits", 0) + 1
    return state.visits
"""


@pytest.fixture
def worker():
    with Interpreter("visited") as made:
        made.call(SETTING_UP)
        yield made
        assert made.destroy() is True


def enter(worker, expression="visit()", *, raw_thread=False, held=False):
    return worker._handle._evaluate_attached(expression, raw_thread, held)


@pytest.mark.parametrize("held", [True, False])
def test_a_thread_comes_back_with_the_same_state(worker, held):
    thread = threading.get_native_id()
    assert enter(worker, "threading.get_native_id()", held=held) == thread
    assert [enter(worker, held=held) for _ in range(50)] == list(range(1, 51))
    # The interpreter's own thread has another one.
    assert worker.call("visit()") == 1
    assert enter(worker, held=not held) == 51


def test_each_thread_has_its_own_state(worker):
    rounds = 200
    together = threading.Barrier(4)

    def come_and_go(_):
        together.wait()
        return [enter(worker) for _ in range(rounds)]

    with ThreadPoolExecutor(4) as pool:
        visits = list(pool.map(come_and_go, range(4)))
    assert visits == [list(range(1, rounds + 1))] * 4
    assert worker.call("visit()") == 1


def test_a_thread_has_a_state_for_each_interpreter(worker):
    with Interpreter() as other:
        other.call(SETTING_UP)
        for number in range(1, 20):
            assert enter(worker) == number
            assert enter(other, held=True) == number
        assert worker.call("visit()") == other.call("visit()") == 1


def test_a_thread_without_a_state_gets_one_for_the_visit(worker):
    assert [enter(worker, raw_thread=True) for _ in range(20)] == [1] * 20


def test_threads_that_end_leave_nothing_behind(worker):
    for _ in range(100):
        thread = threading.Thread(target=enter, args=(worker,))
        thread.start()
        thread.join()
    assert worker.call("1") == 1  # it deletes what they left when it has something to do
    assert enter(worker) == 1


def test_an_error_in_a_visit_leaves_the_thread_where_it_was(worker):
    for held in (True, False):
        with pytest.raises(RuntimeError, match="ZeroDivisionError: "):
            enter(worker, "1 // 0", held=held)
    with pytest.raises(RuntimeError, match="NameError: "):
        enter(worker, "missing", raw_thread=True)
    assert enter(worker) == 1


def test_states_of_living_threads_do_not_hinder_the_end():
    made = Interpreter()
    made.call(SETTING_UP)
    visited, ended = threading.Barrier(5), threading.Event()
    afterwards = []

    def visit():
        assert enter(made) == 1
        visited.wait()
        ended.wait()
        try:
            enter(made)
        except RuntimeError as error:
            afterwards.append(str(error))

    threads = [threading.Thread(target=visit) for _ in range(4)]
    for thread in threads:
        thread.start()
    visited.wait()
    assert made.destroy() is True
    ended.set()
    for thread in threads:
        thread.join()
    assert afterwards == [f'the interpreter "{made.name}" has ended'] * 4


def test_visits_while_it_ends_finish_or_are_refused():
    for _ in range(10):
        made = Interpreter()
        made.call(SETTING_UP)
        together = threading.Barrier(3)
        outcomes = []

        def visit(made=made, together=together, outcomes=outcomes):
            assert enter(made) == 1
            together.wait()
            number = 1
            try:
                while True:
                    number += 1
                    assert enter(made) == number
            except RuntimeError as error:
                outcomes.append(str(error))

        threads = [threading.Thread(target=visit) for _ in range(2)]
        for thread in threads:
            thread.start()
        together.wait()
        assert made.destroy() is True
        for thread in threads:
            thread.join()
        assert outcomes == [f'the interpreter "{made.name}" has ended'] * 2
