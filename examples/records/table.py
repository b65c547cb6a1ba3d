"""A million records that are made up, and the two ways to find one: by number and by name."""

from bisect import bisect_left
from typing import Any

import allcores

SYLLABLES = tuple(start + end for start in "bdfklmnrs" for end in "aio")  # 27
CITIES = ("Accra", "Bogotá", "Hanoi", "Izmir", "Kyiv", "Lima", "Oslo", "Pune", "Turin", "Zürich")

# A record: number, name, city, balance in cents.
Record = tuple[int, str, str, int]


def name_of(number: int) -> str:
    """Every number has a name of its own, and their order is another one."""
    left, parts = number * 7919 % 14_348_907, []  # 27 to the power of 5, which 7919 doesn't divide
    for _ in range(5):
        left, which = divmod(left, 27)
        parts.append(SYLLABLES[which])
    return "".join(parts).capitalize()


def make(count: int) -> Any:
    """The frozen table: all records, and their names in order with whose they are."""
    records = [
        (number, name_of(number), CITIES[number % 10], number * 37 % 1_000_003 - 100_000)
        for number in range(count)
    ]
    order = sorted(range(count), key=lambda number: records[number][1])
    names = [records[number][1] for number in order]
    return allcores.freeze({"records": records, "order": order, "names": names})


def search(table: Any, prefix: str, limit: int) -> list[Record]:
    """The first records whose names begin like that, by name."""
    names, order = table["names"], table["order"]
    found: list[Record] = []
    for at in range(bisect_left(names, prefix), len(names)):
        if len(found) == limit or not names[at].startswith(prefix):
            break
        found.append(table["records"][order[at]])
    return found
