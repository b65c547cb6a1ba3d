"""What crosses between interpreters: every type that the codec writes itself, there and back."""

import array
import copy
import datetime as dt
import decimal
import gc
import pathlib
import sys
import uuid

import pytest
from message_values import Angry, Color, Key, Point, Slotted, User, depth_of, difference, nested

import allcores
from allcores._core import _encode, _send_copy, _send_last

HOUR = dt.timedelta(hours=1)

VALUES = [
    None, True, False, ..., NotImplemented,
    0, 1, -1, 127, 128, -128, -129, 2**30 - 1, 2**30, 2**31, 2**62, 2**63 - 1, -(2**63), 2**63,
    10**1000, -(10**1000),
    0.0, -0.0, 1.5, float("inf"), float("nan"), 5e-324, 1j, complex(-0.0, 0.0), complex("nan"),
    "", "a", "é", "€", "😀", "\ud800", "a\0b", "abc" * 100, "é" * 300, "€" * 300, "😀" * 300,
    "x" * 255, "x" * 256, "x" * 65_535, "x" * 65_536, "é" * 65_536, "€" * 65_536, "😀" * 65_536,
    b"", b"a", b"\0\xff" * 100, b"x" * 65_535, b"x" * 65_536, b"x" * 10_000_000,
    bytearray(), bytearray(b"abc"), bytearray(b"abc" * 50_000),
    (), (1,), tuple(range(255)), tuple(range(256)), tuple(range(100_000)),
    [], [1], [1, 2, 3, 4, 5.5, 6, 7, "a", 8, 9, 10], [None] * 100_000, list(range(100_000)),
    [1, 2, 2**40, 2**40, 2**40, 2**40, 2**70, 1, 2, 3, 4], [2**40] * 100, [1.5] * 100_000,
    [1.0, 2.0, 3.0, 4, 5.0, 6.0, 7.0, True, False], [True, 1, 2, 3, 4, 5],
    {}, {1: 2}, {"a": 1}, {(1, 2): 3, "x": [1]}, {1.5: 2, None: 3, b"q": 4, True: 2},
    {i: str(i) for i in range(1000)}, {str(i): i for i in range(100_000)}, dict.fromkeys("abc"),
    set(), {1}, {1, 2, 3, "a"}, set(range(1000)), frozenset(), frozenset([1, (2, frozenset([3]))]),
    frozenset(map(str, range(1000))), {(1, 2.5), (None, b"x")},
    slice(1, 2, 3), slice(None), slice([1], {"a": 2}, ()), range(10), range(0, 10**30, 7),
    range(5, -5, -2),
    dt.date.min, dt.date.max, dt.date(2024, 2, 29), dt.time(1, 2, 3, 4, fold=1), dt.time.max,
    dt.time(1, tzinfo=dt.UTC), dt.datetime.min, dt.datetime.max, dt.datetime(2020, 1, 2, fold=1),
    dt.datetime(2020, 1, 2, 3, 4, 5, 678_901, dt.timezone(-HOUR, "there")), dt.timedelta.min,
    dt.timedelta.max, dt.timedelta(-1, 5, 7), dt.UTC, dt.timezone(HOUR), dt.timezone(HOUR, "X"),
    dt.timezone(dt.timedelta(0)), dt.timezone(dt.timedelta(0), "UTC"),
    decimal.Decimal("1.50"), decimal.Decimal("-0"), decimal.Decimal("NaN123"),
    decimal.Decimal("sNaN"), decimal.Decimal("1E+999999"), decimal.Decimal("-Infinity"),
    decimal.Decimal("0.1") ** 30,
    uuid.UUID(int=0), uuid.UUID(int=2**128 - 1), uuid.UUID(int=7, is_safe=uuid.SafeUUID.unsafe),
    uuid.UUID(int=7, is_safe=uuid.SafeUUID.safe),
    pathlib.Path("/a/b"), pathlib.PurePosixPath("a", "b"), pathlib.PureWindowsPath("c:\\x"),
    array.array("i", [1, 2, 3]), array.array("d", [1.5] * 100_000), array.array("w", "héllo"),
    array.array("B"), array.array("b", b"x" * 65_536), array.array("w", "€" * 20_000),
    Color.RED, Point(1, [2]), User("u", [Key("k")], {Color.GREEN: Key("x")}), Key("k"),
    {Key("a"): 1, Key("b"): [Key("a")]}, {Angry(1), Angry(2)}, frozenset([Angry(1)]),
    {Angry(i): Angry(-i) for i in range(100)}, Slotted([1], Slotted(2, None)),
    int, dict, Exception, dt.datetime, User, len, [].append, pytest.raises,
]  # fmt: skip


def short(value: object) -> str:
    return f"{type(value).__name__} {repr(value)[:25]}"


@pytest.fixture(scope="module")
def worker():
    with allcores.Interpreter("tests") as interpreter:
        interpreter.call(sys.path.insert, 0, str(pathlib.Path(__file__).parent))
        yield interpreter


def same(*values):
    return values


def equal(left, right):
    """Sameness, but for functions that are bound to an object, which is a copy then."""
    if type(left) is type([].append) and left is not len:
        return right(1) is None and right.__self__ == [1]
    return difference(left, right) == ""


@pytest.mark.parametrize("value", VALUES, ids=short)
def test_there_and_back(worker, value):
    assert equal(value, _send_copy(value))
    (result,) = worker.call(same, value)
    assert equal(value, result)


@pytest.mark.parametrize("value", VALUES, ids=short)
def test_in_other_things_and_twice(value):
    for whole in ([value, (value, {"k": value})], {"a": value, "b": [value]}, ((value,), value)):
        assert (
            difference(whole, _send_copy(whole)) == ""
            or type(value) is type([].append)
            or value is NotImplemented
        )


@pytest.mark.parametrize("value", VALUES, ids=short)
def test_what_nobody_else_has(value):
    """The same, when the codec may take what is in the object instead of copying it."""
    expected = copy.deepcopy(value)
    assert equal(expected, _send_last([value]))
    try:
        twin = copy.deepcopy(expected)
    except TypeError:
        return
    whole = [[twin], {"k": copy.deepcopy(expected)}]
    del twin
    assert difference([[expected], {"k": copy.deepcopy(expected)}], _send_last([whole])) == "" or (
        type(value) is type([].append)
    )


def test_hashes_and_tables_work_on_the_other_side(worker):
    def use(table, members, frozen):
        found = [table[f"key {i}"] for i in range(500)]
        table["new"] = 1
        del table["key 3"]
        members.add(1000)
        members.remove(3)
        return found, len(table), len(members), 999 in members, hash(frozen), {frozen: 1}

    frozen = frozenset(["a", 1, (2.5, None)])
    table = {f"key {i}": i for i in range(500)}
    result = worker.call(use, table, set(range(1000)), frozen)
    assert result == (list(range(500)), 500, 1000, True, hash(frozen), {frozen: 1})


@pytest.mark.parametrize("size", [0, 1, 5, 8, 100, 10_000])
@pytest.mark.parametrize("keys", ["str", "int"])
def test_dicts_whose_table_has_a_history(size, keys):
    table = {(f"k{i}" if keys == "str" else i): i for i in range(size + 20)}
    for key in list(table)[:20]:
        del table[key]
    while len(table) > size * 2 // 3:
        table.popitem()
    copied = _send_copy(table)
    assert list(copied.items()) == list(table.items())
    for one in (copied, copied.copy(), dict(copied)):
        one.update({f"more {i}": i for i in range(50)})
        one.update({i + 0.5: i for i in range(50)})
        assert len(one) == len(table) + 100 and one["more 7"] == 7
    elements = set(table)
    for key in list(elements)[::2]:
        elements.discard(key)
    assert _send_copy(elements) == elements


def test_a_dict_that_is_an_instances_own():
    user = User("u", [1])
    assert _send_copy(vars(user)) == {"name": "u", "friends": [1], "extra": None}


@pytest.mark.parametrize("kind", ["list", "tuple", "dict", "pairs", "slice"])
def test_any_depth(worker, kind):
    deep = nested(kind, 100_000)
    assert depth_of(_send_copy(deep)) == 100_000
    (result,) = worker.call(same, deep)
    assert depth_of(result) == 100_000


def test_cycles():
    loop = []
    loop.append(loop)
    copied = _send_copy(loop)
    assert copied[0] is copied
    pair = ([],)
    pair[0].append(pair)
    copied = _send_copy(pair)
    assert copied[0][0] is copied
    table = {}
    table["self"] = {"up": table, "list": [table]}
    copied = _send_copy(table)
    assert copied["self"]["up"] is copied and copied["self"]["list"][0] is copied
    table = {1: 2, 3: 4}
    del table[1]
    table[5] = (table, slice(table))
    copied = _send_copy(table)
    assert copied[5][0] is copied and copied[5][1].stop is copied
    user = User("u", [])
    user.friends.append(user)
    copied = _send_copy([user, user])
    assert copied[0] is copied[1] is copied[0].friends[0]


def test_a_root_that_is_borrowed_from_its_own_cycle():
    loop = [[]]
    loop[0].append(loop)
    copied = _send_copy(loop[0])
    assert copied[0][0] is copied


def test_sharing_between_what_is_pickled():
    key = Key("k")
    first, second = User("a", [key]), User("b", [key])
    copied = _send_copy([first, {"x": second}, first])
    assert copied[0] is copied[2]
    assert copied[0].friends[0] is copied[1]["x"].friends[0]


def test_frozen_data_crosses_by_address(worker):
    frozen = allcores.freeze({"a": [1, 2, {"b": "text"}]})
    assert _send_copy([frozen, frozen["a"]])[1] is frozen["a"]
    assert worker.call(id, frozen) == id(frozen)
    assert _send_copy({"k": User("u", [frozen])})["k"].friends[0] is frozen


def test_interpreters_cross_by_pointer(worker):
    with allcores.Interpreter("other") as other:

        def use(interpreter, user):
            return interpreter.call("6 * 7"), interpreter, user.extra is interpreter

        answer, back, shared = worker.call(use, other, User("u", [], other))
        assert (answer, back.id, back.name, shared) == (42, other.id, "other", True)
        del back
        gc.collect()
        assert other.call("1 + 1") == 2  # it ends with the last that have it, not with the first


def test_what_is_whole_is_tracked_by_the_garbage_collector():
    copied = _send_copy([[1], {"a": [2]}, ([3],), {(4, 5)}, {Key("a"): [6]}])
    assert gc.is_tracked(copied) and all(
        gc.is_tracked(each) for each in (copied[0], copied[1], copied[2], copied[3], copied[4])
    )
    assert not gc.is_tracked(_send_copy((1, ("a", (None, 2.5)))))
    for _ in range(10):
        loop = _send_copy(nested("list", 3))
        loop.append(loop)
    gc.collect()
    del loop
    assert gc.collect() >= 3


def test_a_message_is_received_once():
    message = _encode([1, 2])
    assert message.size() > 0
    assert message.decode() == [1, 2]
    assert message.size() == 0
    with pytest.raises(SystemError, match="received twice"):
        message.decode()


def test_a_message_can_be_made_while_another_is_made(worker):
    """Pickling runs Python code, and that may send something itself."""
    assert _send_copy([1, Sender([2, 3]), 4])[1].value == [2, 3]
    result = worker.call(same, [Sender("x")], Sender(Sender("y")))
    assert result[0][0].value == "x" and result[1].value.value == "y"


class Sender:
    def __init__(self, value):
        self.value = value

    def __reduce__(self):
        return Sender.again, (_send_copy({"v": self.value}),)

    @staticmethod
    def again(state):
        return Sender(_send_copy([state["v"], Key("z")])[0])


def test_objects_that_change_while_they_are_sent():
    """A __reduce__ that changes what was written already does no harm."""
    data = []
    data.extend([[1], {"a": 2}, Changing(data), [3]])
    copied = _send_copy(data)
    assert copied[0] == [1] and copied[1] == {"a": 2} and copied[3] == [3]
    assert data == []


class Changing:
    def __init__(self, data):
        self.data = data

    def __reduce__(self):
        self.data.clear()
        gc.collect()
        return Changing, (None,)
