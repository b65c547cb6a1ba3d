"""Freezing and thawing whatever Hypothesis comes up with."""

import pickle
import types

import freeze_classes as classes
from freeze_values import same
from hypothesis import given, settings
from hypothesis import strategies as st

from allcores import freeze, thaw

keys = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary(),
    st.complex_numbers(allow_nan=False),
)  # fmt: skip


hashable = st.recursive(
    keys,
    lambda each: st.one_of(st.tuples(each, each), st.frozensets(each), st.tuples(each)),
    max_leaves=5,
)


data = st.recursive(
    st.one_of(
        keys,
        st.binary().map(bytearray),
        st.sampled_from([*classes.Color, *classes.Level, *classes.Word]).filter(
            lambda m: m.value is not None
        ),
        st.builds(range, st.integers(), st.integers(), st.integers(1, 9)),
    ),
    lambda each: st.one_of(
        st.lists(each),
        st.lists(each).map(tuple),
        st.dictionaries(hashable, each),
        st.sets(hashable),
        st.builds(classes.User, st.text(), st.lists(each), each),
        st.builds(classes.Point, each, each),
    ),
    max_leaves=25,
)


@settings(max_examples=300, deadline=None)
@given(data)
def test_any_data_there_and_back(value):
    frozen = freeze(value)
    assert same(thaw(frozen), value)
    assert freeze(frozen) is frozen
    assert frozen == freeze(value)
    try:
        assert hash(frozen) == hash(freeze(value))
    except TypeError:
        assert isinstance(frozen, types.MappingProxyType)


@settings(max_examples=200, deadline=None)
@given(hashable)
def test_hashes_of_any_hashable_data(value):
    frozen = freeze(value)
    assert hash(frozen) == hash(value) and frozen == value and {value: 1}[frozen] == 1
    assert pickle.loads(pickle.dumps(frozen)) == value
    assert repr(frozen) == repr(value)
