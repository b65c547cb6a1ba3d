"""For tests/fuzz/message_decoder.cpp: graphs of objects made of any bytes, how two of them differ,
and what is done with one that came of a changed message.
"""

from __future__ import annotations

import array
import collections
import contextlib
import datetime as dt
import decimal
import os
import sys
import types
import uuid
import warnings
from typing import Any

warnings.simplefilter("ignore", DeprecationWarning)  # array's "u"


def _instead_of_allcores() -> None:
    """The program has no extension module: the package's part that pickles gets what it needs."""
    package = types.ModuleType("allcores")
    package.__path__ = [os.path.join(os.path.dirname(__file__), "../../../python/allcores")]
    functions = types.ModuleType("allcores._functions")
    functions.goes_by_name = lambda _: True  # type: ignore[attr-defined]
    functions.is_importable = lambda _: True  # type: ignore[attr-defined]
    functions.type_name = lambda kind: kind.__name__  # type: ignore[attr-defined]
    core = types.ModuleType("allcores._core")
    # (No function: a class that has one makes it a method.)
    core._reducer = lambda _: _NothingSpecial()  # type: ignore[attr-defined]
    core._other_way = lambda _: None  # type: ignore[attr-defined]
    core._frozen_parts = lambda _: None  # type: ignore[attr-defined]
    core.Move = type("Move", (), {})  # type: ignore[attr-defined]
    for module in (package, functions, core):
        sys.modules[module.__name__] = module
        if module is not package:
            setattr(package, module.__name__.rpartition(".")[2], module)


class _NothingSpecial:
    def __call__(self, _: object) -> Any:
        return NotImplemented


_instead_of_allcores()


class Node:
    """Hashed by its address; its number tells it from others."""

    def __init__(self, number: int) -> None:
        self.number = number


class Valued(Node):
    """Hashed and compared by Python code."""

    def __hash__(self) -> int:
        return hash(self.number & 3)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Valued) and self.number == other.number


class Rated(Node):
    """Left to pickle, as it has a say in how."""

    def __reduce__(self) -> Any:
        return Rated, (self.number,), self.__dict__


class Slotted:
    __slots__ = ("left", "number")

    def __init__(self, number: int) -> None:
        self.number = number


Pair = collections.namedtuple("Pair", "left right")
classes = Node, Valued, Slotted, Pair

ZONES = (None, dt.UTC, dt.timezone(dt.timedelta(hours=2)), dt.timezone(dt.timedelta(0, 60), "é"))
ATOMS: tuple[Any, ...] = (
    None, True, False, 0, -1, 127, 128, -129, 2**30 - 1, 2**30, -(2**31), 2**62, 2**63, -(2**63),
    10**40, -(10**40), 0.0, -0.0, 1.5, float("inf"), float("nan"), 1j, complex(-0.0, 3.0),
    complex(float("nan"), 0), "", "a", "é", "id", "some text", "x" * 255, "x" * 256, "é" * 3,
    "€uro", "\ud800", "𝄞 clef", "\0", "x" * 70_000, "€" * 40_000, b"", b"a", b"bytes",
    b"x" * 70_000, range(0), range(5), range(10**30, 0, -7), (), frozenset(),
    dt.date(2020, 2, 29), dt.date.min, dt.timedelta(0), dt.timedelta(-1, 5, 6),
    decimal.Decimal("1.50"),
    decimal.Decimal("-inf"), decimal.Decimal("nan"), uuid.UUID(int=5),
    uuid.UUID(int=2**128 - 1, is_safe=uuid.SafeUUID.safe),
    slice(None), slice(1, 2, 3), *ZONES,
)  # fmt: skip


class Program:
    """A machine with a stack: each byte does something with what is there, whatever it is."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.stack: list[Any] = []
        self.made = 0
        # Pickle can't have what is deep, and the codec can.
        self.is_deep = self.is_pickled = False

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1] if self.at <= len(self.data) else 0

    def take(self, count: int) -> list[Any]:
        count = min(count, len(self.stack))
        if count == 0:
            return []
        taken = self.stack[-count:]
        del self.stack[-count:]
        return taken

    def number(self) -> int:
        self.made += 1
        return self.made

    def keys(self, some: list[Any]) -> list[Any]:
        """Those that can be hashed, and are equal to no other."""
        found: dict[Any, Any] = {}
        for each in some:
            try:
                found.setdefault(each, each)
            except TypeError, decimal.InvalidOperation:
                continue
        return list(found)

    def run(self) -> Any:
        while self.at < len(self.data) and self.made < 300:
            self.step(self.byte())
        if len(self.stack) == 1:
            return self.stack.pop()
        return tuple(self.stack) if self.at & 1 else self.stack

    def step(self, what: int) -> None:
        push = self.stack.append
        count = what >> 5
        match what & 31:
            case 0 | 1 | 2 | 3:
                push(ATOMS[self.byte() % len(ATOMS)])
            case 4:
                push(
                    int.from_bytes(bytes(self.byte() for _ in range(count)), "little", signed=True)
                )
            case 5:
                push("".join(chr(97 + self.byte() % 7) for _ in range(1 + count)))
            case 6:
                push(bytes(self.byte() for _ in range(count)))
            case 7:
                push(tuple(self.take(count)))
            case 8:
                push(self.take(count))
            case 9 | 10:
                some = self.take(2 * count)
                push(dict.fromkeys(self.keys(some[::2]), some[-1] if some else None))
            case 11:
                push({str(each): i for i, each in enumerate(self.data[self.at : self.at + count])})
            case 12:
                push(set(self.keys(self.take(count))))
            case 13:
                push(frozenset(self.keys(self.take(count))))
            case 14:
                push((Node if count < 4 else Valued)(self.number()))
            case 15 if count > 4 and not self.is_deep:
                self.is_pickled = True
                push(Rated(self.number()))
            case 15:
                push(Slotted(self.number()))
            case 16:
                push(Pair(*(self.take(2) * 2 + [1, 2])[:2]))
            case 17:
                push(types.SimpleNamespace(number=self.number(), some=self.take(count)))
            case 18:
                push(slice(*(self.take(3) + [None] * 3)[:3]))
            case 19:  # once more
                if self.stack:
                    push(self.stack[self.byte() % len(self.stack)])
            case 20 | 21 | 22:  # the last one into another, which it may be part of
                if len(self.stack) > 1:
                    last = self.stack.pop()
                    self.put(self.stack[self.byte() % len(self.stack)], last, count)
            case 23:
                push(bytearray(self.byte() for _ in range(count)) * (1 + 20_000 * (count == 7)))
            case 24:
                push(array.array("bBhHiIlLqQfdw"[self.byte() % 12], range(count)))
            case 25:
                zone = ZONES[self.byte() % len(ZONES)]
                push(dt.datetime(1 + self.byte(), 1, 2, 3, 4, 5, self.byte(), zone, fold=count & 1))
            case 26:
                zone = ZONES[self.byte() % len(ZONES)]
                push(dt.time(count, 1, 2, self.byte(), zone, fold=count & 1))
            case 27:  # deep
                value = self.stack.pop() if self.stack else None
                levels = 1 + 4 * self.byte()
                if self.is_pickled:
                    levels = min(levels, 5)
                self.is_deep = self.is_deep or levels > 5
                for _ in range(levels):
                    value = [value] if count & 1 else {"k": value} if count & 2 else (value,)
                push(value)
            case 28:
                push(list(range(1000 * count, 1000 * count + self.byte())))
            case 29:
                push([each * 0.5 for each in range(self.byte())])
            case 30:  # holes in tables
                for each in self.stack[-1:]:
                    if type(each) is dict and each:
                        each.pop(next(iter(each)))
                    if type(each) is set and each:
                        # (Which is the first one depends on addresses.)
                        each.remove(min(each, key=lambda one: repr(_identity(one))))
            case _:
                self.take(1)

    def put(self, into: Any, value: Any, count: int) -> None:
        if type(into) is list:
            into.append(value)
        elif type(into) is set:
            into.update(self.keys([value]))
        elif type(into) is dict:
            for key in self.keys([value] if count & 1 else [f"key {count}"]):
                into[key] = value
        elif isinstance(into, Node):
            setattr(into, f"a{count}", value)
        elif isinstance(into, Slotted):
            into.left = value
        elif isinstance(into, types.SimpleNamespace):
            into.some = value


def build(data: bytes) -> Any:
    return Program(data).run()


def _identity(value: Any, depth: int = 4) -> Any:
    """What an element of a set is known by, without its address."""
    if isinstance(value, Node | Slotted):
        return type(value).__name__, value.number
    if depth and isinstance(value, tuple):
        return "tuple", tuple(_identity(each, depth - 1) for each in value)
    if depth and isinstance(value, frozenset):
        return "set", tuple(sorted((_identity(each, depth - 1) for each in value), key=repr))
    if isinstance(value, tuple | frozenset | slice | types.SimpleNamespace):
        return type(value).__name__
    return type(value).__name__, repr(value)


def _parts(value: Any) -> list[Any]:
    if isinstance(value, list | tuple):
        return list(value)
    if isinstance(value, dict):
        return [each for pair in value.items() for each in pair]
    if isinstance(value, set | frozenset):
        return sorted(value, key=lambda each: repr(_identity(each)))
    if isinstance(value, slice):
        return [value.start, value.stop, value.step]
    if isinstance(value, Slotted):
        return [value.number, *([value.left] if hasattr(value, "left") else [])]
    return [each for pair in vars(value).items() for each in pair]


ATOM_TYPES = (int, float, complex, str, bytes, bool, type(None), range, decimal.Decimal, dt.date,
              dt.time, dt.timedelta, dt.tzinfo, uuid.UUID)  # fmt: skip
BUFFER_TYPES = bytearray, array.array


def _ambiguous(some: Any) -> bool:
    """Whether elements of a set can't be told apart, so not be paired either."""
    known = [repr(_identity(each)) for each in some]
    return len(set(known)) != len(known)


def difference(left: Any, right: Any) -> str:
    """How two graphs differ in types, values, order or in what is shared; "" if not."""
    to_right: dict[int, int] = {}
    to_left: dict[int, int] = {}
    stack = [(left, right)]
    while stack:
        one, other = stack.pop()
        if type(one) is not type(other):
            return f"{type(one)} and {type(other)}"
        if isinstance(one, ATOM_TYPES):
            if repr(one) != repr(other) or getattr(one, "fold", 0) != getattr(other, "fold", 0):
                return f"{one!r:.80} and {other!r:.80}"
            continue
        if (known := to_right.get(id(one))) is not None or id(other) in to_left:
            if known != id(other) or to_left.get(id(other)) != id(one):
                if one == () == other or one == frozenset() == other:
                    continue
                return f"what is shared at {type(one)}"
            continue
        to_right[id(one)] = id(other)
        to_left[id(other)] = id(one)
        if isinstance(one, BUFFER_TYPES):
            if repr(one) != repr(other):
                return f"{one!r:.80} and {other!r:.80}"
            continue
        if isinstance(one, set | frozenset) and (_ambiguous(one) or _ambiguous(other)):
            if len(one) != len(other):
                return f"{len(one)} and {len(other)} elements"
            continue
        if isinstance(one, set | frozenset | dict):
            not_found = [each for each in other if each not in other]
            if not_found and not any(each != each for each in one):  # NaN
                return f"a key that is not found in {type(one)}"
        ones, others = _parts(one), _parts(other)
        if len(ones) != len(others):
            return f"{len(ones)} and {len(others)} parts of {type(one)}"
        stack += zip(ones, others, strict=True)
    return ""


def use(value: Any) -> None:
    """Everything in a graph that came of a changed message is used, and taken apart."""
    stack, seen, everything = [value], set(), []
    while stack and len(everything) < 5000:
        one = stack.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        everything.append(one)
        if isinstance(one, ATOM_TYPES + BUFFER_TYPES):
            for use_it in (repr, hash, sys.getsizeof, str):
                with contextlib.suppress(Exception):
                    use_it(one)
            if type(one) is str:
                assert one.encode("utf-8", "surrogatepass").decode("utf-8", "surrogatepass") == one
                assert (one + "€").upper() is not None and one.isidentifier() is not None
        else:
            stack += _children(one)
    for one in everything:
        with contextlib.suppress(Exception):
            take_apart(one)


def _children(value: Any) -> list[Any]:
    if isinstance(value, set | frozenset):
        return list(value)
    if hasattr(value, "__dict__") or isinstance(value, list | tuple | dict | slice | Slotted):
        return _parts(value)
    return []


def take_apart(one: Any) -> None:
    if isinstance(one, dict | set | frozenset):
        for each in list(one):
            with contextlib.suppress(Exception):
                assert each in one or each not in one
        copies = [one.copy(), one.copy()]
        if isinstance(one, dict):
            first, second = copies
            while first:
                first.popitem()
            for i in range(40):
                second[i] = i
            for each in list(second):
                second.pop(each, None)
        else:
            first = set(one)
            while first:
                first.pop()
            second = set(one)
            second |= set(range(40))
            for each in list(second):
                second.discard(each)
        one.clear()
    elif isinstance(one, list):
        one.append(1)
        one.clear()
    elif isinstance(one, bytearray):
        one += b"more"
        del one[:3]
    elif isinstance(one, array.array):
        one.extend(one)
        del one[:1]
    elif isinstance(one, tuple | slice):
        hash(one)
    else:
        vars(one).clear()


def describe(value: Any) -> str:
    return f"{value!r:.2000}"


def seeds() -> list[Any]:
    """What messages are changed of: all tags, and tables of each kind."""
    node, valued, slotted = Node(1), Valued(2), Slotted(3)
    node.a1 = [node, (valued, slotted)]  # type: ignore[attr-defined]
    slotted.left = {node: 1, (node, 5): [2]}
    met = node, 5, "last"  # in its own key, before it is whole
    node.a3 = {met: 1}  # type: ignore[attr-defined]
    shared = ["shared"]
    some = frozenset([node, "x y"])
    node.a2 = some  # type: ignore[attr-defined]
    return [
        [each for each in ATOMS if not (isinstance(each, str | bytes) and len(each) > 1000)],
        [(1, "two", 3.0), {"key one": 1, "key two": [2], "key three": (3,)}],
        {f"key {i}": (i, f"value {i}") for i in range(12)},
        {i: str(i) for i in range(8)},
        {(i, "k"): frozenset([i, "some text"]) for i in range(6)},
        [
            set(range(5)),
            frozenset("some text"),
            {"one text", "two text", 3},
            set(range(1000, 1040)),
        ],
        {**dict.fromkeys(["first one", "second one"], shared), 5: shared, None: shared},
        [list(range(1000, 1030)), [i * 0.5 for i in range(10)], list(range(2**40, 2**40 + 9))],
        [slice(1, [2], "three"), range(3), range(10**20), shared, [shared, shared]],
        [dt.datetime(2020, 1, 2, tzinfo=zone) for zone in ZONES] + list(ZONES),
        [dt.time(1, 2, tzinfo=ZONES[2]), ZONES[2], dt.timezone(dt.timedelta(1) / 3, "zone")],
        [node, valued, slotted, shared],
        [Node(i) for i in range(5)] + [Slotted(i) for i in range(5)],
        [Pair(1, [2]), Pair(shared, Pair("left one", 1.5)), Pair(Pair((), ()), 10**30)],
        [types.SimpleNamespace(a=1, b=[shared]), types.SimpleNamespace()],
        [{valued: 1, Valued(3): [2]}, {Valued(4), Valued(5)}, frozenset([valued, node])],
        [some, {some: some}, {(some, 1)}],
        met,
        [array.array("d", [1.5, 2.5]), bytearray(b"bytes"), array.array("w", "text €"), b"bytes"],
        ["x" * 70_000, b"y" * 70_000],
        [bytearray(70_000), array.array("b", bytes(70_000))],
        ["x" * 300, "é" * 20, "€" * 20, "𝄞" * 20, "\ud800"],
        (((((((1,), 2), 3), 4), [[[[[]]]]]), {"k": {"k": {"k": {}}}}),),
    ]
