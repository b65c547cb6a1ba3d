"""allcores.share: operators, items, iteration and contexts of a proxy are the object's."""

import math
import operator
from fractions import Fraction

import pytest
from share_fixtures import counter, worker
from share_objects import Arrays, Context, make, share_value

from allcores import Proxy, share

__all__ = ["counter", "worker"]  # the fixtures


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
    # They look for other methods, too.
    assert bytes(worker.call(make, "list", (1, 2))) == b"\1\2"
    assert bytes(worker.call(share_value, 2)) == bytes(2)
    assert complex(worker.call(share_value, 5)) == 5 + 0j
    with pytest.raises(TypeError, match="cannot convert 'float' object to bytes"):
        bytes(worker.call(share_value, 2.5))
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


def test_a_comparison_that_fails_there_fails_here(worker):
    compares = worker.call(make, "Compares")
    for operation in operator.eq, operator.ne:
        with pytest.raises(TypeError, match="not with me"):
            operation(compares, 1)
        with pytest.raises(TypeError, match="not with me"):
            operation(compares, worker.call(make, "Compares"))


def test_round_and_its_like_look_for_more_than_one_method(worker):
    half = worker.call(make, "float", 2.567)
    assert (round(half, 1), round(half), math.floor(half), math.ceil(half)) == (2.6, 3, 2, 3)
    assert math.floor(worker.call(share_value, Fraction(7, 2))) == 3
    # (It has __float__ only.)
    assert math.ceil(worker.call(make, "Floats", 2.5)) == 3
    with pytest.raises(TypeError, match="type list doesn't define __round__ method"):
        round(worker.call(make, "list"))


def test_numpy_gets_copies_only(worker):
    arrays = worker.call(make, "Arrays")
    for name in "__array_interface__", "__array_struct__", "__array_ufunc__", "__array_wrap__":
        assert not hasattr(arrays, name)
    assert arrays.__array_priority__ < 0
    assert worker.call(make, "float", 1.5).__array_priority__ > 1000
    # The object itself is sent, instead of a proxy.
    assert type(arrays.__array__()) is Arrays
    assert arrays.__array__("i4", copy=True) == ["i4", True]
    with pytest.raises(ValueError, match="as a copy"):
        arrays.__array__(copy=False)
    here = Arrays()
    assert share(here).__array__(copy=False) is here
    assert not hasattr(worker.call(make, "list"), "__array__")
    with pytest.raises(AttributeError, match="'list' object has no attribute '__array__'"):
        _ = worker.call(make, "list").__array__


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
