"""Writes a MediaWiki dump of any number of pages, in the form of a real one: for tests and
measurements.

    python examples/search/generate.py --pages 1000000 OUT.xml
    python examples/search/generate.py --pages 20000 --text 4000 OUT.xml.bz2

The same numbers give the same file. Of every 125 titles two begin with "Quartz ", so of 1,000,000
exactly 16,000. A name that ends in .bz2 is packed as Wikipedia's multistream dumps are: a stream of
its own for every 100 pages.
"""

import argparse
import bz2
import os
import random
import sys
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from xml.sax.saxutils import escape

COMMON = "Quartz "
PAGES_PER_STREAM = 100
SYLLABLES = [a + b for a in "bcdfghjklmnprstvz"[:16] for b in "aeio"]
NAMESPACES = {
    -2: "Media",
    -1: "Special",
    0: "",
    1: "Talk",
    2: "User",
    3: "User talk",
    4: "Wikipedia",
    10: "Template",
    14: "Category",
    100: "Portal",
}
# How titles look besides plain words: with what XML escapes, with what addresses escape, in other
# alphabets.
FORMS = (
    [(0, "{}")] * 12
    + [(14, "Category:{}"), (1, "Talk:{}"), (10, "Template:{}"), (0, "{} & sons"), (0, "{} (film)")]
    + [
        (0, "{}/Archive 1"),
        (0, '"{}"'),
        (0, "{}'s 50% rule?"),
        (0, "Éa {}"),
        (0, "東京 {}"),
        (0, "Ωmega {}"),
    ]
    + [(0, "List of {}"), (0, "C++ <{}>"), (0, "{}#2+3=5; {{x}}")]
)


def name_of(number: int, seed: int) -> str:
    """Two words that no other number has, in no order."""
    mixed = (number * 2654435761 + seed * 40503) % (1 << 32)
    parts = [SYLLABLES[mixed >> shift & 63] for shift in (0, 6, 12, 18, 24)] + [
        SYLLABLES[mixed >> 30]
    ]
    cut = 2 + mixed % 3
    return f"{''.join(parts[:cut]).capitalize()} {''.join(parts[cut:])}"


def title_of(number: int, seed: int) -> tuple[int, str]:
    """A page's namespace and title."""
    name = name_of(number, seed)
    if number % 125 < 2:
        return 0, COMMON + name.lower()
    space, form = FORMS[number % len(FORMS)]
    return space, form.format(name)


def expected_common(pages: int) -> int:
    """How many titles begin with COMMON."""
    return pages // 125 * 2 + min(2, pages % 125)


def head() -> str:
    lines = [
        '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.10/"'
        ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
        ' xsi:schemaLocation="http://www.mediawiki.org/xml/export-0.10/'
        ' http://www.mediawiki.org/xml/export-0.10.xsd" version="0.10" xml:lang="en">',
        "  <siteinfo>",
        "    <sitename>Generated</sitename>",
        "    <dbname>generated</dbname>",
        "    <base>https://example.org/wiki/Main_Page</base>",
        "    <generator>allcores examples/search/generate.py</generator>",
        "    <case>first-letter</case>",
        "    <namespaces>",
    ]
    for key, name in NAMESPACES.items():
        end = f">{name}</namespace>" if name else " />"
        lines.append(f'      <namespace key="{key}" case="first-letter"{end}')
    return "\n".join([*lines, "    </namespaces>", "  </siteinfo>", ""])


def page(number: int, seed: int, corpus: str, text_bytes: int) -> str:
    space, title = title_of(number, seed)
    shown = escape(title, {'"': "&quot;"})
    other = escape(title_of(max(0, number - 1), seed)[1], {'"': "&quot;"})
    # Every eleventh is a redirect; the others' lengths go from a half to one and a half of what was
    # asked for.
    redirect = number % 11 == 10
    if redirect:
        text = f"#REDIRECT [[{other}]]"
    else:
        start = number * 7919 % (len(corpus) // 2)
        size = text_bytes // 2 + number * 104729 % (text_bytes + 1)
        # Not to end inside of an entity: from the space after the start up to the last one.
        start = corpus.index(" ", start) + 1
        body = corpus[start : corpus.rindex(" ", start, start + max(size, 80))]
        text = f"'''{shown}''' &lt;page&gt; is near [[{other}]].\n\n== Body ==\n{body}"
    target = f'    <redirect title="{other}" />\n' if redirect else ""
    day = f"{2001 + number % 15}-{1 + number % 12:02}-{1 + number % 28:02}T{number % 24:02}:50:23Z"
    return (
        f"  <page>\n    <title>{shown}</title>\n    <ns>{space}</ns>\n"
        f"    <id>{number + 10}</id>\n{target}"
        f"    <revision>\n      <id>{number * 3 + 600000}</id>\n"
        f"      <timestamp>{day}</timestamp>\n"
        f"      <contributor>\n        <username>User {number % 997}</username>\n"
        f"        <id>{number % 997}</id>\n      </contributor>\n"
        "      <comment>a &amp; b</comment>\n"
        "      <model>wikitext</model>\n      <format>text/x-wiki</format>\n"
        f'      <text xml:space="preserve">{text}</text>\n      <sha1>{number:031x}</sha1>\n'
        "    </revision>\n  </page>\n"
    )


def make_corpus(seed: int, size: int) -> str:
    """Text to cut articles from: words, links and what has to be escaped."""
    source = random.Random(seed)
    words: list[str] = []
    length = 0
    while length < size:
        word = "".join(source.choices(SYLLABLES, k=source.randint(1, 4)))
        chance = source.random()
        if chance < 0.03:
            word = f"[[{word.capitalize()}]]"
        elif chance < 0.04:
            word = f"&lt;ref&gt;{word} &amp; al.&lt;/ref&gt;"
        elif chance < 0.05:
            word = f"{word}.\n\n"
        words.append(word)
        length += len(word) + 1
    return " ".join(words)


def parts(pages: int, seed: int, text_bytes: int) -> Iterator[bytes]:
    """The dump in pieces: its head, then 100 pages at a time, then its end."""
    corpus = make_corpus(seed, 4 * text_bytes + 10_000)
    yield head().encode()
    for start in range(0, pages, PAGES_PER_STREAM):
        numbers = range(start, min(pages, start + PAGES_PER_STREAM))
        yield "".join([page(number, seed, corpus, text_bytes) for number in numbers]).encode()
    yield b"</mediawiki>\n"


def packed(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Each piece as a bzip2 stream, packed on all cores (bz2 lets go of the GIL), in order."""
    cores = os.process_cpu_count() or 1
    waiting: deque[Future[bytes]] = deque()
    with ThreadPoolExecutor(cores) as threads:
        for piece in pieces:
            waiting.append(threads.submit(bz2.compress, piece))
            if len(waiting) > 2 * cores:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def generate(path: Path, pages: int, seed: int = 1, text_bytes: int = 1000) -> None:
    """Write the dump; it is there whole or not at all."""
    pieces = parts(pages, seed, text_bytes)
    if path.suffix == ".bz2":
        pieces = packed(pieces)
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            file.writelines(pieces)
        part.rename(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], allow_abbrev=False)
    parser.add_argument("--pages", type=int, required=True, metavar="N")
    parser.add_argument(
        "--seed", type=int, default=1, metavar="N", help="another file for each (1)"
    )
    parser.add_argument(
        "--text", type=int, default=1000, metavar="BYTES", help="mean length of an article (1000)"
    )
    parser.add_argument("out", type=Path, metavar="OUT.xml[.bz2]")
    options = parser.parse_args()
    if options.pages < 0 or options.text < 2 or options.pages > 1 << 32:
        parser.error("--pages must be 0 to 4294967296, --text at least 2")
    try:
        generate(options.out, options.pages, options.seed, options.text)
    except OSError as error:
        print(f"generate: {options.out}: {(error.strerror or str(error)).lower()}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
