# ruff: noqa: E501, SIM, UP031
"""Every operation of the frozen types, to be run on frozen and on ordinary objects of the same value.

Used by tests/python/test_freeze_operations.py once, and by tests/stress/frozen.py from all interpreters at once. A write into
frozen memory would end the process with a segmentation fault.
"""

import builtins
import copy
import ctypes
import decimal
import functools
import gc
import io
import json
import keyword
import marshal
import operator
import pickle
import re
import string
import struct
import sys
import types
import weakref
from collections.abc import Callable, Iterator
from typing import Any

MAPPING: Any = getattr(builtins, "frozendict", types.MappingProxyType)


def samples() -> list[Any]:
    """Ordinary objects of the types that freezing gives (made anew at each call)."""
    tag = "".join(["t", "ag"])
    return [
        None,
        True,
        7,
        1000,
        -(10**40),
        1.5,
        -0.0,
        float("inf"),
        2 - 3j,
        "",
        "x",
        tag * 20,
        "name_of_something",
        "é" * 10,
        "日本語 text",
        "\U0001f600 {}",
        "%s and %s",
        "{0} {1!r:>10}",
        "12345",
        "1.5",
        "ab\ud800",
        b"",
        b"x",
        b"bytes " * 20,
        b"12",
        (),
        (1,),
        (1, 2.5, "three", b"four", (5, (6,))),
        ("a" * 3, "b" * 3),
        tuple(range(1000, 1020)),
        frozenset(),
        # (Of several with strings the order depends on which came first, where hashes collide.)
        frozenset({"two"}),
        frozenset({1, 2.5, (3,)}),
        frozenset(range(1000)),
        frozenset({frozenset({1}), frozenset()}),
        MAPPING({}),
        MAPPING({"a": 1, "b" * 5: (1, 2), "é": "ü"}),
        MAPPING({1: 2, (3, 4): "x", None: 1.5}),
        MAPPING({str(i): i for i in range(300)}),
        range(0),
        range(10, 10**30, 10**28),
    ]


ARGUMENTS: list[tuple[Any, ...]] = [
    (),
    (0,),
    (1,),
    (-1,),
    (3, 5),
    ("a",),
    ("a", "b"),
    ("é",),
    ("{}",),
    (b"x",),
    (b"x", b"y"),
    (None,),
    ((),),
    ((1, 2),),
    (["a", "b"],),
    (frozenset({1}),),
    ({1, 2},),
    ({"a": 1},),
    (range(3),),
    (1.5,),
    ("utf-8",),
    ("utf-8", "replace"),
    ("ascii",),
    (slice(0, 2),),
    (slice(None, None, -1),),
    (2, "little"),
    ("__class__",),
    ("__class__", 1),
    (object,),
    ({97: "z"},),
]

# What takes another argument than the object, or tells how it lies in memory.
SKIPPED = {"__class__", "__subclasshook__", "__init_subclass__", "__new__", "__sizeof__", "__dir__"}


def outcome(call: Callable[[], Any]) -> Any:
    """What a call gives, in a form that can be compared: a value, or the name of an exception."""
    try:
        value = call()
    except Exception as error:
        return ("raises", type(error).__name__)
    if isinstance(value, (types.BuiltinMethodType, types.MethodType)) or callable(value):
        return ("callable",)
    if isinstance(value, Iterator):
        return (
            "iterator",
            type(value).__name__,
            [outcome(lambda each=each: each) for each in value],
        )
    if isinstance(value, (frozenset, set)):
        return (type(value).__name__, len(value), value)
    if isinstance(value, type({}.values())):
        return ("values", list(value))
    if value != value or "nan" in repr(value)[:20]:
        return ("not equal to itself",)
    return (type(value).__name__, value)


def methods(value: Any, other: Any) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Each method of the value's type with each of the sample arguments."""
    for name in dir(value):
        if name in SKIPPED:
            continue
        method = getattr(value, name)
        if not callable(method):
            continue
        # Not to the power of, or rounded to, 10**40 digits.
        own = [] if isinstance(value, int) and abs(value) > 1000 else [(value,), (value, other)]
        for arguments in [*ARGUMENTS, *own]:
            yield f"{name}{arguments!r:.60}", functools.partial(method, *arguments)


def _use_as_name(value: str) -> Any:
    class Bare:
        pass

    bare = Bare()
    setattr(bare, value, 1)
    found = getattr(bare, value), hasattr(bare, value), value in vars(bare), vars(bare)[value]
    delattr(bare, value)
    made = type(value, (), {value: 2, "__slots__": ()})
    module = types.ModuleType(value)
    setattr(module, value, 3)
    return found, getattr(made, value), made.__name__, getattr(module, value), module.__name__


def _keywords(value: str) -> Any:
    def function(**names: Any) -> Any:
        return names

    return function(**{value: 1}), functools.partial(function, **{value: 2})()


def _pickled(value: Any, protocol: int) -> Any:
    return pickle.loads(pickle.dumps(value, protocol))


def _pickled_in_python(value: Any, protocol: int) -> Any:
    out = io.BytesIO()
    pickle._Pickler(out, protocol).dump(value)  # type: ignore[attr-defined]
    return pickle.loads(out.getvalue())


def _weak(make: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: make(value) if not isinstance(value, frozenset) else None


def _globals(value: Any) -> Any:
    return eval("[a for _ in range(2000)][0]", dict(value))


def general() -> list[tuple[str, Callable[[Any], Any]]]:
    """Operations on any value."""
    each: list[tuple[str, Callable[[Any], Any]]] = [
        (name, getattr(operator, name))
        for name in ("truth", "not_", "neg", "pos", "abs", "invert", "index", "length_hint")
    ]
    each += [
        ("hash", hash),
        ("repr", lambda v: repr(v) if not isinstance(v, frozenset) else None),
        ("str", lambda v: str(v) if not isinstance(v, frozenset) else None),
        ("len", len),
        ("bool", bool),
        ("iter", lambda v: list(v)),
        ("reversed", lambda v: list(reversed(v))),
        ("sorted", sorted),
        ("sum", sum),
        ("min", min),
        ("max", max),
        ("any", any),
        ("int", int),
        ("float", float),
        ("complex", complex),
        ("bytes", lambda v: bytes(v) if not isinstance(v, int) else None),
        ("dict", dict),
        ("dict of items", lambda v: dict(v.items())),
        ("dict update", lambda v: {"z": 0} | dict(v) | {"y": 1}),
        (
            "copying a dict and changing it",
            lambda v: [d := dict(v), d.clear(), d.update(v), d.pop("a", 0), d],
        ),
        ("or", lambda v: [v | {"q": 1}, {"q": 1} | v]),
        ("or frozen", lambda v: v | v),
        ("and", lambda v: [v & v, v - v, v ^ v, v <= v, v | {1}, {1} | v]),
        ("set", lambda v: {*v}),
        ("set update", lambda v: [s := {1, 2}, s.update(v), s.difference_update(v), s.add(v)]),
        ("views", lambda v: [v.keys() & {"a"}, v.keys() | {1}, list(v.values()), list(v.items())]),
        ("unpack", lambda v: [*v]),
        ("double star", lambda v: {**v}),
        ("keywords", lambda v: (lambda **names: names)(**v)),
        ("star", lambda v: (lambda *values: values)(*v)),
        ("type", type),
        ("isinstance", lambda v: isinstance(v, (str, list))),
        ("copy", copy.copy),
        ("deepcopy", copy.deepcopy),
        ("marshal", lambda v: marshal.loads(marshal.dumps(v))),
        ("json", lambda v: json.dumps(v, default=dict)),
        ("json indented", lambda v: json.dumps(v, default=dict, indent=1, ensure_ascii=False)),
        ("json loads", json.loads),
        ("f-string", lambda v: f"{v!r:>9.20}" if not isinstance(v, frozenset) else None),
        ("format", lambda v: format(1234, v)),
        ("format with", lambda v: v.format("a", "b")),
        ("percent", lambda v: v % (1, 2)),
        ("percent of", lambda v: "%s" % (v,) if not isinstance(v, frozenset) else None),
        ("template", lambda v: string.Template(v).safe_substitute(a=1)),
        ("join", lambda v: v.join(["a", "b"])),
        ("join of", lambda v: ",".join(v)),
        ("intern", sys.intern),
        ("intern twice", lambda v: sys.intern(v) is sys.intern(v)),
        ("name", _use_as_name),
        ("as keywords", _keywords),
        ("key", lambda v: ({v: 1}[v], v in {v}, {v: 1, "a": 2}.get(v))),
        (
            "regular expression",
            lambda v: re.compile(v).findall("x12345" if isinstance(v, str) else b"x12"),
        ),
        ("searched", lambda v: re.sub(r"\w", "-", v)),
        ("searched bytes", lambda v: re.findall(rb"\w", v)),
        ("decimal", lambda v: decimal.Decimal(v) + 1),
        ("struct", lambda v: struct.pack("d", v)),
        ("struct format", lambda v: struct.calcsize(v)),
        ("memoryview", lambda v: bytes(memoryview(v)[1:])),
        ("ctypes", lambda v: ctypes.c_char_p(v).value if isinstance(v, bytes) else None),
        ("ctypes wide", lambda v: ctypes.c_wchar_p(v).value if isinstance(v, str) else None),
        ("compile", lambda v: compile(v, v, "eval").co_filename if isinstance(v, str) else None),
        ("exec", lambda v: exec(v, {}) if isinstance(v, (str, bytes)) else None),
        ("eval", lambda v: eval(v, {}) if isinstance(v, (str, bytes)) else None),
        ("globals", _globals),
        ("keyword", keyword.iskeyword),
        (
            "encode",
            lambda v: [v.encode("utf-8", e) for e in ("ignore", "surrogatepass", "replace")],
        ),
        ("encode utf-16", lambda v: v.encode("utf-16", "ignore")),
        ("open", lambda v: open(v) if isinstance(v, str) else None),
        ("stream", lambda v: io.StringIO(v).read() if isinstance(v, str) else io.BytesIO(v).read()),
        ("grow", lambda v: functools.reduce(operator.add, [v, v, v])),
        ("grow in place", lambda v: operator.iadd(v, v)),
        ("repeat", lambda v: v * 3 if hasattr(v, "__len__") else None),
        ("repeat in place", lambda v: operator.imul(v, 2) if hasattr(v, "__len__") else None),
        ("power", lambda v: v**2),
        ("arithmetic", lambda v: [v + 1, v - 1, v * 2, v / 3, 1 - v]),
        (
            "integer arithmetic",
            lambda v: [v // 3, v % 3, divmod(v, 7), v & 5, v | 5, v ^ 5, v >> 1],
        ),
        ("math", lambda v: [round(v), pow(v, 2, 7)]),
        ("slices", lambda v: [v[1:], v[::-1], v[:1], v[0:0]]),
        ("index", lambda v: [v[0], v[-1]]),
        ("set item", lambda v: operator.setitem(v, "a", 1)),
        ("del item", lambda v: operator.delitem(v, "a")),
        ("set attribute", lambda v: setattr(v, "a", 1)),
        ("set class", lambda v: setattr(v, "__class__", object)),
        ("object setattr", lambda v: object.__setattr__(v, "a", 1)),
        ("init", lambda v: type(v).__init__(v, {"a": 1})),
        ("init without", lambda v: type(v).__init__(v)),
        ("reduce", lambda v: v.__reduce_ex__(4) and None),
        ("referents", lambda v: [gc.get_referents(v)] and None),
        ("referrers", lambda v: [gc.get_referrers(v)] and None),
        ("tracked", lambda v: [gc.is_tracked(v), gc.is_finalized(v)] and None),
        ("counted", lambda v: sys.getrefcount(v) and None),
        ("size", lambda v: sys.getsizeof(v) > 0),
        ("weak", _weak(weakref.ref)),
        ("weak with callback", _weak(lambda v: weakref.ref(v, print))),
        ("weak proxy", _weak(weakref.proxy)),
        ("weak set", _weak(lambda v: weakref.WeakSet([v]))),
        ("weak keys", _weak(lambda v: weakref.WeakKeyDictionary({v: 1}))),
        ("weak values", _weak(lambda v: weakref.WeakValueDictionary({1: v}))),
        ("finalize", _weak(lambda v: weakref.finalize(v, print))),
        ("weak references", lambda v: weakref.getweakrefcount(v)),
        ("match", _match),
        ("in a thread's names", lambda v: v in sys.modules),
        ("getattr of", lambda v: getattr(object, v, None)),
        ("import", lambda v: __import__(v) and None if v == "json" else None),
        ("equal", lambda v: [v == v, v != v, v == copy.copy(v), (v,) == (v,), [v] == [v]]),
        ("less", lambda v: [v < v, v <= v, v >= v]),
    ]
    each += [(f"pickle {n}", functools.partial(_pickled, protocol=n)) for n in range(6)]
    each += [
        (f"pickle in Python {n}", functools.partial(_pickled_in_python, protocol=n))
        for n in range(6)
    ]
    return each


def _match(value: Any) -> Any:
    match value:
        case {"a": first, **rest}:
            return first, rest
        case [first, *others]:
            return first, others
        case str() | bytes() | int():
            return "atom"
    return None


WEAK: list[tuple[str, Callable[[Any], Any]]] = [
    ("ref", weakref.ref),
    ("ref with callback", lambda v: weakref.ref(v, print)),
    ("ref.__new__", lambda v: weakref.ref.__new__(weakref.ref, v, None)),
    ("subclass", lambda v: type("Sub", (weakref.ref,), {})(v, print)),
    ("keyed", lambda v: weakref.KeyedRef(v, print, 1)),
    ("proxy", weakref.proxy),
    ("proxy with callback", lambda v: weakref.proxy(v, print)),
    ("set", lambda v: weakref.WeakSet([v])),
    ("keys", lambda v: weakref.WeakKeyDictionary({v: 1})),
    ("values", lambda v: weakref.WeakValueDictionary({1: v})),
    ("finalize", lambda v: weakref.finalize(v, print)),
]


def differences(frozen: Any, ordinary: Any, with_methods: bool = True) -> list[str]:
    """Run everything on both and name what does not come out alike."""
    found = []
    calls: list[tuple[str, Callable[[], Any], Callable[[], Any]]] = [
        (name, functools.partial(call, frozen), functools.partial(call, ordinary))
        for name, call in general()
    ]
    if with_methods:
        calls += [
            (name, a, b)
            for (name, a), (_, b) in zip(
                methods(frozen, frozen), methods(ordinary, ordinary), strict=True
            )
        ]
    for name, on_frozen, on_ordinary in calls:
        a, b = outcome(on_frozen), outcome(on_ordinary)
        if a != b and not tolerated(name, a, b):
            found.append(
                f"{type(ordinary).__name__} {ordinary!r:.30}: {name}: {a!r:.80} / {b!r:.80}"
            )
    return found


def tolerated(name: str, frozen: Any, ordinary: Any) -> bool:
    """Where they may differ: what is frozen can be hashed, and is one object with its copy."""
    if name.startswith(("__repr__", "__str__", "__format__", "__reduce", "__getstate__")):
        return True
    if "not equal to itself" in str(ordinary):
        return True
    return frozen[0] != "raises" and ordinary == ("raises", "TypeError") and name in ("hash", "key")


def weak_references_are_refused(frozen: Any) -> list[str]:
    """The ways to a weak reference that do not raise TypeError for a frozen set."""
    return [
        name
        for name, make in WEAK
        if outcome(lambda make=make: make(frozen)) != ("raises", "TypeError")
    ]
