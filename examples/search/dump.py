"""A MediaWiki dump in XML: the title and the range of bytes of each page, found by searching, not
by parsing.

Why that is exact: the text of a dump is escaped, so `<page` followed by `>` or a space is a page's
beginning and nothing else, wherever one starts to look. So the file can be cut anywhere: each range
has the pages that *begin* in it, and reads on beyond its end to finish the last of them. A page's
title is its first element (the format's schema says so). What is held in memory is one window of
the file, however long a page is.
"""

import html
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import titles
from pool import Pool
from progress import Progress
from titles import Entry, Index
from trouble import Trouble, reason

WINDOW = 1 << 20
# From a page's beginning to the end of its title; MediaWiki's longest title has 255 bytes.
LONGEST_HEAD = 1 << 14
ROWS_PER_PART = 200_000

PAGE = b"<page"
PAGE_END = b"</page>"
HEAD = re.compile(rb"<page(?:\s[^>]*)?>\s*<title(?:\s*/>|(?:\s[^>]*)?>([^<]*)</title\s*>)")
COMPRESSED = {
    b"\x1f\x8b": "gzip",
    b"7z\xbc\xaf": "7-Zip",
    b"\xfd7zX": "xz",
    b"(\xb5/\xfd": "Zstandard",
    b"PK\x03\x04": "ZIP",
}


class Window:
    """A file seen through one buffer that moves forward only. Positions are those of the file."""

    def __init__(self, file: BinaryIO, position: int, size: int = WINDOW) -> None:
        self.file, self.base, self.size = file, position, size
        self.data = b""
        file.seek(position)

    def more(self, keep: int) -> bool:
        """Read on, keeping what is at and after `keep`. False at the end of the file."""
        new = self.file.read(self.size)
        if not new:
            return False
        self.data = self.data[max(0, keep - self.base) :] + new
        self.base = max(keep, self.base)
        return True

    def find(self, token: bytes, position: int) -> int:
        """Where `token` next begins, from `position` on; -1 when it does not. What is before that
        may be forgotten.
        """
        while True:
            found = self.data.find(token, position - self.base)
            if found >= 0:
                return self.base + found
            position = max(position, self.base + len(self.data) - len(token) + 1)
            if not self.more(position):
                return -1

    def take(self, position: int, length: int) -> bytes:
        """`length` bytes from `position` on, fewer at the end of the file; nothing from there on is
        forgotten.
        """
        while self.base + len(self.data) < position + length and self.more(position):
            pass
        return self.data[position - self.base : position - self.base + length]


def pages(file: BinaryIO, start: int, stop: int, window_size: int = WINDOW) -> Iterator[Entry]:
    """The title, first byte and byte after the last of each page that begins at or after `start`
    and before `stop`.
    """
    window = Window(file, start, window_size)
    position = start
    while True:
        # Nearly all pages: those that are whole in the window.
        data, base = window.data, window.base
        at = position - base
        while (first := data.find(PAGE, at)) >= 0 and base + first < stop:
            match = HEAD.match(data, first)
            if match is None or (last := data.find(PAGE_END, match.end())) < 0:
                break
            at = last + len(PAGE_END)
            title = title_of(match[1] or b"")
            if title:
                yield title, base + first, base + at
        position = base + at
        # One page that is not, or the end.
        begin = window.find(PAGE, position)
        if begin < 0 or begin >= stop:
            return
        head = window.take(begin, len(PAGE) + 1)
        if len(head) > len(PAGE) and head[-1] not in b"> \t\r\n":
            position = begin + len(PAGE)
            continue
        head = window.take(begin, min(LONGEST_HEAD, 512))
        match = HEAD.match(head)
        if match is None:
            head = window.take(begin, LONGEST_HEAD)
            match = HEAD.match(head)
        if match is None:
            if len(head) < LONGEST_HEAD and PAGE_END not in head:
                raise Trouble(
                    f"is cut off: it ends inside of the page that begins at byte {begin:,}"
                )
            raise Trouble(f"the page at byte {begin:,} does not begin with a title")
        end = window.find(PAGE_END, begin + match.end())
        if end < 0:
            raise Trouble(f"is cut off: it ends inside of the page that begins at byte {begin:,}")
        position = end + len(PAGE_END)
        title = title_of(match[1] or b"")
        if title:
            yield title, begin, position


def title_of(raw: bytes) -> str:
    """What a title element's content means: entities replaced, white space as one space."""
    text = raw.decode("utf-8", "replace")
    if "&" in text:
        text = html.unescape(text)
    return text if text.isalnum() else " ".join(text.split())


def index_range(path: str, start: int, stop: int) -> tuple[str | None, int, Index]:
    """An index of the pages of one range, made in whatever interpreter this is called in.

    The first item says what is wrong with the file, if something is; the second how many pages were
    seen.
    """
    try:
        with open(path, "rb", buffering=0) as file:
            found = list(pages(file, start, stop))
    except Trouble as trouble:
        return str(trouble), 0, titles.EMPTY
    except OSError as error:
        return f"cannot be read: {reason(error)}", 0, titles.EMPTY
    return None, len(found), titles.pack(found)


def merge_parts(*parts: Index) -> Index:
    return titles.merge(parts)


def check(path: Path) -> None:
    """Raise Trouble unless the file looks like a whole MediaWiki dump."""
    with path.open("rb") as file:
        first = file.read(4096)
        size = os.fstat(file.fileno()).st_size
        file.seek(max(0, size - 4096))
        last = file.read()
    if not first:
        raise Trouble("is empty")
    for magic, name in COMPRESSED.items():
        if first.startswith(magic):
            raise Trouble(
                f"is compressed with {name}; unpack it first (.xml and .xml.bz2 are read)"
            )
    if b"<mediawiki" not in first:
        raise Trouble("is not a MediaWiki dump: it does not begin with <mediawiki")
    if not last.rstrip().endswith(b"</mediawiki>"):
        raise Trouble("is cut off: it does not end with </mediawiki>")


def ranges(size: int, workers: int) -> list[tuple[int, int]]:
    """The file in pieces: enough for everybody to be busy and the bar to move, few enough to be
    worth a call each.
    """
    step = max(1 << 20, min(64 << 20, size // (workers * 32) + 1))
    return [(start, min(size, start + step)) for start in range(0, size, step)]


def build(path: Path, pool: Pool) -> tuple[Index, int]:
    """The index of a dump, made by all interpreters of the pool, and how many pages it has."""
    size = path.stat().st_size
    runs: list[Index] = []
    page_count = 0
    with Progress("reading", size) as progress:
        pieces = ranges(size, pool.workers)
        results = pool.map(index_range, ((str(path), start, stop) for start, stop in pieces))
        for (_, stop), (wrong, seen, run) in zip(pieces, results, strict=True):
            if wrong is not None:
                raise Trouble(wrong)
            page_count += seen
            if titles.count(run):
                runs.append(run)
            progress.update(stop, f"{page_count:,} pages")
    check(path)
    if not runs:
        raise Trouble("has no pages")
    return merge_runs(runs, pool), page_count


def merge_runs(runs: list[Index], pool: Pool, rows_per_part: int = ROWS_PER_PART) -> Index:
    """One index of many, merged piece by piece: each piece has the titles between two keys, from
    every run.
    """
    if len(runs) == 1:
        return runs[0]
    total = sum(map(titles.count, runs))
    borders = border_keys(runs, -(-total // rows_per_part))
    cuts = [
        [0, *(titles.range_of_key(run, border) for border in borders), titles.count(run)]
        for run in runs
    ]
    tasks = (
        tuple(
            titles.cut(run, rows[piece], rows[piece + 1])
            for run, rows in zip(runs, cuts, strict=True)
            if rows[piece] < rows[piece + 1]
        )
        for piece in range(len(borders) + 1)
    )
    with Progress("sorting", total, "titles") as progress:
        parts = []
        done = 0
        for part in pool.map(merge_parts, tasks):
            parts.append(part)
            done += titles.count(part)
            progress.update(done)
    return titles.join(parts)


def border_keys(runs: list[Index], pieces: int) -> list[str]:
    """Keys that cut all runs together into pieces of about one size, from a sample of each run."""
    if pieces < 2:
        return []
    sample: list[str] = []
    total = sum(map(titles.count, runs))
    step = max(1, total // (pieces * 100))
    for run in runs:
        title = titles.reader(run)
        sample.extend(titles.key(title(row)) for row in range(0, titles.count(run), step))
    sample.sort()
    chosen = [sample[len(sample) * piece // pieces] for piece in range(1, pieces)]
    return list(dict.fromkeys(chosen))
