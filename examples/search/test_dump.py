"""Pages found by searching, against an XML parser that reads every byte; and what is refused."""

import bz2
import io
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import dump
import generate
import pytest
import titles
import unpack
from dump import pages
from trouble import Trouble


class Here:
    """Instead of a pool: everything in this interpreter, in order."""

    workers = 3

    def map(self, function: Callable[..., Any], tasks: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
        for arguments in tasks:
            yield function(*arguments)


here: Any = Here()
HEAD = b'<mediawiki version="0.10">\n  <siteinfo><sitename>T</sitename></siteinfo>\n'
END = b"</mediawiki>\n"


def page(title: str, text: str = "", inside: str = "") -> bytes:
    head = f"  <page>\n    <title>{title}</title>\n{inside}"
    return f"{head}    <text>{text}</text>\n  </page>\n".encode()


def dump_file(folder: Path, *parts: bytes) -> Path:
    path = folder / "dump.xml"
    path.write_bytes(b"".join((HEAD, *parts, END)))
    return path


def serial(
    data: bytes, start: int = 0, stop: int | None = None, window: int = 1 << 20
) -> list[titles.Entry]:
    return list(pages(io.BytesIO(data), start, len(data) if stop is None else stop, window))


def parsed(data: bytes) -> list[tuple[str, str, str]]:
    """Title, id and text of every page, as the parser sees them."""
    found = []
    for _, element in ElementTree.iterparse(io.BytesIO(data)):
        if element.tag.rpartition("}")[2] == "page":
            found.append(described(element))
            element.clear()
    return found


def described(element: ElementTree.Element) -> tuple[str, str, str]:
    def text(path: str) -> str:
        return element.findtext(path.replace("/", "/{*}").replace("./", "./"), "") or ""

    return text("./title"), text("./id"), text("./revision/text")


def check_against_parser(data: bytes) -> None:
    found = serial(data)
    expected = parsed(data)
    assert [title for title, _, _ in found] == [title for title, _, _ in expected]
    alone = [described(ElementTree.fromstring(data[start:stop])) for _, start, stop in found]
    assert alone == expected
    assert any(text for _, _, text in expected)


def test_wikipedia_against_a_parser(real_dump: Path) -> None:
    data = bz2.decompress(real_dump.read_bytes())
    check_against_parser(data)
    assert len(serial(data)) == 206


def test_generated_against_a_parser() -> None:
    data = b"".join(generate.parts(500, 7, 400))
    check_against_parser(data)


def test_wikipedia_split_anywhere_near_a_boundary(real_dump: Path) -> None:
    data = bz2.decompress(real_dump.read_bytes())
    whole = serial(data)
    # Each boundary, the pages before and after it, and every split from well before to well after.
    for before, after in pairwise(whole):
        part = data[before[1] : after[2]]
        both = serial(part)
        assert len(both) == 2
        border = after[1] - before[1]
        for split in [*range(12), *range(border - 20, border + 12), len(part) - 3]:
            parts = serial(part, 0, split, 1 << 16) + serial(part, split, None, 1 << 16)
            assert parts == both, f"split at {before[1] + split}"


@pytest.mark.parametrize("window", [7, 64, 1 << 20])
def test_small_dump_split_at_every_byte(window: int) -> None:
    data = (
        HEAD
        + b"".join(
            [
                page("A &amp; B", "&lt;page&gt; <notapage>x</notapage>"),
                b"<page>\n<title>tight</title></page><page><title>tight 2</title></page>",
                page("É 東京"),
                b"<pages/> <page\n xml:id='x'>\n <title xml:space='preserve'> with   space "
                b"</title><ns>0</ns></page>",
                page("last", "x" * 40, '    <redirect title="tight" />\n'),
            ]
        )
        + END
    )
    whole = serial(data, window=window)
    assert [title for title, _, _ in whole] == [
        "A & B",
        "tight",
        "tight 2",
        "É 東京",
        "with space",
        "last",
    ]
    for _, start, stop in whole:
        assert data[start:stop].startswith(b"<page") and data[start:stop].endswith(b"</page>")
        ElementTree.fromstring(data[start:stop])
    for split in range(len(data) + 1):
        assert serial(data, 0, split, window) + serial(data, split, None, window) == whole


def test_a_long_page_needs_no_more_memory_than_a_window() -> None:
    class Counting(io.BytesIO):
        longest = 0

    data = HEAD + page("long", "x" * 5_000_000) + page("next") + END
    window = dump.Window(Counting(data), 0, 4096)
    position = window.find(dump.PAGE, 0)
    end = window.find(dump.PAGE_END, position)
    assert len(window.data) <= 2 * 4096
    assert data[end : end + 7] == b"</page>"
    assert [title for title, _, _ in serial(data, window=4096)] == ["long", "next"]


def test_parallel_build_is_the_serial_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "dump.xml"
    generate.generate(path, 3000, seed=3, text_bytes=200)
    expected = titles.pack(serial(path.read_bytes()))
    assert titles.count(expected) == 3000
    size = path.stat().st_size
    for step in (size // 2, 10_007, 997):
        pieces = [(start, min(size, start + step)) for start in range(0, size, step)]
        monkeypatch.setattr(dump, "ranges", lambda *_, pieces=pieces: pieces)
        monkeypatch.setattr(dump.merge_runs, "__defaults__", (250,))
        assert dump.build(path, here) == (expected, 3000)


def test_merged_piece_by_piece_titles_in_many_runs() -> None:
    runs = [
        titles.pack((f"t {number % 40:02}", 1000 * run + number, 0) for number in range(60))
        for run in range(9)
    ]
    assert dump.merge_runs(runs, here, rows_per_part=7) == titles.merge(runs)


def test_titles_that_are_there_twice(tmp_path: Path) -> None:
    path = dump_file(tmp_path, page("one", "first"), page("two"), page("one", "second"))
    index, count = dump.build(path, here)
    assert (titles.count(index), count) == (2, 3)
    row = titles.find(index, "one")
    assert row is not None
    start, stop = titles.place(index, row)
    assert b"second" in path.read_bytes()[start:stop]


def test_title_without_content_is_no_title(tmp_path: Path) -> None:
    path = dump_file(tmp_path, b"<page><title /><id>1</id></page>", page("one"))
    index, _ = dump.build(path, here)
    assert titles.titles(index, 0, titles.count(index)) == ["one"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"hello", "is not a MediaWiki dump"),
        (b"<html><page><title>x</title></page></html>", "is not a MediaWiki dump"),
        (b"\x1f\x8b\x08rest", "is compressed with gzip"),
        (b"7z\xbc\xaf\x27\x1c", "is compressed with 7-Zip"),
        (HEAD + END, "has no pages"),
        (HEAD + page("a"), "is cut off: it does not end with </mediawiki>"),
        (HEAD + page("a") + page("b")[:-12], "is cut off"),
        (HEAD + b"<page><ns>0</ns><title>x</title></page>" + END, "does not begin with a title"),
    ],
)
def test_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "dump.xml"
    path.write_bytes(content)
    with pytest.raises(Trouble) as caught:
        dump.check(path)
        dump.build(path, here)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_dump_cut_off_at_any_byte_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "dump.xml"
    whole = HEAD + page("a", "text") + page("b") + END
    for size in range(len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(Trouble):
            dump.check(path)
            dump.build(path, here)


def unpacked(source: Path) -> bytes:
    target = source.with_name("plain.xml")
    target.unlink(missing_ok=True)
    unpack.unpack(source, target, here)
    return target.read_bytes()


def random_text(size: int) -> bytes:
    return generate.make_corpus(5, size).encode()[:size]


STREAMS = {
    "one stream, many blocks": [(random_text(900_000), 1)],
    "many streams": [(random_text(200_000)[at * 5000 :][:5000], 9) for at in range(30)],
    "an empty stream between": [(b"a" * 100, 9), (b"", 9), (b"b", 5)],
    "nothing": [(b"", 9)],
    "one letter for long": [(b"x" * 3_000_000, 9)],
}


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("step", [50, 1 << 20])
def test_unpacking(tmp_path: Path, name: str, step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # It must be the parallel way that does it.
    monkeypatch.setattr(unpack, "in_order", None)
    monkeypatch.setattr(unpack.marks, "__defaults__", (step,))
    path = tmp_path / "dump.xml.bz2"
    path.write_bytes(b"".join(bz2.compress(data, level) for data, level in STREAMS[name]))
    assert unpacked(path) == b"".join(data for data, _ in STREAMS[name])


def test_unpacking_wikipedia(
    tmp_path: Path, real_dump: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpack, "in_order", None)
    path = tmp_path / "dump.xml.bz2"
    path.write_bytes(real_dump.read_bytes())
    assert unpacked(path) == bz2.decompress(real_dump.read_bytes())


def test_bytes_after_the_last_stream_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "dump.xml.bz2"
    path.write_bytes(bz2.compress(b"content") + b"something else")
    assert unpacked(path) == b"content"


def test_a_mark_by_chance_in_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = random_text(400_000)
    path = tmp_path / "dump.xml.bz2"
    path.write_bytes(bz2.compress(data, 1))
    real = unpack.marks
    for is_end in (False, True):
        monkeypatch.setattr(
            unpack,
            "marks",
            lambda file, is_end=is_end: iter(sorted([*real(file), (12_345, is_end)])),
        )
        assert unpacked(path) == data


def test_cut_off_and_damaged(tmp_path: Path) -> None:
    packed = bz2.compress(random_text(300_000), 1) + bz2.compress(b"second")
    path = tmp_path / "dump.xml.bz2"
    for size in (4, 5, 30, len(packed) // 2, len(packed) - 1, len(packed) - 12):
        path.write_bytes(packed[:size])
        with pytest.raises(Trouble, match="is cut off"):
            unpacked(path)
        assert not (tmp_path / "plain.xml").exists()
    damaged = bytearray(packed)
    damaged[len(packed) // 3] ^= 4
    path.write_bytes(damaged)
    with pytest.raises(Trouble, match="is damaged"):
        unpacked(path)


def test_generator(tmp_path: Path) -> None:
    for count in (0, 1, 250, 1001):
        path, again = tmp_path / "a.xml", tmp_path / "b.xml"
        generate.generate(path, count, text_bytes=100)
        generate.generate(again, count, text_bytes=100)
        assert path.read_bytes() == again.read_bytes()
        names = [title for title, _, _ in serial(path.read_bytes())]
        assert len(set(names)) == len(names) == count
        common = [name for name in names if name.startswith(generate.COMMON)]
        assert len(common) == generate.expected_common(count)
    generate.generate(tmp_path / "c.xml.bz2", 1001, text_bytes=100)
    assert bz2.decompress((tmp_path / "c.xml.bz2").read_bytes()) == path.read_bytes()
    generate.generate(again, 1001, seed=2, text_bytes=100)
    assert path.read_bytes() != again.read_bytes()
    assert generate.expected_common(1_000_000) == 16_000
