"""Queue, LifoQueue, PriorityQueue: CPython's own tests of `queue`, and what is ours."""

import asyncio
import importlib.util
import queue
from concurrent.futures import ThreadPoolExecutor

import pytest
from programs import run_program

from allcores import (
    Channel,
    ChannelClosed,
    ChannelPoisoned,
    Dict,
    Interpreter,
    LifoQueue,
    PriorityQueue,
    Queue,
    aselect,
    select,
)

# Left out: FailingQueueTest, which overrides the methods that keep the items (these are in C++).
PROGRAM = """
import queue, sys, types, unittest
from test import test_queue
import allcores

names = ("Queue", "LifoQueue", "PriorityQueue")
ours = types.SimpleNamespace(
    Empty=queue.Empty, Full=queue.Full, ShutDown=queue.ShutDown,
    **{name: getattr(allcores, name) for name in names},
)
suite = unittest.TestSuite()
for name in names:
    base = getattr(test_queue, name + "Test")
    made = type("Our" + name + "Test", (base, unittest.TestCase), {"queue": ours})
    suite.addTests(unittest.defaultTestLoader.loadTestsFromTestCase(made))
result = unittest.TextTestRunner(verbosity=2).run(suite)
sys.exit(not result.wasSuccessful() or result.testsRun < 60)
"""


@pytest.mark.skipif(
    importlib.util.find_spec("test") is None or importlib.util.find_spec("test.test_queue") is None,
    reason="CPython's tests are not installed (for 3.14: libpython3.14-testsuite)",
)
def test_cpythons_own():
    done = run_program(PROGRAM, timeout=300)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-6000:]


def work(tasks, results):
    while True:
        task = tasks.get()
        if task is None:
            tasks.task_done()
            return
        results.put(task * task)
        tasks.task_done()


def test_between_interpreters():
    tasks, results = Queue(3), Queue()
    with Interpreter() as one, Interpreter() as two, ThreadPoolExecutor(2) as pool:
        working = [pool.submit(each.call, work, tasks, results) for each in (one, two)]
        for i in range(500):
            tasks.put(i)
        tasks.join()
        assert tasks.unfinished_tasks == 0
        assert results.qsize() == 500
        for _ in working:
            tasks.put(None)
        for each in working:
            each.result()
    assert sorted(results.get() for _ in range(500)) == [i * i for i in range(500)]


def returned(made):
    made.put_nowait("there")
    return made


@pytest.mark.parametrize("kind", [Queue, LifoQueue, PriorityQueue])
def test_it_keeps_its_kind(kind):
    made = kind(5)
    with Interpreter() as worker:
        back = worker.call(returned, made)
    assert type(back) is kind
    assert back == made
    assert hash(back) == hash(made)
    assert made.get_nowait() == "there"
    assert made.maxsize == 5
    assert kind.__name__ in repr(made)


def test_what_a_priority_queue_orders():
    ordered = [-float("inf"), -(2**63), -1, False, 0.5, True, 2**53, 2**53 + 1, 2**63 - 1, 1e300]
    ordered += ["", "a", "b", "\ud800", "\U00010000", b"", b"a", (), (1,), (1, 2), (1, "a"), (2,)]
    made = PriorityQueue()
    for item in reversed(ordered):
        made.put(item)
    assert [made.get() for _ in ordered] == ordered

    same = [(1, {"job": 3}), (1, {"job": 1}), (1, {"job": 2})]
    for item in same:
        made.put(item)
    made.put((0, {"job": 4}))
    assert [made.get() for _ in range(4)] == [(0, {"job": 4}), *same]


def test_what_a_priority_queue_refuses():
    made = PriorityQueue()
    for item, error in (
        ({}, TypeError),
        (None, TypeError),
        (float("nan"), ValueError),
        ((1, float("nan")), ValueError),
        (2**64, OverflowError),
    ):
        with pytest.raises(error):
            made.put(item)
    assert made.empty()


def test_what_is_dropped_at_shutdown_is_no_task():
    made = Queue()
    made.put(1)
    made.put(2)
    made.get()
    made.shutdown(immediate=True)
    assert made.unfinished_tasks == 1
    made.task_done()
    made.join()
    with pytest.raises(queue.ShutDown):
        made.get()


@pytest.mark.parametrize("kind", [Queue, LifoQueue, PriorityQueue])
def test_select_takes_queues(kind):
    one, other = kind(1), kind()
    one.put(1)
    # Only one can happen each time: `one` is full, `other` is empty.
    assert select((one, 2), other, one) == (one, 1)
    assert select((one, 3), other) == (one, 3)
    assert one.unfinished_tasks == 2
    assert select(other, (one, 4), default="none") == (None, "none")
    other.put(5)
    assert asyncio.run(aselect((one, 6), other)) == (other, 5)
    one.shutdown()
    assert select(one) == (one, 3)
    with pytest.raises(ChannelClosed) as raised:
        select(other, one)
    assert raised.value.case == 1
    other.shutdown(immediate=True)
    with pytest.raises(ChannelPoisoned):
        select((other, 1))


def test_select_waits_at_queues_and_channels():
    first, second = Queue(), Channel()
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(select, first, second)
        while not second.statistics()["waiting_to_pop"]:
            pass
        first.put("came")
        assert waiting.result() == (first, "came")
    assert second.statistics()["waiting_to_pop"] == 0


def test_select_puts_in_the_queue_s_order():
    ordered = PriorityQueue()
    for number in (3, 1, 2):
        assert select((ordered, number)) == (ordered, number)
    assert [ordered.get() for _ in range(3)] == [1, 2, 3]
    with pytest.raises(TypeError):
        select((ordered, {}))


def test_select_takes_subclasses_and_nothing_else():
    class Own(Queue):
        pass

    own = Own()
    own.put(1)
    assert select(own) == (own, 1)
    with pytest.raises(TypeError, match="a Channel or Queue is needed, not a _queue"):
        select(queue.SimpleQueue())
    with pytest.raises(AttributeError):
        select(Queue.__new__(Queue))


def test_they_are_generic_for_annotations():
    for kind in Channel, Queue, LifoQueue, PriorityQueue:
        assert kind[int].__origin__ is kind
        assert kind[int](3).maxsize == 3
    assert Dict[str, int].__args__ == (str, int)
