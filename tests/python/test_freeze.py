"""allcores.freeze and is_frozen: what becomes of each built-in type, sharing, cycles, depth."""

import gc
import math
import types
from typing import Any

import freeze_classes as classes
import pytest
from freeze_values import HAS_FROZENDICT, MAPPING, as_frozen, same
from programs import run_alone

import allcores
from allcores import freeze, is_frozen, thaw

ATOMS = [
    None,
    True,
    False,
    0,
    -5,
    256,
    257,
    -(2**30),
    2**30,
    2**60 - 1,
    2**200,
    -(3**999),
    0.0,
    -0.0,
    1.5,
    math.inf,
    1e-310,
    1j,
    complex(-0.0, 2),
    "",
    "a",
    "é",
    "text",
    "name",
    "ÿ" * 300,
    "日本語",
    "\U0001f600 x",
    "a\0b",
    "\ud800",
    "x\udfff",
    b"",
    b"a",
    b"\0\xff" * 100,
    range(0),
    range(5),
    range(3, 2**80, 7),
    range(10, -10, -3),
]


CONTAINERS = [
    (),
    [],
    {},
    set(),
    frozenset(),
    bytearray(),
    bytearray(b"abc"),
    (1,),
    [1, 2],
    [[], [[]], ()],
    {"a": 1},
    {"a": [1, {"b": {2, 3}}], 3: (4, "5"), (1, (2,)): None, b"k": 1.5},
    {i: str(i) for i in range(1000)},
    {str(i): [i] for i in range(300)},
    set(range(100)),
    set("abcdefghijklmnop"),
    frozenset({frozenset({frozenset(), 1}), "x"}),
    {(1, frozenset({2})), ("a",)},
]


@pytest.mark.parametrize("value", ATOMS + CONTAINERS, ids=lambda v: repr(v)[:40])
def test_each_type_there_and_back(value):
    frozen = freeze(value)
    assert is_frozen(frozen)
    assert same(frozen, as_frozen(value))
    assert frozen == as_frozen(value)
    assert same(thaw(frozen), value)
    assert freeze(frozen) is frozen
    assert repr(frozen) == repr(as_frozen(value)) or isinstance(value, (set, frozenset))


@pytest.mark.parametrize("value", ATOMS + CONTAINERS, ids=lambda v: repr(v)[:40])
def test_hashes_are_cpythons(value):
    try:
        expected = hash(as_frozen(value))
    except TypeError:
        return  # holds a mapping, which 3.14 can't hash
    assert hash(freeze(value)) == expected


def test_a_dict_with_holes_and_an_instances_dict():
    holes = {i: str(i) for i in range(100)}
    for i in range(0, 100, 3):
        del holes[i]
    assert same(thaw(freeze(holes)), holes)
    assert list(freeze(holes)) == list(holes)
    instance = types.SimpleNamespace(a=1, b=[2])
    assert same(thaw(freeze(vars(instance))), {"a": 1, "b": [2]})
    user = classes.User("ann")
    assert thaw(freeze(user.__dict__)) == {"name": "ann", "tags": [], "friend": None}
    popped = {1: 2, 3: 4, 5: 6}
    popped.popitem()
    assert same(thaw(freeze(popped)), {1: 2, 3: 4})
    emptied = {1: 2}
    del emptied[1]
    assert same(thaw(freeze(emptied)), {})


def test_a_set_with_removed_elements():
    some = set(range(50))
    for i in range(0, 50, 2):
        some.remove(i)
    frozen = freeze(some)
    assert frozen == set(range(1, 50, 2)) and list(frozen) == list(some)
    assert hash(frozen) == hash(frozenset(some))
    assert all(i in frozen for i in some) and 0 not in frozen


def test_lookups_find_every_key():
    keys = [1, 2**100, 1.5, "a", "é", b"x", (1, "y"), frozenset({1}), None, True, 3j]
    frozen = freeze({key: i for i, key in enumerate(keys)})
    for key, value in {key: i for i, key in enumerate(keys)}.items():
        assert frozen[key] == value
        assert frozen[freeze(key)] == value
    assert "missing" not in frozen
    with pytest.raises(KeyError):
        frozen["missing"]


def test_nan_keys_are_found_by_identity():
    nan = float("nan")
    frozen = freeze({nan: 1, (nan,): 2, "x": nan})
    keys = list(frozen)
    assert math.isnan(keys[0]) and frozen[keys[0]] == 1 and frozen[keys[1]] == 2
    assert keys[1][0] is keys[0] and frozen["x"] is keys[0]
    assert len({freeze(nan), freeze(nan)}) == 2
    elements = freeze({nan, 1.0})
    assert all(each in elements for each in elements)


def test_read_only():
    frozen = freeze({"a": [1]})
    with pytest.raises(TypeError):
        frozen["b"] = 1
    with pytest.raises(TypeError):
        del frozen["a"]
    with pytest.raises(AttributeError):
        frozen["a"].append(2)
    with pytest.raises(TypeError):
        frozen["a"][0] = 1


def test_shared_substructure_stays_shared():
    text, number, inner = "some text é", 10**20, [1.25]
    frozen = freeze([inner, inner, {"k": inner}, text, text, number, number])
    assert frozen[0] is frozen[1] is frozen[2]["k"]
    assert frozen[3] is frozen[4] and frozen[5] is frozen[6]
    back = thaw(frozen)
    assert back[0] is back[1] is back[2]["k"]
    back[0].append(2)
    assert back[2]["k"] == [1.25, 2]


def test_what_is_frozen_already_is_used_in_place():
    first = freeze({"a": [1, 2]})
    second = freeze([first, first["a"]])
    assert second[0] is first and second[1] is first["a"]
    assert freeze(first) is first
    if not HAS_FROZENDICT:
        assert hash(freeze((first,))) == hash(freeze(({"a": [1, 2]},)))


def test_cycles():
    looped: list[Any] = [1]
    looped.append(looped)
    frozen = freeze(looped)
    assert frozen[1] is frozen and isinstance(hash(frozen), int)
    assert repr(frozen) == "(1, (...))"
    back = thaw(frozen)
    assert back[1] is back and back[0] == 1 and type(back) is list

    table: dict[str, Any] = {"self": None, "list": []}
    table["self"] = table
    table["list"].append((table, table["list"]))
    frozen = freeze(table)
    assert frozen["self"] is frozen
    assert frozen["list"][0][0] is frozen and frozen["list"][0][1] is frozen["list"]
    assert isinstance(hash(frozen["list"]), int) and isinstance(hash(frozen["list"][0]), int)
    back = thaw(frozen)
    assert back["self"] is back and back["list"][0] == (back, back["list"])
    assert type(back["list"][0]) is tuple
    gc.collect()

    user = classes.User("a")
    user.friend = classes.User("b", friend=user)
    frozen = freeze(user)
    assert frozen["friend"]["friend"] is frozen
    back = thaw(frozen)
    assert type(back) is classes.User and back.friend.friend is back


def test_hash_of_what_cpython_cannot_hash():
    frozen = freeze([{"a": [1]}, {2}])
    assert hash(frozen) == hash(freeze([{"a": [1]}, {2}]))
    assert hash(frozen) != hash(freeze([{"a": [2]}, {2}]))
    assert frozen == freeze([{"a": [1]}, {2}])
    a, b = {"x": 1, "y": [{}]}, {"y": [{}], "x": 1}
    assert hash(freeze((a,))) == hash(freeze((b,)))
    assert {freeze((a,)): 1}[freeze((b,))] == 1


def test_deep_nesting():
    run_alone("""
        from allcores import freeze, thaw, is_frozen
        deep = []
        for _ in range(100_000): deep = [deep]
        frozen = freeze(deep)
        assert is_frozen(frozen) and hash(frozen) == hash(freeze(deep))
        count = 0
        while frozen: frozen = frozen[0]; count += 1
        assert count == 100_000
        back = thaw(freeze(deep))
        count = 0
        while back: back = back[0]; count += 1
        assert count == 100_000
        deep = {}
        for _ in range(100_000): deep = {"a": (deep, 1)}
        frozen = freeze(deep)
        hash((frozen["a"],) if hasattr(frozen, "fromkeys") else frozen["a"])
        thaw(frozen)
        deep = "end"
        for _ in range(100_000): deep = (deep,)
        assert hash(freeze(deep)) and isinstance(thaw(freeze(deep)), tuple)
        for _ in range(100_000): deep = frozenset([deep]) if _ % 2 else (deep,)
        freeze(deep)
    """)


def test_another_interpreter_reads_in_place():
    data = freeze({"a": [1, {"b": (2, "é")}], "u": classes.User("x")})
    with allcores.Interpreter() as other:
        found = other.call(lambda d: (id(d), d["a"][1]["b"], hash(d["a"])), data)
    assert found[0] == id(data) and found[1] is data["a"][1]["b"] and found[2] == hash(data["a"])


def test_views_and_frozendicts():
    view = types.MappingProxyType({"a": [1]})
    assert same(thaw(freeze(view)), types.MappingProxyType({"a": [1]}))
    assert freeze([view])[0]["a"] == (1,)
    if HAS_FROZENDICT:
        value = MAPPING(a=[1], b=2)
        assert freeze(value) == {"a": (1,), "b": 2}
        assert same(thaw(freeze(value)), value)
        assert hash(freeze(MAPPING(a=1))) == hash(MAPPING(a=1))
        assert hash(freeze({"a": (1, 2.5), "b": "c"})) == hash(MAPPING(a=(1, 2.5), b="c"))


def test_code_that_runs_while_freezing():
    inner = [classes.Clearing(None), 1, "é" * 100, [2]]
    object.__setattr__(inner[0], "victim", inner)
    frozen = freeze(inner)
    assert frozen == ({"victim": None}, 1, "é" * 100, (2,)) and inner == []

    table: dict[Any, Any] = {"first": classes.Clearing(None), "b": [1.5], (1, 2): "x"}
    object.__setattr__(table["first"], "victim", table)
    frozen = freeze(table)
    assert frozen["b"] == (1.5,) and frozen[(1, 2)] == "x" and table == {}

    with pytest.raises(ValueError, match="no value today"):
        freeze([classes.Raising()])
