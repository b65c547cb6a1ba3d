"""Random graphs of all that crosses between interpreters, the same for the same seed everywhere."""

import array
import datetime as dt
import decimal
import random
import uuid
from typing import Any


class Thing:
    def __init__(self, content: Any) -> None:
        self.content = content


class Name:
    """A key that is hashed and compared in Python."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __hash__(self) -> int:
        return hash(self.text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Name) and other.text == self.text

    def __repr__(self) -> str:
        return f"Name({self.text!r})"


def _atom(choose: random.Random) -> Any:
    n = choose.randrange(10**6)
    return choose.choice(
        [
            lambda: n,
            lambda: -n << choose.choice([0, 20, 60, 200]),
            lambda: n / 7,
            lambda: f"text {n}",
            lambda: "é€😀"[choose.randrange(3)] * (n % 50),
            lambda: b"b" * (n % 300),
            lambda: None,
            lambda: n % 2 == 0,
            lambda: complex(n, -n),
            lambda: (
                dt.datetime(2000, 1, 1, tzinfo=choose.choice([None, dt.UTC]))
                + dt.timedelta(seconds=n)
            ),
            lambda: dt.date.fromordinal(n + 1),
            lambda: decimal.Decimal(n) / 100,
            lambda: uuid.UUID(int=n),
            lambda: bytearray(n % 100),
            lambda: array.array("d", [n / 3] * (n % 20)),
            lambda: range(n),
            lambda: list(range(n % 60)),
            lambda: [n * 2**33 + i for i in range(n % 30)],
            lambda: [n / 9] * (n % 30),
            lambda: {f"k{i}": i for i in range(n % 40)},
            lambda: {n + i for i in range(n % 40)},
            lambda: "x" * (66_000 + n % 1000) if n % 20 == 0 else "",
            lambda: b"y" * (66_000 + n % 1000) if n % 20 == 0 else b"",
            lambda: bytearray(66_000 + n % 1000) if n % 20 == 0 else b"",
            lambda: array.array("i", [n]) * 17_000 if n % 20 == 0 else (),
        ]
    )()


def make(seed: int) -> Any:
    """A graph of some hundred objects, with what is shared and cycles."""
    choose = random.Random(seed)
    made: list[Any] = [_atom(choose) for _ in range(choose.randrange(10, 60))]
    mutable: list[Any] = []
    for _ in range(choose.randrange(5, 60)):
        some = [choose.choice(made) for _ in range(choose.randrange(8))]
        kind = choose.randrange(8 if choose.random() < 0.2 else 6)
        if kind == 0:
            made.append(some)
            mutable.append(some)
        elif kind == 1:
            made.append(tuple(some))
        elif kind == 2:
            table = {choose.choice([f"key {i}", i, (i, "x"), i / 3]): v for i, v in enumerate(some)}
            if some and choose.random() < 0.3:
                del table[next(iter(table))]
            made.append(table)
            mutable.append(table)
        elif kind == 3:
            made.append(frozenset(choose.randrange(10**9) for _ in some))
        elif kind == 4:
            made.append(slice(*(some + [None] * 3)[:3]))
        elif kind == 5:
            made.append({f"n{choose.randrange(10**6)}" for _ in some})
        elif kind == 6:
            # (What is pickled has its own copies: it must not be part of what is shared.)
            made.append(Thing([_atom(choose) for _ in range(3)]))
        else:
            made.append({Name(f"{i}"): _atom(choose) for i in range(len(some))})
    for each in mutable:
        if choose.random() < 0.2:
            other = choose.choice(mutable)
            if isinstance(each, list):
                each.append(other)
            else:
                each["cycle"] = other
    return made[-choose.randrange(1, 10) :]


def make_buffers(seed: int) -> list[Any]:
    """What can be handed over by itself, small and large, of other places in the heap each time."""
    choose = random.Random(seed)
    size = choose.choice([3, 500, 600, 5_000, 70_000, 300_000])
    return [
        bytearray(choose.randbytes(size)),
        array.array("i", range(size // 4 + 1)),
        [choose.randbytes(size), ["inside", seed], bytearray(size)],
    ]
