"""Channels in coroutines: apush, apop, async for, aselect, and cancelling."""

import asyncio
import gc
import os
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

import allcores
from allcores import Channel, ChannelClosed, ChannelPoisoned, Interpreter


@pytest.fixture
def pool():
    with ThreadPoolExecutor(4) as made:
        yield made


async def until_waiting(channel, key, count=1):
    while channel.statistics()[key] < count:
        await asyncio.sleep(0)


def test_between_coroutines_of_one_loop():
    async def push_all(channel):
        for i in range(100):
            await channel.apush(i)
        channel.close()

    async def main(channel):
        pushing = asyncio.create_task(push_all(channel))
        got = [item async for item in channel]
        await pushing
        return got

    for channel in (Channel(), Channel(1), Channel(rendezvous=True)):
        assert asyncio.run(main(channel)) == list(range(100))


def push_all(channel, count):
    for i in range(count):
        channel.push(i)


async def sum_async(channel):
    total = 0
    async for item in channel:
        total += item
    return total


def run_sum(channel):
    return asyncio.run(sum_async(channel))


def test_with_threads_and_other_interpreters(pool):
    channel = Channel(2)
    with Interpreter() as worker:
        sums = [pool.submit(run_sum, channel), pool.submit(worker.call, run_sum, channel)]
        pushing = pool.submit(push_all, channel, 3000)
        pushing.result()
        channel.close()
        assert sum(each.result() for each in sums) == sum(range(3000))


def test_ends():
    async def main(end):
        channel = Channel()
        waiting = asyncio.create_task(channel.apop())
        await until_waiting(channel, "waiting_to_pop")
        end(channel)
        await waiting

    with pytest.raises(ChannelClosed):
        asyncio.run(main(Channel.close))
    with pytest.raises(ChannelPoisoned):
        asyncio.run(main(Channel.poison))


def test_a_cancelled_wait_takes_nothing():
    async def main():
        channel = Channel(1)
        popping = asyncio.create_task(channel.apop())
        await until_waiting(channel, "waiting_to_pop")
        popping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await popping
        assert channel.statistics()["waiting_to_pop"] == 0
        channel.push(1)
        pushing = asyncio.create_task(channel.apush(2))
        await until_waiting(channel, "waiting_to_push")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await channel.apush(3)
        pushing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await pushing
        assert channel.pop() == 1
        assert len(channel) == 0

    asyncio.run(main())


def test_cancelling_after_an_item_came_gives_it_back():
    async def main(channel):
        popping = asyncio.create_task(channel.apop())
        await until_waiting(channel, "waiting_to_pop")
        channel.push("first")  # it is on its way to the coroutine, which has not run since
        assert channel.statistics()["waiting_to_pop"] == 0
        popping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await popping
        if not channel.rendezvous:
            channel.push("second")
        assert channel.pop() == "first"

    for channel in (Channel(), Channel(2), Channel(rendezvous=True)):
        asyncio.run(main(channel))


def test_a_loop_that_is_closed_while_something_waits():
    channel = Channel()
    loop = asyncio.new_event_loop()
    task = loop.create_task(channel.apop())
    loop.run_until_complete(until_waiting(channel, "waiting_to_pop"))
    channel.push("kept")
    task.cancel()
    loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
    loop.close()
    assert channel.pop() == "kept"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_loop_that_goes_while_something_waits():
    channel = Channel()
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)  # it says that a task is gone that did not end
    task = loop.create_task(channel.apop())
    loop.run_until_complete(until_waiting(channel, "waiting_to_pop"))
    channel.push("kept")
    loop.close()
    gone = weakref.ref(loop)
    del task, loop
    gc.collect()
    assert gone() is None
    assert channel.pop_nowait() == "kept"


def test_aselect():
    async def main():
        one, two = Channel(), Channel(1)
        two.push(1)
        waiting = asyncio.create_task(allcores.aselect(one, (two, 2)))
        await until_waiting(two, "waiting_to_push")
        assert await two.apop() == 1
        assert await waiting == (two, 2)
        assert await allcores.aselect(one, two) == (two, 2)
        one.close()
        with pytest.raises(ChannelClosed) as closed:
            await allcores.aselect(two, one)
        assert closed.value.case == 1

    asyncio.run(main())


def test_refused_items():
    async def main():
        channel = Channel()
        with pytest.raises(TypeError, match="the item"):
            await channel.apush(threading.Lock())
        assert len(channel) == 0

    asyncio.run(main())


def test_no_descriptor_is_left():
    async def main():
        channel = Channel()
        task = asyncio.create_task(channel.apop())
        await until_waiting(channel, "waiting_to_pop")
        channel.push(1)
        await task

    asyncio.run(main())
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        asyncio.run(main())
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= before
