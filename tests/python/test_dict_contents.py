"""Dict: what may be a key, and what comes of a value."""

import array
import threading

import pytest

import allcores
from allcores import Channel, Dict

KEYS = [
    "",
    "a",
    "a" * 1000,
    "é",
    "Ā",
    "\0",
    "𝄞",
    "\ud800",
    b"",
    b"a",
    b"a" * 1000,
    0,
    -1,
    2**63 - 1,
    2**63,
    -(2**63),
    -(2**63) - 1,
    2**64,
    -(2**64),
    255 << 64,
    128 << 64,
    10**100,
    -(10**100),
    (),
    ((),),
    ("a",),
    (b"a",),
    ("a", "b"),
    (("a",), "b"),
    ("a", ("b",)),
    ("ab", ""),
    ("", "ab"),
    (1, "a", (b"x", (2**70, ("é", "𝄞")))),
]


def test_all_keys_are_different_and_come_back():
    made = Dict()
    for number, key in enumerate(KEYS):
        made[key] = number
    assert len(made) == len(KEYS)
    for number, key in enumerate(KEYS):
        assert made[key] == number
        assert key in made
    found = made.items()
    assert {number: key for key, number in found} == dict(enumerate(KEYS))
    assert [type(key) for key, _ in sorted(found, key=lambda item: item[1])] == [
        type(key) for key in KEYS
    ]


class Text(str):
    __slots__ = ()


class Number(int):
    pass


@pytest.mark.parametrize(
    "key",
    [
        *(None, True, 1.0, 1j, Text("a"), Number(1), bytearray(b"a"), [1], {1}, frozenset()),
        *(("a", None), ("a", ("b", [1]))),
    ],
    ids=repr,
)
def test_what_is_no_key(key):
    made = Dict()
    calls = [
        lambda: made.get(key),
        lambda: made[key],
        lambda: key in made,
        lambda: made.__setitem__(key, 1),
        lambda: made.__delitem__(key),
        lambda: made.pop(key, None),
        lambda: made.setdefault(key, 1),
        lambda: made.add(key, 1),
        lambda: made.update(key, str, 1),
        lambda: made.compare_and_swap(key, 1, 2),
    ]
    for call in calls:
        with pytest.raises(TypeError, match="keys are int, str, bytes and tuples of these"):
            call()
    assert len(made) == 0


def test_a_key_that_is_nested_too_deeply():
    key = ()
    for _ in range(100):
        key = (key,)
    made = Dict()
    made[key] = 1
    assert made.keys() == [key]
    for _ in range(100_000):
        key = (key,)
    with pytest.raises(ValueError, match="inside each other"):
        made[key] = 1


VALUES = [
    None,
    True,
    0,
    -5,
    2**63,
    1.5,
    -0.0,
    "",
    "text",
    b"bytes",
    (1, "a", (2.5, None)),
    [1, [2]],
    {"a": {1, 2}},
    bytearray(b"some"),
    array.array("d", [1.5]),
    b"x" * 100_000,
    "é" * 100_000,
    bytearray(b"y" * 100_000),
    array.array("q", range(20_000)),
    list(range(100_000)),
    ["a" * n for n in range(1500)],
    {f"key {n}": n for n in range(3000)},
    Exception("an error"),
    int,
]


@pytest.mark.parametrize("number", range(len(VALUES)))
def test_a_value_is_got_as_often_as_one_likes(number, workers):
    value = VALUES[number]
    made = Dict()
    made["value"] = value
    first, second = made["value"], made["value"]
    third = workers[0].call(made.get, "value")
    for got in (first, second, third, made.pop("value")):
        assert type(got) is type(value)
        assert repr(got) == repr(value)
    if isinstance(value, (list, dict, bytearray, array.array)):
        assert first is not second
        first.clear() if not isinstance(first, array.array) else first.pop()
        assert second == value


def test_frozen_values_are_the_very_objects(workers):
    frozen = allcores.freeze({"titles": ["a", "b"]})
    made = Dict()
    made["index"] = frozen
    assert made["index"] is frozen
    assert made.values()[0] is frozen
    assert workers[0].call(is_the_frozen_one, made, frozen)


def is_the_frozen_one(made, frozen):
    return made["index"] is frozen


def test_values_that_go_by_pointer():
    made = Dict()
    channel, inner = Channel(), Dict()
    made["channel"], made["dict"], made["view"] = channel, inner, allcores.view(b"some bytes")
    made["channel"].push(5)
    made["channel"].push(6)
    assert channel.pop() == made["channel"].pop() - 1 == 5
    made["dict"]["x"] = 1
    assert inner["x"] == 1
    assert bytes(made["view"]) == bytes(made["view"]) == b"some bytes"


def test_values_that_are_moved():
    made = Dict()
    given = bytearray(b"z" * 200_000)
    made["a"] = allcores.move(given)
    assert given == b""
    first = made["a"]
    first[0] = 0
    assert made["a"] == b"z" * 200_000


def test_what_cannot_cross():
    made = Dict()
    made["a"] = 1
    for call in (made.__setitem__, made.set, made.add, made.setdefault):
        for key in ("a", "b"):
            if call == made.setdefault and key == "a":
                continue
            with pytest.raises(TypeError, match=r"\['x'\].*lock"):
                call(key, {"x": threading.Lock()})
    assert made.items() == [("a", 1)]


class Broken:
    """What goes well when it is sent, and fails when it is received."""

    def __reduce__(self):
        return int, ("no number",)


def test_a_value_that_cannot_be_made_is_an_error_each_time(workers):
    made = Dict()
    made["broken"] = [Broken()]
    for get in (made.get, lambda key: workers[0].call(made.get, key)):
        with pytest.raises(ValueError, match="no number"):
            get("broken")
    with pytest.raises(ValueError, match="no number"):
        made.items()
    made["broken"] = 1
    assert made.items() == [("broken", 1)]
