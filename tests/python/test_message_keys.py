"""Keys that are hashed anew in the receiver, and are part of a cycle with what they are a key of.

In a process of its own where it could crash: a tuple without its last element can't be hashed.
"""

import decimal
import gc
from typing import Any

import pytest
from message_values import Key
from programs import run_alone

from allcores._core import _encode, _send_copy


class Node:
    """Hashed by its address."""

    holds: Any
    table: Any
    some: Any
    around: Any
    tuple: Any
    tables: Any


def test_a_tuple_is_whole_before_it_is_hashed():
    run_alone("""
        from allcores._core import _send_copy
        class Node: pass
        node = Node()
        pair = node, 5, "last"
        node.table = {pair: 1}
        node.some = {pair, 7}
        node.frozen = frozenset([pair, (pair, 8)])
        copy = _send_copy(pair)
        assert type(copy) is tuple and copy[1:] == (5, "last") and copy[0] is not node
        assert list(copy[0].table) == [copy] and copy[0].table[copy] == 1
        assert next(iter(copy[0].table)) is copy
        assert copy[0].some == {copy, 7}
        assert copy[0].frozen == {copy, (copy, 8)}
    """)


def test_a_frozenset_in_a_cycle():
    node = Node()
    some = frozenset([node, 5])
    node.holds = [some]
    node.table = {some: 1, (some, 2): 2}
    node.around = frozenset([some, (1, some)])
    copy = _send_copy(some)
    assert len(copy) == 2 and 5 in copy
    (inner,) = (each for each in copy if each != 5)
    assert inner.holds[0] is copy and inner in copy
    assert inner.table[copy] == 1 and inner.table[copy, 2] == 2
    assert copy in inner.around and (1, copy) in inner.around
    assert hash(copy) == hash(frozenset([inner, 5]))


def test_frozensets_that_are_met_in_each_other():
    """Each is hashed for the other, whichever of them is written first."""
    node = Node()
    first = frozenset([node, "first"])
    second = frozenset([first, "second"])
    third = frozenset([second, (first, second)])
    node.holds = [third, {second: 2}, second, {first}]
    for root in (first, second, third, node):
        copy: Any = _send_copy([root, first, second, third, node])
        _, one, two, three, inner = copy
        assert inner in one and one in two and two in three and (one, two) in three
        assert inner.holds[0] is three and inner.holds[1][two] == 2 and one in inner.holds[3]
        for each in (one, two, three):
            assert hash(each) == hash(frozenset(list(each)))


@pytest.mark.parametrize("count", [0, 1, 4, 5, 6, 100, 10_000])
def test_frozensets_of_any_size(count):
    node = Node()
    some = frozenset([node, *range(count)])
    node.some = some
    copy = _send_copy(some)
    assert len(copy) == count + 1 and copy >= set(range(count))
    (inner,) = copy - set(range(count))
    assert inner.some is copy and copy - {inner} == set(range(count))
    assert not copy & {-1, "x"} and copy | {-1} == {inner, -1, *range(count)}


def test_a_key_that_looks_at_what_it_is_in():
    """Its attributes are there when it is hashed, whatever the order."""

    class Looks:
        def __init__(self, name: str) -> None:
            self.name = name

        def __hash__(self) -> int:
            return hash((self.name, type(self.of), len(self.later)))

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Looks) and self.name == other.name

        of: Any
        later: Any

    key = Looks("key")
    key.of = holder = {}
    key.later = [1, 2]
    holder[key] = "value"
    copy = _send_copy(holder)
    assert next(iter(copy)).of is copy and copy[key] == "value"


def test_equal_keys_of_classes_become_one():
    """As with pickle: what they compare by is only there in the receiver."""

    class Changing:
        def __init__(self, value: int) -> None:
            self.value = value

        def __hash__(self) -> int:
            return 1

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Changing) and self.value == other.value

    first, second = Changing(1), Changing(2)
    table = {first: "a", second: "b"}
    second.value = 1
    copy = _send_copy([table, second, {first, second}])
    assert list(copy[0].values()) == ["b"] and copy[1].value == 1 and len(copy[2]) == 1


def test_what_is_not_a_number_is_hashed_by_its_address():
    some = [decimal.Decimal("nan") for _ in range(50)]
    copy = _send_copy([some, set(some), dict.fromkeys(some, 1), {(each, 1) for each in some}])
    values, elements, table, pairs = copy
    assert all(each in elements and each in table and (each, 1) in pairs for each in values)
    assert len(elements) == len(table) == len(pairs) == 50


def test_a_key_that_fails_leaves_nothing():
    node = Node()
    node.tuple = (node, Key("k"), 1)

    class Failing:
        def __hash__(self) -> int:
            if self.fails:
                raise ValueError("no hash")
            return 1

        fails = False

    failing = Failing()
    node.tables = [{node.tuple: 1}, frozenset([node, node.tuple]), {failing: 2}, {(failing,)}]
    failing.fails = True
    with pytest.raises(ValueError, match="no hash"):
        _encode(node).decode()
    failing.fails = False
    del node, failing
    gc.collect()
    assert not [each for each in gc.get_objects() if type(each) is Node]
