"""Counter: an exact sum from all threads and interpreters."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allcores import Channel, Counter, Interpreter


def test_it_adds():
    counter = Counter()
    assert counter.value == int(counter) == 0
    assert counter.add() is None
    counter.add(10)
    counter.increment()
    counter.add(-2)
    counter.add(True)
    assert counter.value == int(counter) == 11
    assert counter.reset() == 11
    assert counter.value == 0
    assert counter  # also one that is 0
    assert "Counter" in repr(counter)


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=50))
def test_sums_of_any_size(numbers):
    counter = Counter()
    for number in numbers:
        counter.add(number)
    assert counter.value == sum(numbers)
    assert counter.reset() == sum(numbers)
    assert counter.value == 0


def test_what_is_not_added():
    counter = Counter()
    for number in (2**63, -(2**63) - 1, 10**100):
        with pytest.raises(OverflowError):
            counter.add(number)
    for wrong in (1.0, "1", None, Counter()):
        with pytest.raises(TypeError):
            counter.add(wrong)
    with pytest.raises(TypeError, match="add"):
        counter.add(1, 2)
    for arguments in (([1, 2],), (5,)):
        with pytest.raises(TypeError, match=r"no collections\.Counter"):
            Counter(*arguments)
    with pytest.raises(TypeError, match=r"no collections\.Counter"):
        Counter(a=1)
    with pytest.raises(AttributeError):
        counter.value = 5
    assert counter.value == 0


def test_it_goes_to_other_interpreters():
    counter = Counter()
    channel = Channel()
    channel.push({"counter": counter})
    same = channel.pop()["counter"]
    assert same == counter
    assert hash(same) == hash(counter)
    assert counter != Counter()
    with Interpreter() as worker:
        worker.call(counter.add, 5)
        assert worker.call(lambda: counter.value) == 5
    assert counter.reset() == same.value + 5 == 5


def count_up(counter, count):
    for _ in range(count):
        counter.increment()
        counter.add(2)


def test_all_at_once():
    counter, count = Counter(), 20_000
    done = threading.Event()
    taken = []

    def take():
        while not done.is_set():
            taken.append(counter.reset())

    taking = threading.Thread(target=take)
    taking.start()
    with Interpreter() as one, Interpreter() as two, ThreadPoolExecutor(4) as pool:
        calls = [lambda f, *args: f(*args)] * 2 + [one.call, two.call]
        for each in [pool.submit(call, count_up, counter, count) for call in calls]:
            each.result()
    done.set()
    taking.join()
    assert sum(taken) + counter.value == 4 * 3 * count
