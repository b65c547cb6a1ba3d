"""Persistent maps, lists and sets with keys in Python."""

import rpds


class Key:
    def __init__(self, number: int) -> None:
        self.number = number

    def __hash__(self) -> int:
        return self.number % 3

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and other.number == self.number


def work() -> object:
    table = rpds.HashTrieMap()
    for i in range(500):
        table = table.insert(Key(i), str(i))
    smaller = table.remove(Key(7))
    items = rpds.List([1, 2, 3]).push_front(0)
    both = rpds.HashTrieSet([1, 2]).union(rpds.HashTrieSet([2, 3]))
    return table[Key(300)], len(smaller), Key(7) in smaller, list(items), sorted(both)
