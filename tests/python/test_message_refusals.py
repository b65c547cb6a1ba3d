"""What can't cross is refused, whole, with the place where it is and another way that would do."""

import collections
import functools
import gc
import mmap
import re
import socket
import sys
import tempfile
import threading
import types

import pytest
from message_values import Key, Pickled, Point, Slotted, User

import allcores
from allcores._core import _send_copy


@pytest.fixture(scope="module")
def worker():
    with allcores.Interpreter("tests") as interpreter:
        yield interpreter


def refused(value, path, what):
    with pytest.raises(TypeError) as caught:
        _send_copy(value)
    text = str(caught.value)
    assert text.startswith(f"the value{path}: "), text
    assert re.search(what, text), text


def numbers():
    yield 1


async def later():
    pass


class Holding:
    """Of a class that goes by value, since a class in a function does."""

    __slots__ = ("__inside",)

    def __init__(self, inside):
        self.__inside = inside


class Registered:
    def __init__(self, inside):
        self._hidden = inside

    def __getattribute__(self, name):
        if name == "__dict__":
            raise AttributeError(name)
        return object.__getattribute__(self, name)

    def __reduce__(self):
        return Registered, (1, [object.__getattribute__(self, "_hidden")])


def test_where_it_is_in_what_hides_it():
    lock = threading.Lock()
    refused([Holding({"a": lock})], "[0]._Holding__inside['a']", "lock")
    refused(collections.deque([1, [lock]]), "[1][0]", "lock")
    refused(types.MappingProxyType({"a": lock}), "['a']", "lock")
    refused(functools.partial(print, [lock]), "'s contents[1][0][0]", "lock")
    refused(Registered(lock), "'s contents[1][0]", "lock")
    with mmap.mmap(-1, 100) as memory:
        refused([memory], "[0]", r"a mmap\.mmap cannot go .*allcores\.view")


def test_where_it_is_in_a_class():
    lock = threading.Lock()

    class Base:
        def locked(self):
            return lock

        kept = property(locked)

    class Derived(Base):
        inside = ({"a": lock},)

    refused([Base()], "[0]'s class.locked", "locked.* uses the variable 'lock', a _thread.lock")
    del Base.locked
    refused([Base], "[0].kept.fget", "locked.* uses the variable 'lock', a _thread.lock")
    del Base.kept
    refused([Derived()], "[0]'s class.inside[0]['a']", "a _thread.lock cannot go")
    Derived.itself = Derived
    refused(Derived, ".inside[0]['a']", "a _thread.lock cannot go")


def test_what_is_refused():
    with tempfile.TemporaryFile() as file:
        refused(file, "", r"a _io\.BufferedRandom cannot go to another interpreter; pass its name")
    with socket.socket() as one:
        refused(one, "", r"a socket\.socket cannot go .*detach\(\)")
    refused(threading.Lock(), "", r"a _thread\.lock cannot go .*make it in the one that uses it")
    refused(threading.Event(), "._cond._lock", r"a _thread\.lock cannot go")
    refused(threading.current_thread(), "._os_thread_handle", r"a _thread\._ThreadHandle cannot go")
    refused(numbers(), "", r"a generator cannot go .*list\(\.\.\.\)")
    coroutine = later()
    refused(coroutine, "", "a coroutine cannot go .*pass the function")
    coroutine.close()
    refused(memoryview(b"x"), "", r"a memoryview cannot go .*bytes\(\.\.\.\)")
    refused(sys._getframe(), "", "a frame cannot go .*as text")


def test_where_it_is():
    lock = threading.Lock()
    refused([1, {"users": [0, 1, 2, {"lock": lock}]}], "[1]['users'][3]['lock']", "lock")
    refused({(1, "x"): (lock,)}, "[(1, 'x')][0]", "lock")
    refused({lock: 1}, f"'s key {lock!r}", "a _thread.lock")
    refused({1, lock}, "'s element", "lock")
    refused(slice(1, lock), ".stop", "lock")
    refused([User("u", [Key("k"), lock])], "[0].friends[1]", "lock")
    refused([User("u", {"a": Slotted(1, [lock])})], "[0].friends['a'].right[0]", "lock")
    refused(Slotted(None, lock), ".right", "lock")
    refused(Pickled(None, lock), ".right", "lock")
    refused([Point(1, {"x": lock})], "[0][1]['x']", "lock")
    refused(types.SimpleNamespace(a=[lock]), ".a[0]", "lock")
    refused(ValueError("x", lock), ".args[1]", "lock")
    error = ValueError("x")
    error.__cause__ = KeyError(lock)
    refused(error, ".__cause__.args[0]", "lock")
    refused({"x" * 200: lock}, "['" + "x" * 56 + "...]", "lock")


def test_the_first_of_several():
    refused([1, numbers(), threading.Lock()], "[1]", "generator")
    refused([User("u", 1), User("u", threading.Lock())], "[1].friends", "lock")


def test_deep_inside():
    deep = [threading.Lock()]
    for _ in range(50_000):
        deep = [deep]
    refused(deep, "[0]" * 20 + "..." + "[0]" * 20, "lock")
    pickled = Pickled("u", 1)
    for _ in range(100_000):
        pickled = Pickled("u", pickled)
    with pytest.raises(TypeError, match="nested too deeply"):
        _send_copy(pickled)
    while pickled.right != 1:
        pickled = pickled.right


def test_in_a_cycle():
    loop = [1]
    loop += [loop, {"loop": loop, "lock": threading.Lock()}]
    refused(loop, "[2]['lock']", "lock")


def test_functions_name_their_variable():
    lock = threading.Lock()
    refused([lambda: lock], "[0]", r"variable 'lock', a _thread\.lock")


def test_errors_of_a_classes_own_pickling_are_told():
    with pytest.raises(TypeError, match=r"^the value\[0\]: a .*Stubborn cannot go") as caught:
        _send_copy([Stubborn()])
    assert isinstance(caught.value.__cause__, LookupError)
    with pytest.raises(KeyboardInterrupt):
        _send_copy([Stubborn(KeyboardInterrupt)])
    with pytest.raises(MemoryError):
        _send_copy([Stubborn(MemoryError)])


class Stubborn:
    def __init__(self, error=LookupError):
        self.error = error

    def __reduce__(self):
        raise self.error("no")


def test_all_or_nothing(worker):
    worker.call("seen = []")
    with pytest.raises(TypeError, match=r"^args\[1\]\[0\]: a _thread\.lock"):
        worker.call(note, 1, [threading.Lock()])
    assert worker.call("seen") == []
    worker.call("import threading; lock = threading.Lock()")
    with pytest.raises(TypeError, match=r"^result\['x'\]\[1\]: a _thread\.lock"):
        worker.call("{'x': (1, lock)}")


def note(*values):
    sys.modules["__main__"].seen.append(values)


def test_what_the_receiver_cannot_make(worker):
    """An error of the receiver's own: it comes back to who sent the argument."""
    with pytest.raises(ZeroDivisionError):
        worker.call(note, Unfit())
    with pytest.raises(ZeroDivisionError):
        worker.call(note, [[1], {Unfit(): 1}, {"a": [2]}])


def fail():
    return 1 / 0


class Unfit:
    def __reduce__(self):
        return fail, ()


class Unhashable:
    def __init__(self, loop):
        self.loop = loop

    def __reduce__(self):
        return Unhashable.arrive, ()

    @staticmethod
    def arrive():
        made = Unhashable(None)
        made.arrived = True
        return made

    def __hash__(self):
        if hasattr(self, "arrived"):
            raise LookupError("hash")
        return 1


def test_a_hash_that_fails_leaves_nothing_behind():
    """What was half made goes, cycles too."""
    loop = [object() for _ in range(10)]
    value = [loop, {"loop": loop}, (1, loop), {Unhashable(loop): loop}, {3: loop}, [4]]
    loop.append(value)
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(50):
        with pytest.raises(LookupError):
            _send_copy(value)
    gc.collect()
    assert len(gc.get_objects()) < before + 50
