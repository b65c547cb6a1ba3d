"""Channel: values, ends, waiting, other interpreters."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from programs import run_program

import allcores
from allcores import Channel, ChannelClosed, ChannelPoisoned, Interpreter, WouldBlock


@pytest.fixture
def pool():
    with ThreadPoolExecutor(8) as made:
        yield made


def until_waiting(channel, key, count=1):
    """Until so many calls wait there: nothing else tells."""
    while channel.statistics()[key] < count:
        pass


def test_items_come_out_in_order_and_as_copies():
    channel = Channel()
    items = [None, 0, "", (), [1, [2]], {"a": {3}}, 1.5, b"x" * 100_000]
    for item in items:
        channel.push(item)
    assert len(channel) == len(items)
    popped = [channel.pop() for _ in items]
    assert popped == items
    assert popped[4] is not items[4]
    assert len(channel) == 0
    assert channel


def test_what_it_is_made_of():
    assert Channel().maxsize == 0
    assert Channel(3).maxsize == 3
    assert not Channel(3).rendezvous
    assert Channel(rendezvous=True).rendezvous
    with pytest.raises(ValueError, match="negative"):
        Channel(-1)
    with pytest.raises(ValueError, match="rendezvous has no maxsize"):
        Channel(1, rendezvous=True)
    with pytest.raises(TypeError):
        Channel("1")
    with pytest.raises(TypeError, match="cannot pickle"):
        __import__("pickle").dumps(Channel())
    assert Channel[int].__origin__ is Channel


def test_arguments_by_name_and_wrong_ones():
    channel = Channel(1)
    channel.push(item=1, timeout=0)
    assert channel.pop(timeout=1.5) == 1
    for wrong in (
        lambda: channel.push(),
        lambda: channel.push(1, 2, 3),
        lambda: channel.push(1, item=1),
        lambda: channel.push(1, speed=1),
        lambda: channel.pop(1, 2),
        lambda: channel.pop(1, timeout=1),
        lambda: channel.pop(item=1),
        lambda: channel.pop(timeout="1"),
    ):
        with pytest.raises(TypeError):
            wrong()
    for wrong in (-1, float("nan")):
        with pytest.raises(ValueError, match="timeout"):
            channel.pop(wrong)
    assert len(channel) == 0


def test_nothing_waits_that_is_not_to():
    channel = Channel(1)
    with pytest.raises(WouldBlock):
        channel.pop_nowait()
    channel.push_nowait(1)
    with pytest.raises(WouldBlock):
        channel.push_nowait(2)
    with pytest.raises(TimeoutError):
        channel.push(2, 0)
    with pytest.raises(TimeoutError):
        channel.push(2, timeout=0.01)
    assert channel.pop_nowait() == 1
    with pytest.raises(TimeoutError):
        channel.pop(0.01)
    with pytest.raises(WouldBlock):
        Channel(rendezvous=True).push_nowait(1)


def test_what_cannot_cross_leaves_the_channel_untouched():
    channel = Channel()
    with pytest.raises(TypeError, match=r"^the item\['a'\]\[0\]: a _thread\.lock cannot go"):
        channel.push({"a": [threading.Lock()]})
    with pytest.raises(TypeError, match=r"^the item: a generator"):
        channel.push_nowait(i for i in (1, 2))
    assert channel.statistics()["pushed"] == 0


def test_close_lets_out_what_is_inside():
    channel = Channel()
    for i in range(3):
        channel.push(i)
    channel.close()
    channel.close()
    with pytest.raises(ChannelClosed, match="closed"):
        channel.push(3)
    assert list(channel) == [0, 1, 2]
    assert list(channel) == []
    with pytest.raises(ChannelClosed):
        channel.pop()
    with pytest.raises(ChannelClosed):
        channel.pop_nowait()
    assert "closed" in repr(channel)


def test_poison_drops_what_is_inside():
    channel = Channel()
    channel.push(1)
    channel.poison()
    for call in (channel.pop, channel.pop_nowait, lambda: channel.push(1), lambda: list(channel)):
        with pytest.raises(ChannelPoisoned):
            call()
    assert len(channel) == 0
    assert "poisoned" in repr(channel)


def test_close_and_poison_wake_who_waits(pool):
    for end, error in ((Channel.close, ChannelClosed), (Channel.poison, ChannelPoisoned)):
        empty = Channel()
        full = Channel(1)
        full.push(1)
        popping = [pool.submit(empty.pop) for _ in range(2)]
        pushing = pool.submit(full.push, 2)
        until_waiting(empty, "waiting_to_pop", 2)
        until_waiting(full, "waiting_to_push")
        end(empty)
        end(full)
        for each in (*popping, pushing):
            assert isinstance(each.exception(), error)


def test_statistics():
    channel = Channel(5)
    for i in range(3):
        channel.push(i)
    channel.pop()
    assert channel.statistics() == {
        "pushed": 3,
        "popped": 1,
        "length": 2,
        "waiting_to_push": 0,
        "waiting_to_pop": 0,
        "is_closed": False,
        "is_poisoned": False,
    }
    assert "2 of 5" in repr(channel)


def echo(requests, replies):
    for each in requests:
        replies.push((each, "seen"))
    replies.close()
    return requests


def test_it_goes_to_another_interpreter_by_pointer(workers, pool):
    requests, replies = Channel(2), Channel(rendezvous=True)
    done = pool.submit(workers[0].call, echo, requests, replies)
    for i in range(100):
        requests.push({"number": i})
        assert replies.pop() == ({"number": i}, "seen")
    requests.close()
    with pytest.raises(ChannelClosed):
        replies.pop()
    returned = done.result()
    assert returned == requests
    assert hash(returned) == hash(requests)
    assert returned != replies


def test_a_channel_in_an_item_and_in_a_closure(workers, pool):
    calls = Channel()

    def serve():
        for number, reply in calls:
            reply.push(number * 2)

    done = pool.submit(workers[0].call, serve)
    mine = Channel()
    calls.push((21, mine))
    assert mine.pop() == 42
    calls.close()
    assert done.result() is None


def push_all(channel, start, count):
    for i in range(start, start + count):
        channel.push(i)


def pop_all(channel):
    return list(channel)


@pytest.mark.parametrize("make", [Channel, lambda: Channel(3), lambda: Channel(rendezvous=True)])
def test_many_on_both_sides(workers, pool, make):
    count = 2000
    channel = make()
    threads = [pool.submit(pop_all, channel), pool.submit(workers[1].call, pop_all, channel)]
    pushing = [
        pool.submit(push_all, channel, 0, count),
        pool.submit(push_all, channel, count, count),
        pool.submit(workers[0].call, push_all, channel, 2 * count, count),
    ]
    for each in pushing:
        each.result()
    channel.close()
    got = [each.result() for each in threads]
    assert Counter(got[0] + got[1]) == Counter(range(3 * count))
    for each in got:
        for side in range(3):
            own = [value for value in each if value // count == side]
            assert own == sorted(own)


def test_errors_of_another_interpreter(workers):
    channel = Channel()
    channel.close()
    with pytest.raises(ChannelClosed):
        workers[0].call(pop_all_strictly, channel)
    channel.poison()
    with pytest.raises(ChannelPoisoned):
        workers[0].call(pop_all, channel)


def pop_all_strictly(channel):
    return channel.pop()


def test_select_takes_one(pool):
    one, two, full = Channel(), Channel(), Channel(1)
    full.push(0)
    with pytest.raises(TimeoutError):
        allcores.select(one, two, (full, 1), timeout=0.01)
    two.push("item")
    assert allcores.select(one, two, (full, 1)) == (two, "item")
    waiting = pool.submit(allcores.select, one, two, (full, 1))
    until_waiting(two, "waiting_to_pop")
    assert full.pop() == 0
    assert waiting.result() == (full, 1)
    assert full.pop() == 1
    assert one.statistics()["waiting_to_pop"] == two.statistics()["waiting_to_pop"] == 0


def test_select_with_a_default():
    channel = Channel(1)
    assert allcores.select(channel, default=None) == (None, None)
    assert allcores.select(channel, (channel, 5), default=7) == (channel, 5)
    assert allcores.select((channel, 6), default=7) == (None, 7)
    channel.pop()
    channel.push(None)
    assert allcores.select(channel, default=7) == (channel, None)


def test_select_is_fair():
    one, two = Channel(), Channel()
    for _ in range(1000):
        one.push(1)
        two.push(1)
    taken = Counter(allcores.select(one, two)[0] for _ in range(1000))
    assert min(taken[one], taken[two]) > 300


def test_select_says_which_has_ended():
    one, two = Channel(), Channel()
    two.close()
    with pytest.raises(ChannelClosed) as closed:
        allcores.select(one, two)
    assert closed.value.case == 1
    one.poison()
    with pytest.raises(ChannelPoisoned) as poisoned:
        allcores.select(one)
    assert poisoned.value.case == 0


def test_select_refuses_what_is_no_case():
    channel = Channel()
    with pytest.raises(ValueError, match="needs a case"):
        allcores.select()
    for wrong in (1, (channel,), (channel, 1, 2), [channel, 1], (1, channel)):
        with pytest.raises(TypeError):
            allcores.select(channel, wrong)
    with pytest.raises(TypeError, match="lock"):
        allcores.select((channel, 1), (channel, threading.Lock()))
    assert len(channel) == 0


def select_many(channels, count):
    return sum(allcores.select(*channels)[1] for _ in range(count))


def test_fan_in_over_interpreters(workers, pool):
    channels = [Channel(size) for size in (0, 1, 2)]
    channels.append(Channel(rendezvous=True))
    count = 500
    pushing = [pool.submit(push_all, each, 0, count) for each in channels]
    halves = [
        pool.submit(each.call, select_many, channels, len(channels) * count // 2)
        for each in workers
    ]
    for each in pushing:
        each.result()
    total = sum(each.result() for each in halves)
    assert total == len(channels) * sum(range(count))


def test_an_interpreter_that_ends_wakes_its_waiters(pool):
    channel = Channel()
    worker = Interpreter()
    waiting = pool.submit(worker.call, pop_all_strictly, channel)
    until_waiting(channel, "waiting_to_pop")
    assert worker.destroy()
    assert waiting.exception() is not None
    assert channel.statistics()["waiting_to_pop"] == 0
    channel.push(1)
    assert channel.pop() == 1


def start_a_thread(channel):
    threading.Thread(target=channel.pop).start()


def test_threads_of_an_interpreter_that_ends(pool):
    channel = Channel()
    worker = Interpreter()
    worker.call(start_a_thread, channel)
    until_waiting(channel, "waiting_to_pop")
    assert worker.destroy()
    assert channel.statistics()["waiting_to_pop"] == 0


INTERRUPTED = """
import os, signal, threading
import allcores

def until_waiting(channel, key):
    while not channel.statistics()[key]:
        pass

def pop(channel):
    channel.pop()

def attempt(channel, key, call):
    def interrupt():
        until_waiting(channel, key)
        os.kill(os.getpid(), signal.SIGINT)
    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        call()
    except KeyboardInterrupt:
        pass
    else:
        raise SystemExit("not interrupted")
    thread.join()
    assert channel.statistics()[key] == 0, key

empty, full = allcores.Channel(), allcores.Channel(1)
full.push(1)
attempt(empty, "waiting_to_pop", empty.pop)
attempt(empty, "waiting_to_pop", lambda: list(empty))
attempt(empty, "waiting_to_pop", lambda: empty.pop(timeout=1000))
attempt(full, "waiting_to_push", lambda: full.push(2))
attempt(empty, "waiting_to_pop", lambda: allcores.select(empty, (full, 2)))
with allcores.Interpreter() as worker:
    attempt(empty, "waiting_to_pop", lambda: worker.call(pop, empty))
    empty.push(3)
    assert worker.call(empty.pop) == 3
print("all interrupted")
"""

LEFT = """
import threading
import allcores

channel = allcores.Channel()
worker = allcores.Interpreter()
threading.Thread(target=lambda: worker.call("import allcores"), daemon=True).start()
threading.Thread(target=worker.call, args=(lambda: channel.pop(),), daemon=True).start()
threading.Thread(target=channel.pop, daemon=True).start()
while channel.statistics()["waiting_to_pop"] < 2:
    pass
print("ends")
"""


@pytest.mark.parametrize(
    ("program", "said"), [(INTERRUPTED, "all interrupted"), (LEFT, "ends")], ids=["ctrl-c", "exit"]
)
def test_programs(program, said):
    done = run_program(program)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, said, "")
