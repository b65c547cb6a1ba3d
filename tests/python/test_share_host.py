"""allcores.host: an object with a home of its own, and a monitor."""

import threading

import pytest
import share_objects
from programs import run_program
from share_objects import Counter

import allcores
from allcores import Channel, Interpreter, OwnerGone, Proxy, host


class Unguarded:
    """Of which only one thread may be in a method at a time, or it counts wrong."""

    def __init__(self, start=0):
        self.number = start
        self.inside = 0
        self.most_inside = 0

    def add(self):
        self.inside += 1
        self.most_inside = max(self.inside, self.most_inside)
        before = self.number
        for _ in range(200):  # where threads of one interpreter may be switched
            before = before + 1 - 1
        self.number = before + 1
        self.inside -= 1


class Friend:
    def __init__(self):
        self.friend = None

    def meet(self, friend):
        self.friend = friend

    def ask(self, gate):
        gate.wait()
        return self.friend.answer()

    def answer(self):
        return 42


class Gate:
    """Lets two threads pass when both are there."""

    def __init__(self):
        self.barrier = threading.Barrier(2)

    def wait(self):
        self.barrier.wait()


def test_it_lives_in_an_interpreter_of_its_own():
    counter = host(Counter, 5)
    assert isinstance(counter, Proxy)
    assert counter.add(2) == 7
    assert repr(counter) == (
        '<allcores.Proxy of share_objects.Counter in the interpreter "home of Counter">'
    )
    assert host(Counter, number=3).number == 3
    assert host(dict, {"a": 1}, b=2) == {"a": 1, "b": 2}


def test_what_cant_be_made():
    with pytest.raises(TypeError, match="needs a function or class, not a int"):
        host(5)
    with pytest.raises(KeyError, match="there"):
        host(raises)
    with open(__file__) as file, pytest.raises(TypeError, match=r"^args"):
        host(list, file)


def raises():
    raise KeyError("there")


def test_the_home_ends_with_the_last_proxy():
    deaths = Channel()
    before = {thread.name for thread in threading.enumerate()}
    first = host(share_objects.Dying, deaths)
    with Interpreter() as other:
        box = other.call(share_objects.make, "list", [first])
        del first
        assert len(deaths) == 0
        del box
        assert deaths.pop(timeout=60) == "main"  # the name in a fresh interpreter
    assert {thread.name for thread in threading.enumerate()} == before


def test_one_call_at_a_time():
    unguarded = host(Unguarded)

    def work(proxy):
        for _ in range(1000):
            proxy.add()

    with Interpreter() as one, Interpreter() as two:
        threads = [
            threading.Thread(target=each.call, args=(work, unguarded), kwargs={"where": where})
            for each in (one, two)
            for where in ("owner", "caller")
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert unguarded.number == 4000
    assert unguarded.most_inside == 1


def test_with_holds_it_over_several_calls():
    counter = host(Counter)

    def work():
        for _ in range(300):
            with counter as held:
                assert held is counter
                number = counter.number
                with counter:  # once more
                    counter.number = number + 1

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter.number == 900


def test_iterators_hold_it_for_each_item():
    numbers = host(list, [1, 2, 3])
    iterator = iter(numbers)
    assert next(iterator) == 1
    held, go_on, got = threading.Event(), threading.Event(), Channel()

    def hold():
        with numbers:
            held.set()
            go_on.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    other = threading.Thread(target=lambda: got.push(next(iterator)))
    other.start()
    with pytest.raises(TimeoutError):
        got.pop(timeout=0.05)
    go_on.set()
    assert got.pop(timeout=60) == 2
    holder.join()
    other.join()


def test_who_does_not_hold_it_cant_let_go():
    counter = host(Counter)
    with pytest.raises(RuntimeError, match="does not hold it"):
        counter.__exit__(None, None, None)
    with counter:
        counter.add()
    with pytest.raises(ZeroDivisionError), counter:
        _ = 1 // 0
    with pytest.raises(RuntimeError, match="does not hold it"):
        counter.__exit__(None, None, None)


def test_a_call_back_into_a_held_object():
    counter = host(Counter)
    with counter:
        # From its home back to main, and again into it, on one thread.
        assert counter.call(allcores.share(Back(counter)), 3) == 3


class Back:
    def __init__(self, counter):
        self.counter = counter

    def __call__(self, amount):
        return self.counter.add(amount)


def test_two_that_wait_for_each_other_get_an_error():
    one, two = host(Friend), host(Friend)
    one.meet(two)
    two.meet(one)
    gate = allcores.share(Gate())
    outcomes = []

    def ask(friend):
        try:
            outcomes.append(friend.ask(gate))
        except RuntimeError as error:
            outcomes.append(str(error))

    threads = [threading.Thread(target=ask, args=(each,)) for each in (one, two)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # One of them, or both, are told; nobody hangs.
    failures = [each for each in outcomes if each != 42]
    assert len(outcomes) == 2
    assert 1 <= len(failures) <= 2
    assert all(each.startswith("deadlock: ") for each in failures)
    assert one.answer() == two.answer() == 42


def test_a_circle_of_three():
    friends = [host(Friend) for _ in range(3)]
    together = threading.Barrier(3)
    outcomes = []

    def hold(first, second):
        with first:
            together.wait()
            try:
                with second:
                    outcomes.append("held")
            except RuntimeError as error:
                outcomes.append(str(error))

    threads = [
        threading.Thread(target=hold, args=(friends[i], friends[(i + 1) % 3])) for i in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 3
    assert any(each.startswith("deadlock: ") for each in outcomes)


def test_a_thread_that_ends_lets_go():
    counter = host(Counter)
    thread = threading.Thread(target=counter.__enter__)
    thread.start()
    thread.join()
    assert counter.add() == 1


def test_waiting_ends_with_the_waiting_interpreter():
    counter = host(Counter)
    worker = Interpreter()
    begun = Channel()

    def wait(begun, counter):
        begun.push(None)
        counter.add()

    outcomes = []

    def call():
        try:
            worker.call(wait, begun, counter)
        except (RuntimeError, allcores.RemoteError) as error:
            outcomes.append(error)

    with counter:
        thread = threading.Thread(target=call)
        thread.start()
        begun.pop()
        assert worker.destroy(timeout=0.1) is True
        thread.join()
    assert len(outcomes) == 1
    assert counter.add() == 1


def test_a_home_that_is_not_there_any_more():
    # Only its own handle could end it early, and nobody has that: so by a fork.
    done = run_program(
        """
import allcores, os
table = allcores.host(dict, a=1)
child = os.fork()
if child == 0:
    try:
        table["a"]
    except allcores.OwnerGone:
        with allcores.host(dict, b=2) as fresh:
            os._exit(fresh["b"])
    os._exit(1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2
assert table["a"] == 1
print("fine")
""",
        options=("-W", "ignore"),
    )
    assert (done.returncode, done.stdout) == (0, "fine\n"), done.stderr
    assert issubclass(OwnerGone, RuntimeError)


def test_ctrl_c_while_waiting():
    done = run_program(
        """
import allcores, os, signal, sys, threading, time
table = allcores.host(dict)
held, done = threading.Event(), threading.Event()
def hold():
    with table:
        held.set()
        done.wait()
thread = threading.Thread(target=hold)
thread.start()
held.wait()
def wait():
    table["a"] = 1
def interrupt():
    seen = 0
    while seen < 20:  # so often in a row, whenever the main thread could have gone on
        frame = sys._current_frames()[threading.main_thread().ident]
        seen = seen + 1 if frame.f_code is wait.__code__ else 0
        time.sleep(0.001)
    os.kill(os.getpid(), signal.SIGINT)
interrupter = threading.Thread(target=interrupt)
interrupter.start()
try:
    wait()
except KeyboardInterrupt:
    print("interrupted")
interrupter.join()
done.set()
thread.join()
""",
    )
    assert (done.returncode, done.stdout) == (0, "interrupted\n"), done.stderr
