"""allcores.share: calls there and back: what they raise, recursion, threads, coroutines."""

import asyncio
import gc
import sys
import threading

import pytest
import share_objects
from share_fixtures import counter, worker
from share_objects import Counter, make

import allcores
from allcores import Interpreter, Proxy, share

__all__ = ["counter", "worker"]  # the fixtures


def test_what_cant_cross(counter):
    with pytest.raises(TypeError, match=r"^the result: .*TextIO.*; or return allcores.share\("):
        counter.opens()
    with open(__file__) as file, pytest.raises(TypeError, match=r"^args\[1\]"):
        counter.keywords(1, file)
    shared = counter.shares()
    assert isinstance(shared, Proxy)
    assert shared.add(1) == 101


def test_exceptions_come_with_the_owners_traceback(counter):
    with pytest.raises(KeyError) as raised:
        counter.raises()
    assert raised.value.args == ("there",)
    text = str(raised.value.__cause__)
    assert 'raise KeyError("there")' in text
    assert "share_objects.py" in text
    # Nothing is left set on either side.
    assert counter.add(1) == 6


def test_exceptions_that_are_none_here(counter):
    with pytest.raises(allcores.RemoteError) as raised:
        counter.call(sys.exit, 3)
    assert raised.value.type_name == "SystemExit"


def test_the_hot_path_makes_no_thread_states(worker):
    local = worker.call(make, "Local")
    assert [local.visits() for _ in range(5)] == [1, 2, 3, 4, 5]


def test_recursion_back_to_the_caller(worker):
    here, there = share_objects.Pair(), worker.call(make, "Pair")
    here.meet(there)
    there.meet(share(here))
    # 100 times there and back on one thread.
    assert here.bounce(200) == 200
    assert here.calls == 101
    assert there.calls == 100


def test_recursion_without_end_is_a_recursion_error(worker):
    here, there = share_objects.Pair(), worker.call(make, "Pair")
    here.meet(there)
    there.meet(share(here))
    with pytest.raises(RecursionError):
        here.bounce(10**9)


def test_both_call_each_other_at_once(worker):
    with Interpreter("other") as other:
        one, two = worker.call(make, "Pair"), other.call(make, "Pair")
        one.meet(two)
        two.meet(one)
        together = threading.Barrier(4)
        done = []

        def bounce(pair):
            together.wait()
            done.extend(pair.bounce(20) for _ in range(50))

        threads = [threading.Thread(target=bounce, args=(pair,)) for pair in (one, two) * 2]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert done == [20] * 200


def test_many_threads(worker):
    numbers = worker.call(make, "list")

    def append(number):
        for _ in range(300):
            numbers.append(number)

    threads = [threading.Thread(target=append, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == sorted(list(range(4)) * 300)


def test_coroutines(counter):
    async def use():
        assert await counter.soon([1]) == ([1], "owner")
        with pytest.raises(LookupError, match="later") as raised:
            await counter.fails()
        assert "in fails" in str(raised.value.__cause__)
        both = await asyncio.gather(*(counter.soon(number) for number in range(20)))
        assert both == [(number, "owner") for number in range(20)]
        once = counter.soon(1)
        await once
        with pytest.raises(RuntimeError, match="awaited already"):
            await once

    asyncio.run(use())


def test_coroutines_run_in_the_loop_that_shared():
    async def use():
        mine = Counter()
        mine.loop = asyncio.get_running_loop()
        proxy = share(mine)
        with Interpreter() as other:
            assert await asyncio.to_thread(other.call, await_from_elsewhere, proxy) == (3, "main")
        assert mine.loop is asyncio.get_running_loop()

    asyncio.run(use())


def await_from_elsewhere(proxy):
    async def wait():
        return await proxy.soon(3)

    return asyncio.run(wait())


def test_cancelling(counter):
    async def use():
        waiting = asyncio.ensure_future(wait_for(counter.never()))
        await asyncio.sleep(0)  # it awaits now: one that never did has nothing to cancel
        while counter.number != -1:
            await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        while counter.number != -2:
            await asyncio.sleep(0)

    asyncio.run(use())


async def wait_for(awaitable):
    return await awaitable


def test_asynchronous_iteration_and_contexts(worker):
    numbers = worker.call(make, "Asynchronous", 3)
    context = worker.call(make, "AsyncContext")

    async def use():
        assert [number async for number in numbers] == [2, 1, 0]
        async with context as value:
            assert value == "entered"

    asyncio.run(use())
    assert context.seen[1] == (None, None, None)


def test_calls_leave_nothing_behind(worker, counter):
    numbers = worker.call(make, "list", [1, 2, 3])

    def use():
        counter.keywords(1, "text" * 5, 2.5, b"bytes", (1, ("x",)), name="value" * 3)
        counter.keywords([1, 2], {"a": [None]}, key={1})
        counter.number = counter.number + 1
        for wrong in (counter.raises, lambda: counter.missing):
            with pytest.raises((KeyError, AttributeError)):
                wrong()
        assert list(numbers) == [1, 2, 3]
        assert counter.itself() == counter
        assert isinstance(counter.shares(), Proxy)
        counter.keep(counter)
        counter.keep(share(use))
        counter.keep(None)
        counter.static(1)

    def blocks():  # of the whole process
        gc.collect()
        worker.call(gc.collect)
        return sys.getallocatedblocks()

    for _ in range(300):  # what is kept for the next time
        use()
    before = blocks()
    for _ in range(600):
        use()
    # One each time would be 600.
    assert blocks() - before < 400


def test_what_cannot_cross_is_said_to_be_where_the_caller_has_put_it(counter):
    lock = threading.Lock()
    with pytest.raises(TypeError, match=r"^args\[1\]\['a'\]: a _thread.lock"):
        counter.keywords(1, {"a": lock})
    with pytest.raises(TypeError, match=r"^kwargs\['two'\]\[0\]: a _thread.lock"):
        counter.keywords(1, one=[], two=[lock])
    for arguments, keywords, place in (
        (([lock],), {}, r"args\[0\]\[0\]: a _thread.lock"),
        ((), {"a": lock}, r"kwargs\['a'\]: a _thread.lock"),
    ):
        with pytest.raises(TypeError, match="^" + place):
            allcores.host(dict, *arguments, **keywords)
    with pytest.raises(TypeError, match=r"^factory.*variable 'lock'"):
        allcores.host(lambda: lock)
