"""What the tests of messages compare with."""

import array
import datetime
import decimal
import enum
import math
import struct
from dataclasses import dataclass
from typing import Any, NamedTuple


class Color(enum.Enum):
    RED = "red"
    GREEN = 2


class Point(NamedTuple):
    x: Any
    y: Any


@dataclass
class User:
    name: str
    friends: Any
    extra: Any = None


@dataclass(frozen=True)
class Key:
    name: str


class Refusal(Exception):
    """Its __init__ takes something else than what it gives to Exception's."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code


def refuse() -> None:
    raise ExceptionGroup("several", [Refusal(2, "y")])


class Slotted:
    __slots__ = ("left", "right")

    def __init__(self, left: Any, right: Any) -> None:
        self.left, self.right = left, right

    def __repr__(self) -> str:
        return "Slotted"


class Pickled(Slotted):
    """Has a say in how it is pickled: the codec leaves it to that."""

    __slots__ = ()

    def __getstate__(self) -> Any:
        return None, {"left": self.left, "right": self.right}

    def __repr__(self) -> str:
        return "Pickled"


class Angry:
    """Hashes and compares in Python, by a value that its pickle has."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __hash__(self) -> int:
        return hash(("Angry", self.value))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Angry) and other.value == self.value

    def __repr__(self) -> str:
        return f"Angry({self.value})"


ATOMS = (int, float, complex, str, bytes, bool, type(None), range, decimal.Decimal, datetime.date,
         datetime.time, datetime.timedelta, datetime.tzinfo, type, type(len))  # fmt: skip


def _atom(value: Any) -> Any:
    if type(value) is float:
        return struct.pack("d", value)
    if type(value) is complex:
        return struct.pack("dd", value.real, value.imag)
    if isinstance(value, datetime.datetime | datetime.time):
        return repr(value), value.fold
    return repr(value)


def _children(value: Any) -> list[Any]:
    if isinstance(value, list | tuple):
        return list(value)
    if isinstance(value, dict):
        return [each for pair in value.items() for each in pair]
    if isinstance(value, set | frozenset):
        return sorted(value, key=repr)
    if isinstance(value, slice):
        return [value.start, value.stop, value.step]
    if isinstance(value, Slotted):
        return [value.left, value.right]
    return list(vars(value).values()) if hasattr(value, "__dict__") else []


NOTHING = object()


def difference(left: Any, right: Any) -> str:
    """How two graphs of objects differ in types, values, order, or in what is shared; "" if not.

    What is an atom may be shared in one and equal in the other.
    """
    to_right: dict[int, int] = {}
    to_left: dict[int, int] = {}
    stack = [(left, right)]
    while stack:
        one, other = stack.pop()
        if type(one) is not type(other):
            return f"{type(one)} and {type(other)}"
        if isinstance(one, (*ATOMS, enum.Enum)):
            if one is not other and _atom(one) != _atom(other):
                return f"{one!r:.80} and {other!r:.80}"
            continue
        known = to_right.get(id(one))
        if known is not None or id(other) in to_left:
            if known != id(other) or to_left.get(id(other)) != id(one):
                if one == () == other or one == frozenset() == other:
                    continue
                return f"what is shared at {type(one)}"
            continue
        to_right[id(one)] = id(other)
        to_left[id(other)] = id(one)
        if isinstance(one, bytearray | array.array) and (
            one.tobytes() if isinstance(one, array.array) else bytes(one)
        ) != (other.tobytes() if isinstance(other, array.array) else bytes(other)):
            return f"{one!r:.80} and {other!r:.80}"
        if isinstance(one, array.array) and one.typecode != other.typecode:
            return f"arrays of {one.typecode} and {other.typecode}"
        ones, others = _children(one), _children(other)
        if len(ones) != len(others):
            return f"{len(ones)} and {len(others)} elements of {type(one)}"
        if isinstance(one, set | frozenset):  # which have no order
            same = {each: each for each in others}
            paired = [same.pop(each, None) if each in same else NOTHING for each in ones]
            left_over = iter(same.values())  # which equal nothing, not even themselves
            others = [next(left_over) if each is NOTHING else each for each in paired]
        stack += zip(ones, others, strict=True)
    return ""


def nested(kind: str, depth: int) -> Any:
    """Containers in containers, so deep that nothing may recurse."""
    value: Any = 1
    for _ in range(depth):
        match kind:
            case "list":
                value = [value]
            case "tuple":
                value = (value,)
            case "dict":
                value = {"k": value}
            case "pairs":
                value = {None: 0, "k": value}
                del value[None]
            case "slice":
                value = slice(None, value)
    return value


def depth_of(value: Any) -> int:
    depth = 0
    while value != 1:
        if isinstance(value, dict):
            value = value["k"]
        else:
            value = value.stop if isinstance(value, slice) else value[0]
        depth += 1
    return depth


def is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)
