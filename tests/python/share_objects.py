"""Objects that the tests of sharing share: imported in every interpreter."""

import asyncio
import builtins
from typing import Any

import allcores


class Counter:
    """A little of everything."""

    def __init__(self, number: int = 0) -> None:
        self.number = number
        self.kept: Any = None

    def add(self, amount: int = 1) -> int:
        self.number += amount
        return self.number

    def keywords(self, *args: Any, **kwargs: Any) -> Any:
        return args, kwargs

    def itself(self) -> Counter:
        return self

    def keep(self, value: Any) -> None:
        self.kept = value

    def is_kept(self) -> bool:
        return self.kept is self

    def raises(self) -> None:
        raise KeyError("there")

    def opens(self) -> Any:
        return open(__file__)

    def shares(self) -> Any:
        return allcores.share(Counter(100))

    def call(self, function: Any, *args: Any) -> Any:
        return function(*args)

    def where(self) -> str:
        return interpreter_name()

    @staticmethod
    def static(value: int) -> tuple[int, str]:
        return value, interpreter_name()

    @classmethod
    def kind(cls) -> tuple[str, str]:
        return cls.__name__, interpreter_name()

    @property
    def half(self) -> float:
        return self.number / 2

    def __len__(self) -> int:
        return self.number

    def __iadd__(self, other: int) -> Counter:
        self.number += other
        return self

    async def soon(self, value: Any) -> Any:
        await asyncio.sleep(0)
        return value, interpreter_name()

    async def fails(self) -> None:
        await asyncio.sleep(0)
        raise LookupError("later")

    async def never(self) -> None:
        self.number = -1
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.number = -2
            raise

    async def numbers(self, count: int) -> Any:
        for number in range(count):
            yield number


class Context:
    def __init__(self) -> None:
        self.seen: list[Any] = []

    def __enter__(self) -> str:
        self.seen.append(("enter", interpreter_name()))
        return "entered"

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> bool:
        self.seen.append((kind and kind.__name__, error and str(error), traceback))
        return kind is ZeroDivisionError


class AsyncContext(Context):
    async def __aenter__(self) -> str:
        return self.__enter__()

    async def __aexit__(self, *error: Any) -> bool:
        return self.__exit__(*error)


class Asynchronous:
    """Asynchronous iteration."""

    def __init__(self, count: int) -> None:
        self.left = count

    def __aiter__(self) -> Asynchronous:
        return self

    async def __anext__(self) -> int:
        if not self.left:
            raise StopAsyncIteration
        self.left -= 1
        return self.left


class Matrix:
    def __matmul__(self, other: Any) -> Any:
        return "matmul", other

    def __rmatmul__(self, other: Any) -> Any:
        return "rmatmul", other


class Arrays:
    """What NumPy asks for."""

    __array_struct__ = "an address"

    @property
    def __array_interface__(self) -> Any:
        return {"data": (4711, False)}

    def __array__(self, dtype: Any = None, *, copy: bool | None = None) -> Any:
        return self if dtype is None else [dtype, copy]

    def __array_ufunc__(self, *_: Any) -> Any:
        return NotImplemented


class Floats:
    def __init__(self, value: float) -> None:
        self.value = value

    def __float__(self) -> float:
        return self.value


class Compares:
    def __eq__(self, other: object) -> bool:
        raise TypeError("not with me")

    __hash__ = object.__hash__


class Dying:
    """Says where it died."""

    def __init__(self, deaths: Any) -> None:
        self.deaths = deaths

    def __del__(self) -> None:
        self.deaths.push(interpreter_name())


class CallsAtDeath:
    def __init__(self, proxy: Any) -> None:
        self.proxy = proxy

    def __del__(self) -> None:
        self.proxy.add(1000)


class Pair:
    """Calls another one, which may call back."""

    def __init__(self) -> None:
        self.other: Any = None
        self.calls = 0

    def meet(self, other: Any) -> None:
        self.other = other

    def bounce(self, depth: int) -> int:
        self.calls += 1
        return 0 if depth == 0 else 1 + int(self.other.bounce(depth - 1))


class Local:
    """What is kept with a thread state counts the visits with the same one."""

    def __init__(self) -> None:
        import threading

        self.local = threading.local()

    def visits(self) -> int:
        self.local.count = getattr(self.local, "count", 0) + 1
        return int(self.local.count)


class Waiting:
    def wait(self, inside: Any) -> None:
        import time

        inside.set()
        while True:
            time.sleep(0.001)


def call_for_ever(proxy: Any) -> None:
    while True:
        proxy.add()


def interpreter_name() -> str:
    """Of the one that this code runs in."""
    return _name


_name = "main"


def set_name(name: str) -> None:
    global _name
    _name = name


def make(kind: str, *args: Any) -> Any:
    """A proxy of a new object of this interpreter."""
    return allcores.share((globals().get(kind) or getattr(builtins, kind))(*args))


def share_value(value: Any) -> Any:
    return allcores.share(value)
