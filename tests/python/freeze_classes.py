"""Classes that the tests freeze instances of; they have to be importable."""

import enum
from collections import namedtuple
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Point = namedtuple("Point", "x y")


class Typed(NamedTuple):
    name: str
    values: list[int]


class Odd(NamedTuple):
    name: str

    def __hash__(self) -> int:
        return 42


@dataclass
class User:
    name: str
    tags: list[str] = field(default_factory=list)
    friend: Any = None


@dataclass(frozen=True, slots=True)
class Key:
    a: int
    b: str


@dataclass
class Wrong(dict):  # type: ignore[type-arg]
    a: int = 1


class Color(enum.Enum):
    RED = 1
    GREEN = "green"
    BLUE = (0, 0, 255)
    NONE = None
    ROWS = [1, [2]]  # noqa: RUF012


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2**70


class Word(enum.StrEnum):
    HELLO = "hello"


class Access(enum.Flag):
    READ = 1
    WRITE = 2


class Twin(enum.Enum):
    RED = 1


class Outer:
    class Inner(enum.Enum):
        X = 1.5


class Hostile:
    """A dataclass-like trap: reading a field changes the containers that are being frozen."""


@dataclass
class Clearing:
    victim: Any

    def __getattribute__(self, name: str) -> Any:
        if name == "victim":
            victim = object.__getattribute__(self, "victim")
            victim.clear()
            return None
        return object.__getattribute__(self, name)


@dataclass
class Raising:
    value: int = 0

    def __getattribute__(self, name: str) -> Any:
        if name == "value":
            raise ValueError("no value today")
        return object.__getattribute__(self, name)
