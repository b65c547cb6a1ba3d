"""The index against the simplest thing that gives the same answers."""

from collections.abc import Iterable

import titles
from hypothesis import given
from hypothesis import strategies as st

NAMES = [
    "Zebra",
    "zebra",
    "ZEBRA (film)",
    "Éa",
    "éb",
    "E\u0301c",
    "Straße",
    "STRASSE 2",
    "東京",
    "東京タワー",
    "AC/DC",
    "AT&T",
    "50% of it",
    '"Quoted"',
    "it's",
    "_private",
    "a b",
    "a_b",
    "A",
    "a",
    "İstanbul",
    "ﬁne",
]
words = st.text(st.sampled_from("aAbBéÉßİ 東_/"), min_size=1, max_size=5)


def index_of(names: Iterable[str]) -> titles.Index:
    return titles.pack((name, 10 * at, 10 * at + 5) for at, name in enumerate(names))


def all_titles(index: titles.Index) -> list[str]:
    return titles.titles(index, 0, titles.count(index))


def naive(names: Iterable[str], prefix: str) -> list[str]:
    wanted = titles.key(prefix)
    found = {name for name in names if titles.key(name).startswith(wanted)}
    return sorted(found, key=lambda name: (titles.key(name), name))


def test_every_prefix_of_every_title() -> None:
    index = index_of(NAMES)
    for name in NAMES:
        for size in range(len(name) + 1):
            expected = naive(NAMES, name[:size])
            assert titles.search(index, name[:size]) == (len(expected), expected[:100])
            assert titles.search(index, name[:size].upper())[0] == len(
                naive(NAMES, name[:size].upper())
            )
    assert titles.search(index, "no such") == (0, [])


def test_at_most_the_limit_is_listed_and_all_are_counted() -> None:
    names = [f"item {number:04}" for number in range(1000)]
    assert titles.search(index_of(names), "ITEM") == (1000, names[:100])
    assert titles.search(index_of(names), "item 05", limit=3) == (100, names[500:503])


def test_find_and_place() -> None:
    index = index_of(NAMES)
    for at, name in enumerate(NAMES):
        row = titles.find(index, name)
        assert row is not None
        assert titles.titles(index, row, row + 1) == [name]
        assert titles.place(index, row) == (10 * at, 10 * at + 5)
    assert titles.find(index, "nothing") is None
    assert titles.find(index, "") is None


def test_find_goes_by_case_only_when_the_very_title_is_missing() -> None:
    index = index_of(["Zebra", "zebra", "Straße", "new york", "snake_case"])

    def found(wanted: str) -> str | None:
        row = titles.find(index, wanted)
        return None if row is None else titles.reader(index)(row)

    assert found("zebra") == "zebra"
    assert found("Zebra") == "Zebra"
    assert found("ZEBRA") == "Zebra"
    assert found("STRASSE") == "Straße"
    assert found("New_York") == "new york"
    assert found("Snake_Case") == "snake_case"


def test_of_two_pages_with_one_title_the_later_wins() -> None:
    entries = [("a", 0, 5), ("b", 5, 9), ("a", 9, 20)]
    for order in (entries, entries[::-1]):
        index = titles.pack(order)
        assert list(titles.entries(index)) == [("a", 9, 20), ("b", 5, 9)]


def test_similar() -> None:
    index = index_of(["computer", "computer science", "compute", "zoo"])
    assert titles.similar(index, "computr") == ["compute", "computer", "computer science"]
    assert titles.similar(index, "zebra") == ["zoo"]
    assert titles.similar(index, "xylophone") == []


def test_empty_index() -> None:
    for index in (titles.EMPTY, titles.pack([]), titles.join([]), titles.merge([])):
        assert titles.count(index) == 0
        assert titles.search(index, "") == (0, [])
        assert titles.find(index, "a") is None
        assert titles.similar(index, "abc") == []


@given(st.lists(words, max_size=30), words)
def test_any_titles_any_prefix(names: list[str], prefix: str) -> None:
    expected = naive(names, prefix)
    assert titles.search(index_of(names), prefix) == (len(expected), expected)


@given(st.lists(words, max_size=30), st.integers(0, 30), st.integers(0, 30))
def test_cut_join_and_merge_change_nothing(names: list[str], one: int, two: int) -> None:
    index = index_of(names)
    size = titles.count(index)
    low, high = sorted((min(one, size), min(two, size)))
    parts = [titles.cut(index, *rows) for rows in ((0, low), (low, high), (high, size))]
    assert titles.join(parts) == index
    assert titles.merge(parts[::-1]) == index


def test_bytes_a_title() -> None:
    names = [f"title number {number}" for number in range(1000)]
    index = index_of(names)
    text = sum(len(name.encode()) + 1 for name in names)
    assert sum(map(len, index)) == text + 24 * len(names) + 8
    assert all_titles(index) == sorted(names)
