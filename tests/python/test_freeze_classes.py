"""Freezing and thawing instances of named tuples, dataclasses and enumerations."""

import freeze_classes as classes
import pytest
from freeze_values import HAS_FROZENDICT
from programs import run_alone

from allcores import freeze, is_frozen, thaw


def test_deep_nesting_with_classes():
    run_alone("""
        import freeze_classes as c
        from allcores import freeze, thaw
        deep = c.Color.BLUE
        for _ in range(50_000): deep = c.User("a", [deep], {"k": deep})
        frozen = freeze(deep)
        back = thaw(frozen)
        while back is not c.Color.BLUE:
            assert type(back) is c.User and back.friend["k"] is back.tags[0]
            back = back.friend["k"]
        deep = None
    """)


@pytest.mark.parametrize(
    ("value", "frozen"),
    [
        (classes.Point(1, [2]), (1, (2,))),
        (classes.Typed("a", [1]), ("a", (1,))),
        (classes.User("ann", ["x"]), {"name": "ann", "tags": ("x",), "friend": None}),
        (classes.Key(1, "b"), {"a": 1, "b": "b"}),
        (classes.Color.RED, 1),
        (classes.Color.GREEN, "green"),
        (classes.Color.BLUE, (0, 0, 255)),
        (classes.Color.ROWS, (1, (2,))),
        (classes.Level.LOW, 1),
        (classes.Level.HIGH, 2**70),
        (classes.Word.HELLO, "hello"),
        (classes.Access.READ, 1),
        (classes.Access.READ | classes.Access.WRITE, 3),
        (classes.Outer.Inner.X, 1.5),
    ],
    ids=repr,
)
def test_classes(value, frozen):
    made = freeze(value)
    assert made == frozen and is_frozen(made)
    assert type(made) is type(freeze(frozen))
    back = thaw(made)
    assert back == value and type(back) is type(value)
    again = thaw(freeze([value, value, frozen]))
    assert again[0] == value and again[0] is again[1] and type(again[2]) is type(frozen)


def test_an_enumerations_value_beside_its_member():
    members = [
        classes.Color.RED,
        classes.Color.RED.value,
        classes.Color.ROWS,
        classes.Color.ROWS.value,
    ]
    assert thaw(freeze(members)) == members
    # There is one None, True and False, which can't remember that it was a member.
    assert thaw(freeze(classes.Color.NONE)) is None


def test_classes_as_keys():
    table = {classes.Color.RED: 1, classes.Level.LOW: 2, classes.Point(1, 2): 3, "x": 4}
    with pytest.raises(TypeError, match="two keys of the mapping become equal"):
        freeze({**table, classes.Twin.RED: 5})
    del table[classes.Level.LOW]
    frozen = freeze(table)
    assert frozen[1] == 1 and frozen[(1, 2)] == 3 and frozen["x"] == 4
    assert list(frozen) == [1, (1, 2), "x"]
    assert thaw(frozen) == table
    elements = {classes.Color.RED, classes.Color.BLUE, classes.Odd("o")}
    assert freeze(elements) == {1, (0, 0, 255), ("o",)}
    assert all(each in freeze(elements) for each in (1, (0, 0, 255), ("o",)))
    assert thaw(freeze(elements)) == elements
    with pytest.raises(TypeError, match="two elements of the set become equal"):
        freeze({classes.Color.RED, classes.Twin.RED})
    nested = {(classes.Color.GREEN, 1): {(classes.Color.RED,)}}
    assert freeze(nested)[("green", 1)] == {(1,)}
    assert thaw(freeze(nested)) == nested


def test_a_dataclass_as_a_key():
    table = {classes.Key(1, "x"): 1}
    if HAS_FROZENDICT:
        frozen = freeze(table)
        assert frozen[freeze(classes.Key(1, "x"))] == 1
        assert thaw(frozen) == table
    else:
        with pytest.raises(
            TypeError, match=r"freeze: data\[0\]: a key or element becomes a mapping"
        ):
            freeze([table])
        assert thaw(freeze({(classes.Key(1, "x"),): 1})) == {(classes.Key(1, "x"),): 1}
