"""Sending whatever Hypothesis comes up with, beside copy.deepcopy."""

import array
import copy
import datetime as dt
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from message_values import Angry, Color, Key, Pickled, Point, Slotted, User, difference

import allcores
from allcores._core import _send_copy, _send_last

zones = st.one_of(
    st.none(),
    st.just(dt.UTC),
    st.integers(-1400, 1400).map(lambda minutes: dt.timezone(dt.timedelta(minutes=minutes))),
    st.timezones(),
)
keys = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.complex_numbers(),
    st.text(st.characters()),
    st.text(st.characters(max_codepoint=255)),
    st.binary(),
    st.dates(),
    st.times(timezones=st.one_of(st.none(), st.just(dt.UTC))),
    st.datetimes(timezones=zones),
    st.timedeltas(),
    st.decimals(allow_nan=False),
    st.uuids(),
    st.sampled_from([*Color, Key("a"), Key("b"), Angry(1), Angry(2), int, len]),
    st.builds(range, st.integers(), st.integers(), st.integers(1, 9)),
)
hashable = st.recursive(
    keys,
    lambda each: st.one_of(
        st.tuples(each, each), st.frozensets(each), st.tuples(each), st.builds(Point, each, each)
    ),
    max_leaves=5,
)
atoms = st.one_of(
    keys,
    st.decimals(),
    st.binary().map(bytearray),
    st.lists(st.integers(-100, 100)).map(lambda some: array.array("b", some)),
    st.lists(st.floats()).map(lambda some: array.array("d", some)),
    # Long enough to be written as runs, or handed over.
    st.integers(0, 40).map(lambda n: list(range(n))),
    st.integers(-(2**70), 2**70).map(lambda n: [n + i * 2**20 for i in range(20)]),
    st.lists(st.floats(), min_size=4, max_size=12),
    st.integers(65_500, 65_600).map(lambda n: b"x" * n),
    st.integers(65_500, 65_600).map(lambda n: "é" * n),
    st.integers(65_500, 65_600).map(bytearray),
)


names = st.text(st.characters(categories=["L", "N"]), min_size=1) | st.just("__name__")


def containers(each):
    return st.one_of(
        st.lists(each),
        st.lists(each).map(tuple),
        st.dictionaries(hashable, each),
        st.dictionaries(st.text(), each),
        st.sets(hashable),
        st.frozensets(hashable),
        st.builds(slice, each, each, each),
        each.map(lambda one: [one, (one, {"again": one})]),
    )


built_in = st.recursive(atoms, containers, max_leaves=25)
data = st.recursive(
    atoms,
    lambda each: st.one_of(
        containers(each),
        st.builds(User, st.text(), st.lists(each), each),
        st.builds(Slotted, each, each),
        st.builds(Pickled, each, each),
        st.builds(Point, each, each),
        st.dictionaries(names, each).map(lambda some: SimpleNamespace(**some)),
    ),
    max_leaves=25,
)


@pytest.fixture(scope="module")
def worker():
    with allcores.Interpreter("tests") as interpreter:
        interpreter.call("import sys; sys.path[:0] = []")
        yield interpreter


@settings(max_examples=120, deadline=None)
@given(data)
def test_any_data(value):
    copied = _send_copy(value)
    assert difference(copied, value) == ""
    assert difference(copied, copy.deepcopy(value)) == ""


@settings(max_examples=80, deadline=None)
@given(data)
def test_any_data_that_nobody_else_has(value):
    expected = copy.deepcopy(value)
    only = [[copy.deepcopy(value)]]
    assert difference(_send_last(only), [expected]) == ""
    assert only == []


@pytest.mark.parametrize("some", [built_in, data], ids=["built-in", "classes"])
@settings(max_examples=50, deadline=None)
@given(more=st.data())
def test_any_data_with_cycles(some, more):
    """Some of the mutable things in it are put into others, or into themselves."""
    value = more.draw(some)
    found, stack = [], [value]
    while stack:
        each = stack.pop()
        if isinstance(each, list):
            found.append(each)
            stack += each
        elif isinstance(each, User):
            found.append(each)
            stack += [each.friends, each.extra]
        elif isinstance(each, Slotted):
            found.append(each)
            stack += [each.left, each.right]
        elif isinstance(each, SimpleNamespace):
            found.append(each)
            stack += vars(each).values()
        elif isinstance(each, dict):
            found.append(each)
            stack += each.values()
        elif isinstance(each, tuple):
            stack += each
    for _ in range(min(4, len(found))):
        into = more.draw(st.sampled_from(found))
        what = more.draw(st.sampled_from(found))
        if isinstance(into, list):
            into.append(what)
        elif isinstance(into, User):
            into.extra = what
        elif isinstance(into, Slotted):
            into.left = what
        elif isinstance(into, SimpleNamespace):
            into.cycle = what
        else:
            into["cycle"] = what
    assert difference(_send_copy(value), value) == ""


@settings(max_examples=40, deadline=None)
@given(value=data)
def test_any_data_to_another_interpreter(worker, value):
    def there(data):
        return data, [data]

    first, second = worker.call(there, value)
    assert second[0] is first or not isinstance(value, list | dict | set)
    assert difference(first, value) == ""
