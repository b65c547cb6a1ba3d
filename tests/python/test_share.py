"""allcores.share: what is done with a proxy is done where the object lives."""

import asyncio
import copy
import gc
import math
import operator
import pickle
import subprocess
import sys
import threading
import weakref

import pytest
import share_objects
from share_objects import Context, Counter, make, share_value

import allcores
from allcores import Channel, Interpreter, OwnerGone, Proxy, share


@pytest.fixture(scope="module")
def worker():
    with Interpreter("owner") as made:
        made.call(share_objects.set_name, "owner")
        yield made
        assert made.destroy() is True


@pytest.fixture
def counter(worker):
    return worker.call(make, "Counter", 5)


def test_methods_run_where_the_object_lives(counter):
    assert isinstance(counter, Proxy)
    assert counter.add(2) == 7
    assert counter.add() == 8
    assert counter.number == 8
    assert counter.where() == "owner"
    assert counter.keywords(1, "two", three=[3], four=4.0) == (
        (1, "two"),
        {"three": [3], "four": 4.0},
    )


def test_static_and_class_methods_and_functions_run_there_too(worker, counter):
    assert counter.static(3) == (3, "owner")
    assert counter.kind() == ("Counter", "owner")
    module = worker.call(share_value, share_objects)
    assert module.interpreter_name() == "owner"
    kind = worker.call(share_value, Counter)
    assert kind.kind() == ("Counter", "owner")
    assert type(kind(3)) is Counter  # a copy of what was made there


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -5,
        255,
        2**30,
        -(2**62),
        2**63 - 1,
        2**63,
        -(2**63),
        10**40,
        1.5,
        -0.0,
        math.inf,
        1 + 2j,
        "",
        "x",
        "é",
        "text",
        "x" * 95,
        "x" * 97,
        "x" * 100_000,
        "日本語" * 40,
        "🐍",
        "\ud800",
        b"",
        b"x",
        b"bytes" * 18,
        b"bytes" * 50_000,
        (),
        (1, ("two", (3.0, (b"4",)))),
        (1, [2]),
        tuple(range(40)),
        [1, 2, {"three": {4}}],
        {"a": bytearray(b"b")},
        allcores.freeze({"frozen": [1, 2]}),
        ...,
    ],
    ids=lambda value: repr(value)[:30],
)
def test_values_go_and_come_back(counter, value):
    counter.keep(value)
    back = counter.kept
    assert back == value
    assert type(back) is type(value)
    assert repr(back) == repr(value)
    assert counter.call(operator.eq, value, value) is True
    assert hash(counter.call(str, value)) == hash(str(value))


def test_nan_and_strings_as_keys(worker, counter):
    counter.keep(math.nan)
    assert math.isnan(counter.kept)
    table = worker.call(make, "dict")
    table["key"] = 1
    assert "key" in table
    assert table["k" + "ey"] == 1
    assert table.get("é" * 3) is None


def test_attributes(counter):
    counter.number = 11
    assert counter.half == 5.5
    counter.new = [1]
    assert counter.new == [1]
    del counter.new
    assert not hasattr(counter, "new")
    with pytest.raises(AttributeError, match="new"):
        _ = counter.new
    with pytest.raises(AttributeError):
        del counter.new
    with pytest.raises(AttributeError):
        counter.half = 1
    assert {"add", "number", "half"} <= set(dir(counter))


def test_special_attributes_are_the_proxys_own(counter):
    assert type(counter) is Proxy
    assert counter.__class__ is Proxy
    assert counter.__dict__ == {"number": 5, "kept": None}
    assert "interpreter" in Proxy.__doc__


def test_the_object_itself_comes_back_as_the_proxy(counter):
    assert counter.itself() is not None
    assert isinstance(counter.itself(), Proxy)
    same = counter.itself()
    assert same.add(1) == 6 == counter.number


def test_a_proxy_that_comes_home_is_the_object(counter):
    counter.keep(counter)
    assert counter.is_kept() is True
    counter.keep([counter])
    assert counter.call(operator.attrgetter("__class__.__name__"), counter) == "Counter"
    counter.keep(None)


def test_share_of_a_proxy_is_the_proxy(counter):
    assert share(counter) is counter


def test_a_proxy_at_home_is_an_ordinary_call():
    inner = []
    mine = Counter()
    proxy = share(mine)
    proxy.keep(inner)
    assert mine.kept is inner
    assert proxy.kept is inner
    assert proxy.itself() == proxy
    assert proxy.add(1) == 1
    proxy += 5
    assert isinstance(proxy, Proxy)
    assert mine.number == 6


def test_items_and_iteration(worker):
    numbers = worker.call(make, "list", range(5))
    assert len(numbers) == 5
    assert list(numbers) == [0, 1, 2, 3, 4]
    assert list(reversed(numbers)) == [4, 3, 2, 1, 0]
    assert numbers[1:3] == [1, 2]
    numbers[0] = "zero"
    del numbers[-1]
    assert "zero" in numbers
    assert 4 not in numbers
    assert [*numbers] == ["zero", 1, 2, 3]
    with pytest.raises(IndexError, match="out of range"):
        _ = numbers[100]
    iterator = iter(numbers)
    assert isinstance(iterator, Proxy)
    assert iter(iterator) == iterator
    assert next(iterator) == "zero"
    assert list(iterator) == [1, 2, 3]
    with pytest.raises(StopIteration):
        next(iterator)
    with pytest.raises(TypeError, match="not an iterator"):
        next(numbers)
    assert numbers.append("more") is None
    assert numbers.pop() == "more"


def test_mappings(worker):
    table = worker.call(make, "dict", {"a": 1})
    table["b"] = 2
    assert dict(table) == {"a": 1, "b": 2}
    assert {**table} == {"a": 1, "b": 2}
    assert table.keys() == ["a", "b"]
    assert table.items() == [("a", 1), ("b", 2)]
    assert table.setdefault("c", [3]) == [3]
    with pytest.raises(KeyError) as raised:
        _ = table["missing"]
    assert raised.value.args == ("missing",)
    table |= {"d": 4}
    assert isinstance(table, Proxy)
    assert len(table) == 4


BINARY = [
    operator.add,
    operator.sub,
    operator.mul,
    operator.truediv,
    operator.floordiv,
    operator.mod,
    divmod,
    operator.pow,
    operator.lshift,
    operator.rshift,
    operator.and_,
    operator.or_,
    operator.xor,
    operator.lt,
    operator.le,
    operator.gt,
    operator.ge,
    operator.eq,
    operator.ne,
]


@pytest.mark.parametrize("operation", BINARY, ids=lambda each: each.__name__)
def test_binary_operators(worker, operation):
    seven, three = worker.call(share_value, 7), worker.call(share_value, 3)
    here = share(3)
    expected = operation(7, 3)
    assert operation(seven, 3) == expected
    assert operation(7, three) == expected
    assert operation(seven, three) == expected
    assert operation(seven, here) == expected
    assert operation(here, seven) == operation(3, 7)


@pytest.mark.parametrize(
    "operation",
    [
        operator.neg,
        operator.pos,
        operator.invert,
        operator.index,
        operator.not_,
        math.trunc,
        math.floor,
        math.ceil,
        "{:04d}".format,
        abs,
        bool,
        complex,
        float,
        hash,
        int,
        range,
        round,
        str,
    ],
    ids=lambda each: getattr(each, "__name__", "?"),
)
def test_unary_operators(worker, operation):
    if operation is complex:
        assert complex(worker.call(share_value, 2j)) == 2j
        return
    for number in (-7, 0, 12):
        assert operation(worker.call(share_value, number)) == operation(number)


def test_other_operators(worker):
    assert pow(worker.call(share_value, 3), 4, 5) == 1
    assert worker.call(share_value, 5).__rpow__(2) == 32
    matrix = worker.call(make, "Matrix")
    assert matrix @ 5 == ("matmul", 5)
    assert 5 @ matrix == ("rmatmul", 5)
    assert bytes(worker.call(share_value, b"x")) == b"x"
    numbers = worker.call(make, "list", [1])
    before = numbers
    numbers += [2]
    numbers *= 2
    assert before is numbers
    assert numbers == [1, 2, 1, 2]
    assert [0] + numbers == [0, 1, 2, 1, 2]  # noqa: RUF005
    number = worker.call(share_value, 5)
    number += 1
    assert number == 6
    assert type(number) is int
    with pytest.raises(TypeError, match="unsupported operand"):
        _ = numbers - 1
    with pytest.raises(TypeError, match="not callable"):
        numbers()


def test_comparison_and_hash(worker, counter):
    again = counter.itself()
    assert counter == again
    assert hash(counter) == hash(again)
    assert len({counter, again}) == 1
    other = worker.call(make, "Counter")
    assert counter != other
    with open(__file__) as file:  # can't go there, so it is not equal to what is there
        assert counter != file
    with pytest.raises(TypeError, match="unhashable"):
        hash(worker.call(make, "list"))


def test_text(counter):
    assert repr(counter) == ('<allcores.Proxy of share_objects.Counter in the interpreter "owner">')
    assert "Counter object at" in str(counter)
    assert repr(counter.add) == ('<method add of share_objects.Counter in the interpreter "owner">')


def test_methods_are_values(worker, counter):
    add = counter.add
    assert add is counter.add
    assert add.__name__ == "add"
    assert add.__self__ == counter
    assert add == counter.itself().add
    assert hash(add) == hash(counter.itself().add)
    assert add != counter.where
    with Interpreter() as other:
        assert other.call(add, 10) == 15  # goes to others as it is
    assert worker.call(add, 1) == 16  # is the method itself at home


def test_context_managers(worker):
    context = worker.call(make, "Context")
    with context as value:
        assert value == "entered"
    with context:
        _ = 1 // 0
    with pytest.raises(Refused), context:
        raise Refused("no")
    assert context.seen[0] == ("enter", "owner")
    assert context.seen[1] == (None, None, None)
    assert context.seen[3][0] == "ZeroDivisionError"
    with pytest.raises((AttributeError, TypeError)), worker.call(make, "list"):
        pass
    assert isinstance(Context(), Context)


class Refused(Exception):
    """An exception that is no built-in one."""


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


def test_proxies_are_not_pickled_or_copied(counter):
    for way in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="a proxy goes to other interpreters as it is"):
            way(counter)
    with pytest.raises(TypeError):
        Proxy()
    with pytest.raises(TypeError):
        type("Derived", (Proxy,), {})


def test_weak_references(counter):
    gone = []
    reference = weakref.ref(counter.itself(), lambda _: gone.append(1))
    assert reference() is None
    assert gone == [1]


def test_proxies_go_everywhere(worker, counter):
    channel = Channel()
    channel.push({"counter": counter})
    with Interpreter() as other:
        assert other.call(lambda channel: channel.pop()["counter"].add(3), channel) == 8
        assert other.call(lambda: counter.where()) == "owner"  # closed over
        box = other.call(make, "list", [counter])
        assert box[0].add(1) == 9
    # And a proxy of main's in the worker.
    mine = Counter(50)
    assert counter.call(lambda proxy: proxy.add(7), share(mine)) == 57
    assert mine.number == 57


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


def test_the_last_proxy_takes_the_object_along(worker):
    deaths = Channel()
    proxy = worker.call(make, "Dying", deaths)
    with Interpreter() as other:
        held = other.call(make, "list", [proxy])
        del proxy
        gc.collect()
        assert len(deaths) == 0
        del held
        # Whoever drops it, it dies at home.
        assert deaths.pop(timeout=60) == "owner"


def test_an_undecoded_message_holds_it(worker):
    deaths, channel = Channel(), Channel()
    channel.push(worker.call(make, "Dying", deaths))
    assert len(deaths) == 0
    channel.poison()
    assert deaths.pop(timeout=60) == "owner"


def test_a_main_object_dies_in_main(worker):
    deaths = Channel()
    held = worker.call(make, "list", [share(share_objects.Dying(deaths))])
    del held
    while True:
        try:
            assert deaths.pop(timeout=0.01) == "main"
            break
        except TimeoutError:
            pass  # it dies between two bytecodes of the main thread


def test_calls_from_del_and_gc(worker, counter):
    share_objects.CallsAtDeath(counter)
    assert counter.number == 1005
    cycle = [share_objects.CallsAtDeath(counter)]
    cycle.append(cycle)
    del cycle
    gc.collect()
    assert counter.number == 2005


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


def test_the_owner_ends():
    owner = Interpreter("short-lived")
    counter = owner.call(make, "Counter", 5)
    kept = {counter: 1}
    method, iterator = counter.add, iter(owner.call(make, "list", [1, 2]))
    assert owner.destroy() is True
    for use in (
        lambda: counter.add(1),
        lambda: counter.number,
        lambda: setattr(counter, "number", 1),
        lambda: len(counter),
        lambda: method(),
        lambda: next(iterator),
        lambda: str(counter),
        lambda: counter + 1,
        lambda: list(counter),
        lambda: counter == counter.itself(),
        lambda: counter.__enter__(),
    ):
        with pytest.raises(OwnerGone, match='"short-lived" has ended'):
            use()
    assert issubclass(OwnerGone, RuntimeError)
    assert repr(counter).endswith('"short-lived", ended>')
    assert kept[counter] == 1  # its hash was asked for before
    with Interpreter() as other, pytest.raises(OwnerGone):  # it still goes to others
        other.call(lambda: counter.add(1))


def test_objects_die_with_their_owner():
    deaths = Channel()
    owner = Interpreter()
    owner.call(share_objects.set_name, "owner")
    proxy = owner.call(make, "Dying", deaths)
    assert owner.destroy() is True
    assert deaths.pop(timeout=60) == "owner"
    del proxy


def test_an_end_waits_for_calls_and_then_interrupts_them():
    owner = Interpreter()
    waiting = owner.call(make, "Waiting")
    inside, result = threading.Event(), []

    def call():
        try:
            waiting.wait(share(inside))
        except OwnerGone as error:
            result.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    inside.wait()
    assert owner.destroy(timeout=0.1) is True
    thread.join()
    assert len(result) == 1


def test_calls_while_it_ends_finish_or_are_refused():
    for _ in range(10):
        owner = Interpreter()
        counter = owner.call(make, "Counter")
        together, outcomes = threading.Barrier(3), []

        def call(counter=counter, together=together, outcomes=outcomes):
            together.wait()
            number = 0
            try:
                while True:
                    counter.add()
                    number += 1
            except OwnerGone:
                outcomes.append(number)

        threads = [threading.Thread(target=call) for _ in range(2)]
        for thread in threads:
            thread.start()
        together.wait()
        assert owner.destroy() is True
        for thread in threads:
            thread.join()
        assert len(outcomes) == 2


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


def run(text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", text],
        cwd=share_objects.__file__.rpartition("/")[0],
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_process_ends_with_proxies_everywhere():
    done = run(
        """
import allcores, share_objects
owner, other = allcores.Interpreter(), allcores.Interpreter()
counter = owner.call(share_objects.make, "Counter")
mine = allcores.share(share_objects.Counter())
box = other.call(share_objects.make, "list", [counter, mine])
owner.call(exec, "import share_objects; kept = share_objects", {})
cycle = [counter, mine, box]
cycle.append(cycle)
share_objects.left = share_objects.CallsAtDeath(counter)
print(counter.add(1))
"""
    )
    assert done.stdout == "1\n"
    assert done.returncode == 0, done.stderr
    # Called from a __del__ after the end, when nothing can be imported any more.
    assert 'RuntimeError: the interpreter "interpreter-1" has ended' in done.stderr


def test_the_process_ends_while_others_call_main():
    done = run(
        """
import allcores, share_objects, threading
mine = share_objects.Counter()
proxy = allcores.share(mine)
workers = [allcores.Interpreter() for _ in range(2)]
for worker in workers:
    call = threading.Thread(
        target=worker.call, args=(share_objects.call_for_ever, proxy), daemon=True
    )
    call.start()
while mine.number < 1000: pass
print("enough")
"""
    )
    assert done.stdout == "enough\n"
    assert done.returncode == 0, done.stderr


def test_a_fork_has_mains_objects_only():
    done = run(
        """
import allcores, share_objects, os, warnings
warnings.simplefilter("ignore")
owner = allcores.Interpreter()
theirs = owner.call(share_objects.make, "Counter")
mine = allcores.share(share_objects.Counter())
assert theirs.add(1) == 1
child = os.fork()
if child == 0:
    try:
        theirs.add(1)
    except allcores.OwnerGone:
        assert mine.add(1) == 1
        with allcores.Interpreter() as fresh:
            assert fresh.call(lambda: mine.add(1)) == 2
        os._exit(7)
    os._exit(1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
assert theirs.add(1) == 2
print("fine")
"""
    )
    assert done.stdout == "fine\n", done.stderr
    assert done.returncode == 0, done.stderr


def test_an_interpreter_that_is_not_ours_can_call_but_not_share():
    done = run(
        """
from concurrent import interpreters
import allcores, share_objects
other = interpreters.create()
other.exec('''
import allcores
try:
    allcores.share([])
except RuntimeError as error:
    print(error)
''')
other.close()
"""
    )
    assert done.stdout.startswith("nothing can be shared here"), done.stderr


def test_waiting_for_the_gil_of_an_owner_that_is_given_up():
    # It holds its GIL in C for some seconds, and heeds nothing.
    done = run(
        """
import allcores, share_objects, threading, time
owner = allcores.Interpreter()
counter = owner.call(share_objects.make, "Counter")
add = counter.add
begun = allcores.Channel()
def hold(begun):
    begun.push(None)
    sum(range(80_000_000))
def quietly(function, *args):
    try:
        function(*args)
    except RuntimeError as error:
        outcomes.append(type(error).__name__)
outcomes = []
holder = threading.Thread(target=quietly, args=(owner.call, hold, begun))
holder.start()
begun.pop()
time.sleep(0.1)
caller = threading.Thread(target=quietly, args=(add,))
caller.start()
print(owner.destroy(timeout=0))
holder.join()
caller.join()
print(sorted(outcomes))
"""
    )
    assert done.returncode == 0, done.stderr
    # (On a machine where that takes less than a second it ends properly.)
    assert done.stdout in ("False\n['OwnerGone', 'RuntimeError']\n", "True\n[]\n")
