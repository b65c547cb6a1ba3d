"""Objects of classes: those that the codec writes itself, those that it leaves to pickle, both."""

import copy
import copyreg
import functools
import gc
import sys
import threading
import weakref
from collections import namedtuple
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from message_values import Key, Pickled, Point, Slotted, User, difference
from programs import run_program

import allcores
from allcores._core import _encode, _send_copy, _send_last


class Node:
    def __init__(self, **attributes: Any) -> None:
        vars(self).update(attributes)


class Counted(Node):
    made = 0

    def __init__(self) -> None:
        type(self).made += 1


@dataclass(frozen=True)
class Frozen:
    name: str
    values: list[int] = field(default_factory=list)


@pytest.fixture(scope="module")
def worker():
    with allcores.Interpreter("tests") as interpreter:
        interpreter.call(sys.path.insert, 0, str(Path(__file__).parent))
        yield interpreter


def arrived(value):
    copied = _send_copy(value)
    assert difference(copied, value) == ""
    assert difference(_send_last([copy.deepcopy(value)]), value) == ""
    return copied


def test_attributes_in_their_order():
    one = Node(b=1, a="x", c=[None])
    two = Node()
    two.c, two.b, two.a = 1, 2, 3  # in another order than the class's own
    del one.a
    one.a = "again"
    first, second, none = arrived([one, two, Node()])
    assert list(vars(first).items()) == [("b", 1), ("c", [None]), ("a", "again")]
    assert list(vars(second)) == ["c", "b", "a"] and vars(none) == {}
    assert type(first) is Node


def test_what_is_new_is_as_light_as_what_was_sent():
    sent = [User(f"n {i}", i) for i in range(3)]
    copied = _send_copy(sent)
    assert not any(isinstance(each, dict) for each in gc.get_referents(*copied))


def test_dicts_that_are_there_already_or_have_many_attributes():
    one, many = Node(a=1), Node(**{f"a{i}": i for i in range(200)})
    vars(one)["b"] = [one]
    copied, more = arrived([one, many])
    assert copied.b[0] is copied and more.a199 == 199


def test_classes_with_more_shapes_than_are_counted():
    arrived([Node(**{f"a{i}": i}) for i in range(100)])
    shared = [1]
    copied = arrived([Node(**{f"a{i}": shared}) for i in range(100)])
    assert copied[0].a0 is copied[99].a99


def test_names_that_are_no_usual_ones():
    odd = Node(ä=1)
    vars(odd)["two words"] = 2
    vars(odd)[""] = 3
    number = Node()
    vars(number)[1] = "one"
    copied, other = arrived([odd, number])
    assert vars(copied) == {"ä": 1, "two words": 2, "": 3} and vars(other) == {1: "one"}


def test_no_method_runs():
    Counted.made = 0
    copied = arrived([Counted(), Counted()])
    assert len(copied) == 2 and Counted.made == 2
    assert arrived(Frozen("x", [1])) == Frozen("x", [1])


class Watched:
    def __setattr__(self, name: str, value: Any) -> None:
        raise AssertionError("set")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return name


def test_attributes_are_not_set_by_the_class():
    one = Watched()
    vars(one)["x"] = [1]
    assert arrived(one).x == [1]


class Property:
    @property
    def x(self) -> int:
        return 42

    @x.setter
    def x(self, value: int) -> None:
        raise AssertionError("set")

    @functools.cached_property
    def y(self) -> list[int]:
        return [1]


def test_attributes_that_a_descriptor_hides():
    one = Property()
    vars(one)["x"] = 1
    assert one.y == [1]
    copied = _send_copy(one)
    assert vars(copied) == {"x": 1, "y": [1]} and copied.x == 42


class Reduced(Node):
    def __reduce__(self) -> Any:
        return Reduced.make, (self.x,)

    @staticmethod
    def make(x: int) -> Reduced:
        return Reduced(x=x + 1)


class Stateful(Node):
    def __getstate__(self) -> Any:
        return {"x": self.x, "sent": True}


class Restored(Node):
    def __setstate__(self, state: Any) -> None:
        vars(self).update(state, restored=True)


class Numbered(Node):
    def __getnewargs__(self) -> tuple[int]:
        return (self.x,)

    def __new__(cls, x: int = 0, **_: Any) -> Numbered:
        made = super().__new__(cls)
        vars(made)["new"] = x
        return made


class Registered(Node):
    pass


class List(list[Any]):
    pass


class WithSlots(Slotted):
    __slots__ = ("__dict__",)


def test_classes_that_have_a_say_in_it(monkeypatch):
    assert vars(_send_copy(Reduced(x=1))) == {"x": 2}
    assert vars(_send_copy(Stateful(x=1, y=2))) == {"x": 1, "sent": True}
    assert vars(_send_copy(Restored(x=1))) == {"x": 1, "restored": True}
    assert vars(_send_copy(Numbered(x=5))) == {"new": 5, "x": 5}
    assert vars(_send_copy(Registered(x=1))) == {"x": 1}
    monkeypatch.setitem(
        copyreg.dispatch_table, Registered, lambda one: (Registered, (), {"x": one.x * 2})
    )
    assert vars(_send_copy(Registered(x=1))) == {"x": 2}
    listed = List([1, 2])
    listed.x = [listed]
    copied = _send_copy(listed)
    assert copied == [1, 2] and copied.x[0] is copied
    slotted = WithSlots(1, [2])
    slotted.more = slotted.right
    copied = _send_copy(slotted)
    assert (copied.left, copied.right) == (1, [2]) and copied.more is copied.right


def test_one_object_that_has_a_say_in_it():
    one = Node(x=1)
    vars(one)["__reduce_ex__"] = lambda protocol: (Node, (), {"x": 2})
    assert vars(_send_copy(one)) == {"x": 2}


class Above(Slotted):
    """Slots of its own and of what it is derived from, one with a private name."""

    __slots__ = ("__hidden", "__weakref__", "more")

    def __init__(self, left: Any, right: Any, hidden: Any) -> None:
        super().__init__(left, right)
        self.__hidden = hidden

    def hidden(self) -> Any:
        return self.__hidden


class Shadowed(Slotted):
    __slots__ = ("left",)


class Computed(Slotted):
    __slots__ = ()

    @property
    def left(self) -> int:
        return 42

    @left.setter
    def left(self, value: int) -> None:
        Slotted.left.__set__(self, value + 1)


class Setting(Slotted):
    __slots__ = ()

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, [value])


@dataclass(slots=True)
class Row:
    name: str
    values: list[int] = field(default_factory=list)


@dataclass(slots=True, frozen=True)
class FrozenRow:
    name: str


def test_slots():
    one = Above([1], None, "x")
    one.right = one
    copied, twice = arrived([one, one.left])
    assert copied.hidden() == "x" and copied.right is copied and copied.left is twice
    assert not hasattr(copied, "more") and weakref.ref(copied)() is copied
    copied.more = 1
    arrived([copied, one])
    value = [Row("a", [1]), Row("b"), FrozenRow("c")]
    assert _send_copy(value) == value


def test_slots_of_classes_that_have_a_say_in_it():
    """As with pickle, which gets and sets them as anybody would."""
    for one in (Shadowed(1, 2), Computed(1, 2), Setting(1, 2)):
        copied, expected = _send_copy(one), copy.deepcopy(one)
        assert type(copied) is type(one)
        for name in ("left", "right"):
            assert getattr(copied, name) == getattr(expected, name)
        if not isinstance(one, Shadowed):
            assert Slotted.left.__get__(copied) == Slotted.left.__get__(expected)


Plain = namedtuple("Plain", "a b c", defaults=[3])
Empty = namedtuple("Empty", "")


class Area(namedtuple("Area", "width height")):
    __slots__ = ()

    @property
    def size(self) -> Any:
        return self.width * self.height


class Checked(namedtuple("Checked", "x")):
    __slots__ = ()
    made = 0

    def __new__(cls, x: Any) -> Checked:
        cls.made += 1
        return super().__new__(cls, x)


class WithDict(namedtuple("WithDict", "x")):
    pass


class Told(namedtuple("Told", "x")):
    __slots__ = ()

    def __getnewargs__(self) -> Any:
        return (self.x + 1,)


class ToldAll(namedtuple("ToldAll", "x")):
    __slots__ = ()

    def __reduce__(self) -> Any:
        return ToldAll, (self.x + 2,)


def test_named_tuples():
    both = Point([1], None)
    both.x.append(both)
    some = [Plain(1, "x"), Plain(*range(1000, 1003)), Empty(), Area(2, 3)]
    copied = arrived(some)
    assert copied == some and copied[3].size == 6
    again, elements = cycle = _send_copy([both, both.x])  # copy.deepcopy makes two of it
    assert difference(cycle, [both, both.x]) == "" and elements[1] is again
    assert hash(copied[0]) == hash(some[0]) and gc.is_tracked(copied[0])
    assert arrived({Plain(1, 2): "x", Area(1, 2): Area(1, 2)}) == {(1, 2, 3): "x", (1, 2): (1, 2)}


def test_named_tuples_that_have_a_say_in_it(monkeypatch):
    checked = Checked([1])
    before = Checked.made
    assert _send_copy(checked) == checked and Checked.made == before + 1
    assert _send_copy(Told(1)) == (2,) and _send_copy(ToldAll(1)) == (3,)
    more = WithDict(1)
    more.y = [more]
    copied = _send_copy(more)
    assert copied.y[0] is copied and copied.x == 1
    monkeypatch.setitem(copyreg.dispatch_table, Plain, lambda one: (Plain, (*one[:2], 5)))
    assert _send_copy(Plain(1, 2)) == (1, 2, 5)


def test_a_named_tuple_that_is_another_one_there():
    import message_values

    message = _encode([Point(1, 2)])
    old = message_values.Point
    try:
        message_values.Point = Plain
        with pytest.raises(TypeError, match=r"Plain.* is not the class here"):
            message.decode()
    finally:
        message_values.Point = old


def test_simple_namespaces(worker, monkeypatch):
    one = SimpleNamespace(b=1, a=[2])
    one.me, one.other = one, SimpleNamespace(one=one, none=SimpleNamespace())
    copied, attributes, again = arrived([one, vars(one), one])
    assert copied is again and vars(copied) is attributes and copied.other.one is copied
    assert list(attributes) == ["b", "a", "me", "other"]
    assert difference(worker.call(Same(), [one, one]), [one, one]) == ""
    told = SimpleNamespace(x=1)
    vars(told)["__reduce_ex__"] = lambda protocol: (SimpleNamespace, (), {"x": 2})
    assert _send_copy([told, one])[0] == SimpleNamespace(x=2)
    odd = SimpleNamespace()
    vars(odd)[1] = 2
    assert vars(_send_copy(odd)) == {1: 2}
    reduction = lambda one: (SimpleNamespace, (), {"x": one.x * 2})  # noqa: E731
    monkeypatch.setitem(copyreg.dispatch_table, SimpleNamespace, reduction)
    assert _send_copy(SimpleNamespace(x=2)).x == 4


class More(SimpleNamespace):
    pass


def test_a_class_derived_from_a_simple_namespace():
    one = More(x=[1])
    one.me = one
    copied = _send_copy(one)
    assert type(copied) is More and copied.me is copied


def test_what_is_shared_and_cycles():
    both, shared = Node(), [1]
    both.me, both.shared, both.other = both, shared, Node(back=both, shared=shared)
    copied, twice = arrived([both, shared])
    assert copied.me is copied and copied.other.back is copied
    assert copied.shared is copied.other.shared is twice


def mixtures():
    """What the codec writes, in what is pickled, and the other way."""
    plain, slotted = Node(), Pickled(None, None)
    plain.slotted, slotted.left = slotted, plain
    yield "a cycle", [plain]
    config = {"a": [1]}
    yield "a dict", [User("u", config), Pickled(config, config["a"]), config]
    user = User("u", [])
    yield "an object", (user, Pickled(user, [user]))
    yield "a set", ({1, 2}, Pickled(*[{3}] * 2), *[{4}] * 2)
    shared = bytearray(b"x")
    point = Point(1, [2])
    yield "a named tuple", [point, Pickled(point, point.y)]
    space = SimpleNamespace(x=1)
    yield "a namespace", [space, Pickled(space, [space])]
    slots = Slotted(1, [2])
    yield "slots", [slots, Pickled(slots, slots.right)]
    yield "a bytearray", [shared, Pickled(shared, shared), user]
    deep = Pickled(user, user)
    for _ in range(50):
        deep = Pickled(deep, user)
    yield "a chain", [deep, user]


@pytest.mark.parametrize("value", [pytest.param(each, id=name) for name, each in mixtures()])
def test_what_is_shared_with_what_is_pickled(value, worker):
    arrived(value)
    assert difference(worker.call(Same(), value), value) == ""


class Same:
    def __call__(self, value: Any) -> Any:
        return value


def test_shared_with_what_is_nested_too_deeply_to_be_pickled():
    """Then it arrives twice, but it arrives."""
    shared = [1]
    deep: Any = shared
    for _ in range(100_000):
        deep = [deep]
    copied = _send_copy([deep, Pickled(shared, 0), shared])
    assert copied[1].left == [1] and copied[2] == [1]
    for _ in range(100_000):
        deep = copied[0] = copied[0][0]
    assert deep is copied[2]


def test_moved_and_shared_with_what_is_pickled():
    shared, content = [1], bytearray(100_000)
    copied = _send_copy([allcores.move(content), Pickled(shared, 0), shared])
    assert len(copied[0]) == 100_000 and not content and copied[1].left == copied[2] == [1]


def test_a_long_list_of_links():
    last: Any = None
    for i in range(200_000):
        last = Node(number=i, next=last)
    copied = _send_copy(last)
    numbers = []
    while copied is not None:
        numbers.append(copied.number)
        copied = copied.next
    assert numbers == list(range(199_999, -1, -1))
    while last is not None:
        last = last.next


def test_keys(worker):
    keys = {Key("a"), Key("b")}
    value = {Key("k"): keys, "more": [Key("k")]}
    copied = arrived(value)
    assert copied[Key("k")] == keys
    assert worker.call(lambda data: data[next(iter(data))], value) == keys


def test_classes_of_functions_go_by_value(worker):
    class Local:
        def __init__(self, value: Any) -> None:
            self.value = value

    def use(ones: list[Local]) -> Any:
        return [one.value for one in ones], type(ones[0]) is Local, ones

    values, same, back = worker.call(use, [Local(1), Local([2])])
    assert values == [1, [2]] and same and type(back[1]) is Local


def test_a_class_of_a_module_that_was_imported_later():
    class Local:
        pass

    with allcores.Interpreter() as fresh:
        # This module is not imported for that.
        assert type(fresh.call(lambda value: value, Local())) is Local
        assert type(fresh.call(Same(), Node())) is Node  # for this it is


def test_named_tuples_of_functions_go_by_value(worker):
    Local = namedtuple("Local", "x y")

    def use(ones: Any) -> Any:
        return type(ones[0]) is Local, ones[0].y, ones

    same, y, back = worker.call(use, [Local(1, 2), Local([3], 4)])
    assert same and y == 2 and type(back[1]) is Local and back == [(1, 2), ([3], 4)]
    content = bytearray(100_000)
    assert len(_send_copy([allcores.move(content), Local(1, 2)])[0]) == 100_000 and not content


def test_slots_of_classes_of_functions_go_by_value(worker):
    class Local:
        __slots__ = ("x", "y")

    def use(one: Any) -> Any:
        return type(one) is Local, one.x, hasattr(one, "y"), one

    one = Local()
    one.x = [1]
    same, x, has_y, back = worker.call(use, one)
    assert same and x == [1] == back.x and not has_y and type(back) is Local


def test_a_class_that_is_replaced():
    """By name it would be another one: it goes by value."""
    module = sys.modules[__name__]
    old = module.Frozen
    one = old("x")
    assert type(_send_copy(one)) is old

    @dataclass(frozen=True)
    class Frozen:
        other: int

    try:
        module.Frozen = Frozen
        copied = _send_copy(one)
        assert copied.name == "x" and type(copied) is old
    finally:
        module.Frozen = old


def test_a_class_that_is_another_one_there(worker):
    message = _encode([User("u", 1)])
    import message_values

    old = message_values.User
    try:
        message_values.User = Pickled
        with pytest.raises(TypeError, match=r"Pickled.* is not the class here"):
            message.decode()
        del message_values.User
        message = _encode([User("u", 1)])
    finally:
        message_values.User = old


def test_where_what_cannot_cross_is():
    lock = threading.Lock()
    with pytest.raises(TypeError, match=r"^the value\[0\]\.friends\['lock'\]\.x: a _thread\.lock"):
        _send_copy([User("u", {"lock": Node(x=lock)})])


def test_nothing_is_left():
    class Local(Node):
        pass

    def send():
        value = [Local(x=i, me=None) for i in range(10)]
        for each in value:
            each.me = each
        copied = _send_copy([value, Slotted(value, value), Pickled(1, 2)])
        return [weakref.ref(each) for each in value + copied[0]]

    found = [ref for _ in range(3) for ref in send()]
    gc.collect()
    assert [ref for ref in found if ref() is not None] == []


def test_from_main():
    program = """
import allcores
class Row:
    def __init__(self, n): self.n, self.me = n, self
def work(rows):
    assert all(row.me is row and type(row) is Row for row in rows)
    return rows[::-1]
with allcores.Interpreter() as worker:
    rows = worker.call(work, [Row(i) for i in range(1000)])
    print([row.n for row in rows] == list(range(999, -1, -1)), {type(row) is Row for row in rows})
"""
    done = run_program(program)
    assert done.stdout == "True {True}\n", done.stderr


def test_aliases_of_main():
    program = """
import allcores
type Number = int
type Numbers[T] = list[T]
def double(one: Number, more: Numbers[Number]) -> Numbers[int]:
    return [2 * each for each in (one, *more)]
with allcores.Interpreter() as worker:
    print(worker.call(double, 1, [2]), worker.call(lambda: double.__annotations__["one"].__value__))
"""
    done = run_program(program)
    assert done.stdout == "[2, 4] <class 'int'>\n", done.stderr
