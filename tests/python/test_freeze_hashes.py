"""The hashes that a freeze computes by itself are CPython's."""

import math

import pytest

from allcores import freeze


@pytest.mark.parametrize("exponent", range(-1074, 1024, 7))
def test_hash_of_floats_in_a_tuple(exponent: int) -> None:
    # The hash of a tuple is computed when it is frozen, from hashes of its items that are our own.
    for mantissa in (1.0, 1.5, 1.0 + 2**-52, 2.0 - 2**-52, 1.1):
        value = math.ldexp(mantissa, exponent)
        for each in (value, -value):
            assert hash(freeze((each, 1))) == hash((each, 1))


def test_hash_of_special_numbers_in_a_tuple() -> None:
    numbers = [0.0, -0.0, math.inf, -math.inf, 5e-324, 2.0**61 - 1, -1.0, -1, -2, 257, -1000]
    numbers += [2**30, -(2**30), 2**60, 2**61 - 1, -(2**61), 2**200, 1e308, 0.1]
    for number in numbers:
        assert hash(freeze((number, "x"))) == hash((number, "x"))


@pytest.mark.parametrize("size", [0, 1, 10_000, 10_001, 50_000])
def test_hash_of_a_tuple_with_a_mapping(size: int) -> None:
    # Equal, whatever the order of the entries.
    table = {f"key {i}": i for i in range(size)}
    one = freeze((table, "x"))
    other = freeze((dict(reversed(table.items())), "x"))
    assert one == other and hash(one) == hash(other)
    assert one in {other}
