# ruff: noqa: E501
"""allcores.freeze, is_frozen and thaw: what becomes of each type, sharing, cycles, depth, refusals."""

import copy
import gc
import json
import math
import pickle
import subprocess
import sys
import textwrap
import types
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import allcores
from allcores import _core, freeze, is_frozen, thaw

sys.path.insert(0, str(Path(__file__).parent))
import freeze_classes as classes

HAS_FROZENDICT = sys.version_info >= (3, 15)
MAPPING = frozendict if HAS_FROZENDICT else types.MappingProxyType  # type: ignore[name-defined] # noqa: F821


def run_alone(program: str, *arguments: str, timeout: float = 100) -> str:
    """Run a program in a process of its own, so that a crash fails one test."""
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", textwrap.dedent(program), *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=Path(__file__).parent,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def as_frozen(value: Any) -> Any:
    """What freezing makes of ordinary data, made of ordinary objects."""
    if isinstance(value, (list, tuple)):
        return tuple(map(as_frozen, value))
    if isinstance(value, (set, frozenset)):
        return frozenset(map(as_frozen, value))
    if isinstance(value, dict):
        return MAPPING({as_frozen(k): as_frozen(v) for k, v in value.items()})
    if isinstance(value, bytearray):
        return bytes(value)
    return value


def same(a: Any, b: Any) -> bool:
    """Equal, of the same types all the way down, mappings in the same order."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return a.hex() == b.hex()
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b, strict=True))
    if isinstance(a, (dict, types.MappingProxyType, MAPPING)):
        return same(list(a), list(b)) and same(list(a.values()), list(b.values()))
    if isinstance(a, (set, frozenset)):
        return a == b and sorted(type(x).__name__ for x in a) == sorted(type(x).__name__ for x in b)
    return bool(a == b)


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


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: {"users": [0, 1, 2, {"socket": object()}]},
            r"data\['users'\]\[3\]\['socket'\]: object cannot",
        ),
        (lambda: [lambda: 1], r"data\[0\]: function cannot be frozen: name it"),
        (lambda: sys, r"^freeze: data: module cannot"),
        (lambda: classes.User("a", [sys]), r"^freeze: data\.tags\[0\]: module"),
        (
            lambda: {1: {2: classes.User("a", friend=print)}},
            r"data\[1\]\[2\]\.friend: builtin_function",
        ),
        (lambda: {("k", print): 1}, r"data\.keys\(\)\[0\]\[1\]: builtin"),
        (lambda: {"a": 1, print: 1}, r"data\.keys\(\)\[1\]: builtin"),
        (lambda: {print}, r"data\{\d\}: builtin"),
        (lambda: (i for i in ()), "generator cannot be frozen: freeze the list"),
        (
            lambda: __import__("io").TextIOWrapper(__import__("io").BytesIO()),
            "_io.TextIOWrapper cannot",
        ),
        (lambda: [__import__("threading").Lock()], r"_thread.lock cannot"),
        (lambda: __import__("collections").OrderedDict(), r"use dict\(it\)"),
        (lambda: __import__("collections").Counter("ab"), r"use dict\(it\)"),
        (
            lambda: __import__("os").stat("."),
            r"os.stat_result cannot be frozen: .* use tuple\(it\)",
        ),
        (lambda: types.MappingProxyType(__import__("collections").UserDict()), "view of a mapping"),
        (lambda: classes.Wrong(), "subclass of a built-in type"),
        (lambda: type("S", (str,), {})("x"), r"subclass of str; use str\(it\)"),
        (lambda: type("L", (list,), {})(), r"subclass of list; use list\(it\)"),
        (lambda: int, "name it instead, as 'module:Class'"),
        (lambda: classes.Hostile(), "make the class a dataclass"),
        (lambda: __import__("datetime").datetime(2026, 1, 1), r"isoformat\(\)"),
        (lambda: {"a\n" * 100: print}, r"data\['a\\na.*\.\.\.\]: "),
        (lambda: ..., "ellipsis cannot"),
        (lambda: memoryview(b"x"), r"use bytes\(it\)"),
    ],
)
def test_what_cannot_be_frozen_is_named(make, message):
    used = _core.frozen_bytes()
    with pytest.raises(TypeError, match=message):
        freeze(make())
    gc.collect()
    assert _core.frozen_bytes() == used


def test_a_class_that_cannot_be_imported():
    import dataclasses

    @dataclasses.dataclass
    class Hidden:
        x: int = 1

    with pytest.raises(TypeError, match=r"can't be imported as .*<locals>.Hidden"):
        freeze(Hidden())
    Shadow = type("User", (classes.User,), {"__module__": classes.__name__})
    with pytest.raises(TypeError, match="another class"):
        freeze(dataclasses.dataclass(Shadow)("a"))


def test_a_deep_path_is_shortened():
    deep: Any = print
    for _ in range(1000):
        deep = [deep]
    with pytest.raises(TypeError) as caught:
        freeze(deep)
    text = str(caught.value)
    assert text.startswith("freeze: data[0][0]") and "[...]" in text and len(text) < 300


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


def test_thaw_of_what_is_not_frozen():
    assert thaw(5) == 5 and thaw("x") == "x"
    with pytest.raises(TypeError, match="thaw: list is not frozen"):
        thaw([1])
    with pytest.raises(TypeError, match=r"thaw: datetime\.date"):
        json.dumps([__import__("datetime").date(2026, 1, 1)], default=thaw)


def test_thaw_makes_ordinary_objects():
    value = {"a": [1, (2, [3])], "b": {4}, "c": bytearray(b"x")}
    back = thaw(freeze(value))
    back["a"].append(5)
    back["b"].add(6)
    back["c"] += b"y"
    back["a"][1][1].append(7)
    assert back == {"a": [1, (2, [3, 7]), 5], "b": {4, 6}, "c": bytearray(b"xy")}
    assert gc.is_tracked(back["a"]) and gc.is_tracked(back["a"][1])


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("python", [False, True])
def test_pickle(protocol, python):
    value = {
        "a": [1, "é", b"x", {2.5, frozenset({1})}],
        (1,): {"c": None},
        "big": 10**50,
        "r": range(3),
    }
    frozen = freeze(value)
    if python:
        import io

        out = io.BytesIO()
        pickle._Pickler(out, protocol).dump(frozen)
        data = out.getvalue()
    else:
        data = pickle.dumps(frozen, protocol)
    loaded = pickle.loads(data)
    assert loaded == frozen and not is_frozen(loaded)
    assert type(loaded) is (MAPPING if HAS_FROZENDICT else dict)


def test_copy():
    frozen = freeze({"a": [1, {"b": [2]}]})
    for made in (copy.copy(frozen), copy.deepcopy(frozen)):
        assert made == frozen
    assert copy.copy(frozen["a"]) is frozen["a"]
    if not HAS_FROZENDICT:
        looped: dict[str, Any] = {}
        looped["self"] = looped
        frozen = freeze(looped)
        for made in (copy.deepcopy(frozen), pickle.loads(pickle.dumps(frozen))):
            assert made["self"] is made and type(made) is dict


def test_json():
    value = {"a": [1, 2.5, None, True, "é"], "b": {"c": {"d": []}}}
    assert json.dumps(freeze(value), default=thaw) == json.dumps(value)
    assert json.dumps(freeze([1, [2, "x"]])) == json.dumps([1, [2, "x"]])
    assert json.loads(json.dumps(freeze([value] * 3), default=thaw, indent=2)) == [value] * 3


def test_another_interpreter_reads_in_place():
    data = freeze({"a": [1, {"b": (2, "é")}], "u": classes.User("x")})
    with allcores.Interpreter() as other:
        found = other.call(lambda d: (id(d), d["a"][1]["b"], hash(d["a"])), data)
    assert found[0] == id(data) and found[1] is data["a"][1]["b"] and found[2] == hash(data["a"])


def test_addresses():
    frozen = freeze([1.5, ["x"]])
    address = _core.frozen_address(frozen)
    assert address == id(frozen) and _core.frozen_at(address) is frozen
    with pytest.raises(ValueError, match="no frozen object"):
        _core.frozen_at(id(frozen[1]))
    with pytest.raises(ValueError, match="no frozen object"):
        _core.frozen_at(address + 8)


def test_memory_is_counted_and_bounded():
    before = _core.frozen_bytes()
    frozen = freeze([float(i) for i in range(100_000)])
    size = _core.frozen_bytes() - before
    assert 100_000 * 32 <= size <= 100_000 * 48 + 2**16
    assert len(frozen) == 100_000


def test_out_of_memory_leaves_nothing_behind():
    run_alone("""
        import resource
        import allcores
        from allcores import _core
        small = allcores.freeze([1.5] * 10)
        data = [float(i) for i in range(2_000_000)]
        used = _core.frozen_bytes()
        resource.setrlimit(resource.RLIMIT_DATA, (150 << 20, resource.RLIM_INFINITY))
        for _ in range(3):
            try:
                allcores.freeze(data)
            except MemoryError:
                pass
            else:
                raise SystemExit("no MemoryError")
            assert _core.frozen_bytes() == used
        resource.setrlimit(resource.RLIMIT_DATA, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert allcores.freeze(data) == tuple(data)
    """)


def test_a_small_address_space():
    run_alone("""
        import resource
        resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
        import allcores
        assert allcores.freeze([1, "a", {"b": 2}]) == (1, "a", {"b": 2})
        try:
            allcores.freeze(bytearray(900 << 20))
        except MemoryError:
            print("refused")
    """)


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
