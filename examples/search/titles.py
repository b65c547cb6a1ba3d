"""The index: titles in order, searched by prefix, each with its range of the source file.

One index is a tuple of four bytes objects, so that it can be frozen and read in place by every
interpreter, and costs 24 bytes a title plus the title itself (a million strings would cost four
times that before anything is said about where each page is):

    text     the titles in UTF-8, in order, each followed by a newline
    begins   where each title begins in `text`, and the length of `text` at the end
    starts   where its page begins in the source file
    stops    where its page ends in the source file

The last three are native unsigned 64-bit numbers. The order is that of `key(title)`, then of the
title itself. A title occurs once. Nothing here knows about interpreters, servers or dumps.
"""

import unicodedata
from array import array
from bisect import bisect_left, bisect_right
from itertools import accumulate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

type Index = tuple[bytes, bytes, bytes, bytes]
type Entry = tuple[str, int, int]

EMPTY: Index = (b"", bytes(8), b"", b"")


def key(text: str) -> str:
    """What titles are compared by: their case folded, their accents composed."""
    return text.casefold() if text.isascii() else unicodedata.normalize("NFC", text).casefold()


def pack(entries: Iterable[Entry]) -> Index:
    """An index of (title, start, stop) in any order. Of entries with one title the last in the
    source wins.
    """
    rows = sorted((key(title), title, -start, stop) for title, start, stop in entries)
    text: list[str] = []
    starts, stops = array("Q"), array("Q")
    previous = None
    for _, title, start, stop in rows:
        if title != previous:
            text.append(title)
            starts.append(-start)
            stops.append(stop)
            previous = title
    encoded = [title.encode("utf-8", "surrogatepass") for title in text]
    lengths = (len(title) + 1 for title in encoded)
    begins = array("Q", accumulate(lengths, initial=0))
    encoded.append(b"")
    return b"\n".join(encoded), begins.tobytes(), starts.tobytes(), stops.tobytes()


def entries(index: Index, low: int = 0, high: int | None = None) -> Iterator[Entry]:
    """The rows of an index from `low` up to `high`, in order."""
    high = count(index) if high is None else high
    starts, stops = numbers(index[2])[low:high], numbers(index[3])[low:high]
    return zip(titles(index, low, high), starts, stops, strict=True)


def cut(index: Index, low: int, high: int) -> Index:
    """The rows from `low` up to `high` as an index of their own."""
    text, begins, starts, stops = index
    where = numbers(begins)[low : high + 1]
    shifted = array("Q", [begin - where[0] for begin in where])
    return (
        text[where[0] : where[-1]],
        shifted.tobytes(),
        starts[8 * low : 8 * high],
        stops[8 * low : 8 * high],
    )


def join(parts: Iterable[Index]) -> Index:
    """One index of parts that are in order already: each part's titles come after those of the part
    before.
    """
    texts, starts, stops = [], [], []
    begins = array("Q", [0])
    for text, part_begins, part_starts, part_stops in parts:
        base = begins[-1]
        begins.extend(array("Q", [base + begin for begin in numbers(part_begins)[1:]]))
        texts.append(text)
        starts.append(part_starts)
        stops.append(part_stops)
    return b"".join(texts), begins.tobytes(), b"".join(starts), b"".join(stops)


def merge(parts: Iterable[Index]) -> Index:
    """One index of parts whose titles overlap."""
    return pack(entry for part in parts for entry in entries(part))


def numbers(column: bytes) -> memoryview[int]:
    return memoryview(column).cast("Q")


def count(index: Index) -> int:
    """How many titles the index has."""
    return len(index[2]) // 8


def reader(index: Index) -> Callable[[int], str]:
    """A function from a row's number to its title."""
    text, begins = index[0], numbers(index[1])

    def title(row: int) -> str:
        return text[begins[row] : begins[row + 1] - 1].decode("utf-8", "surrogatepass")

    return title


def titles(index: Index, low: int, high: int) -> list[str]:
    """The titles of the rows from `low` up to `high`: one slice, however many."""
    if low >= high:
        return []
    begins = numbers(index[1])
    return index[0][begins[low] : begins[high] - 1].decode("utf-8", "surrogatepass").split("\n")


def range_of_key(index: Index, wanted: str) -> int:
    """The first row whose key is not before `wanted`, itself a key."""
    title = reader(index)
    return bisect_left(range(count(index)), wanted, key=lambda row: key(title(row)))


def range_of_prefix(index: Index, prefix: str) -> tuple[int, int]:
    """The rows whose title begins with the prefix, whatever its case: from the first up to the
    second number.
    """
    wanted = key(prefix)
    if not wanted:
        return 0, count(index)
    title = reader(index)
    size = len(wanted)
    rows = range(count(index))
    low = bisect_left(rows, wanted, key=lambda row: key(title(row)))
    high = bisect_right(rows, wanted, lo=low, key=lambda row: key(title(row))[:size])
    return low, high


def search(index: Index, prefix: str, limit: int = 100) -> tuple[int, list[str]]:
    """How many titles begin with the prefix, and the first of them."""
    low, high = range_of_prefix(index, prefix)
    return high - low, titles(index, low, min(high, low + limit))


def find(index: Index, wanted: str) -> int | None:
    """The row of a title: the very title, else one that differs only in case or has spaces for
    underscores.
    """
    title = reader(index)
    rows = range(count(index))
    spaced = wanted.replace("_", " ")
    for candidate in dict.fromkeys((wanted, spaced)):
        order = (key(candidate), candidate)

        def pair(row: int) -> tuple[str, str]:
            text = title(row)
            return key(text), text

        row = bisect_left(rows, order, key=pair)
        if row < len(rows) and title(row) == candidate:
            return row
    for candidate in dict.fromkeys((wanted, spaced)):
        row = range_of_key(index, key(candidate))
        if row < len(rows) and key(title(row)) == key(candidate):
            return row
    return None


def place(index: Index, row: int) -> tuple[int, int]:
    """Where the page of a row is in the source file: its first byte, and the one after its last."""
    return numbers(index[2])[row], numbers(index[3])[row]


def similar(index: Index, wanted: str, limit: int = 10) -> list[str]:
    """Titles that begin like the wanted one: those that share the longest beginning with it."""
    for size in range(len(wanted), 0, -1):
        found, first = search(index, wanted[:size], limit)
        if found:
            return first
    return []
