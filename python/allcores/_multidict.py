"""Mappings with several values for a name: queries, forms and headers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import overload

__all__ = ["Headers", "MultiDict"]


class MultiDict[V = str](Mapping[str, V]):
    """A read-only mapping in which a name may have several values.

    As a mapping it has each name once, in the order of their first appearance, with its first
    value; `getlist` gives all values of a name and `multi_items` every pair as it came. Two are
    equal if every name has the same values in the same order; an ordinary mapping is equal if no
    name has more than one.
    """

    __slots__ = ("_pairs", "_values")

    def __init__(self, pairs: Mapping[str, V] | Iterable[tuple[str, V]] = ()) -> None:
        if type(pairs) is not list:  # what the server gives, with no question asked
            if isinstance(pairs, MultiDict):
                pairs = pairs._pairs
            elif isinstance(pairs, Mapping):
                pairs = pairs.items()
        self._pairs: list[tuple[str, V]] = list(pairs)
        self._values: dict[str, list[V]] = {}
        self._fill()

    def _fill(self) -> None:
        values = self._values
        for name, value in self._pairs:
            if name in values:
                values[name].append(value)
            else:
                values[name] = [value]

    def __getitem__(self, name: str) -> V:
        return self._values[name][0]

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def getlist(self, name: str) -> list[V]:
        """All values of a name in their order; an empty list if there is none."""
        return list(self._values.get(name, ()))

    def multi_items(self) -> list[tuple[str, V]]:
        """Every name with every value, in the order in which they came."""
        return list(self._pairs)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, MultiDict):
            return self._values == other._values
        if isinstance(other, Mapping):
            return self._values == {name: [value] for name, value in other.items()}
        return NotImplemented

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._pairs!r})"


class Headers(MultiDict[str]):
    """The fields of a header: a `MultiDict` that ignores the case of names.

    As a mapping its names are in lower case; `multi_items` has them as they came.
    """

    __slots__ = ()

    def _fill(self) -> None:
        values = self._values
        for name, value in self._pairs:
            name = name.lower()
            if name in values:
                values[name].append(value)
            else:
                values[name] = [value]

    def __getitem__(self, name: str) -> str:
        try:
            return self._values[name.lower()][0]
        except KeyError:
            raise KeyError(name) from None

    @overload
    def get(self, name: str, default: None = None, /) -> str | None: ...
    @overload
    def get[T](self, name: str, default: str | T, /) -> str | T: ...
    def get[T](self, name: str, default: T | None = None, /) -> str | T | None:
        """The first value of a name, or the default."""
        values = self._values.get(name.lower())
        return default if values is None else values[0]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._values

    def getlist(self, name: str) -> list[str]:
        """All values of a name in their order; an empty list if there is none."""
        return super().getlist(name.lower())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Mapping) and not isinstance(other, Headers):
            other = Headers(other)
        return super().__eq__(other)
