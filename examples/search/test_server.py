"""Every route of the running server, as a client sees it."""

import bz2
import html
import json
import random
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import generate
import pydocs
import pytest
import titles
from serving import Server

WEIRD = [
    "AC/DC",
    "/leading",
    "trailing/",
    "//twice//",
    "50% of it",
    "100%25",
    '"Quoted"',
    "it's",
    "What?",
    "C#",
    "a & b",
    "<b>bold</b>",
    "</script>",
    "x;y=z",
    "{{count}}",
    "{{query}}",
    "..",
    ".",
    "...",
    "a+b",
    "東京",
    "Ωmega",
    "Éa",
    "snow \u2603",
    "\U0001f600 face",
    "back\\slash",
    "tab:colon",
    "Straße",
]


@pytest.fixture(scope="module")
def weird(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Server]:
    """A server over a dump whose titles have everything in them that addresses, HTML and JSON treat
    specially.
    """
    pages = "".join(
        f"<page><title>{html.escape(title)}</title><id>{number}</id></page>\n"
        for number, title in enumerate(WEIRD)
    )
    dump = tmp_path_factory.mktemp("weird") / "weird.xml"
    dump.write_text(f"<mediawiki>\n{pages}</mediawiki>\n", "utf-8")
    with Server("--workers", "2", "--dump", dump, cache=cache) as server:
        yield server


def search(server: Server, prefix: str) -> tuple[int, list[str]]:
    answer, body = server.get(f"/title/{quote(prefix, safe='')}")
    assert answer.status == 200
    assert (answer.getheader("Content-Type") or "").startswith("application/json")
    found = json.loads(body)
    assert set(found) == {"count", "titles"}
    return found["count"], found["titles"]


def test_documentation_search(documentation: Server, cache: Path) -> None:
    index = pydocs.read(cache / "allcores" / "search" / pydocs.cache_name())
    assert titles.count(index) > 15_000
    for prefix in ("os.path.jo", "STR.", "append", "", "no such thing", "é"):
        assert search(documentation, prefix) == titles.search(index, prefix)
    assert search(documentation, "os.path.joi") == (1, ["os.path.join"])
    count, first = search(documentation, "s")
    assert count > 100 and len(first) == 100


def test_documentation_pages(documentation: Server, cache: Path) -> None:
    folder = cache / "allcores" / "search" / pydocs.cache_name()
    index = pydocs.read(folder)
    source = (folder / "source.txt").read_bytes()
    for row in random.Random(1).sample(range(titles.count(index)), 50):
        title = titles.reader(index)(row)
        start, stop = titles.place(index, row)
        answer, body = documentation.get(f"/page/{quote(title, safe='')}")
        assert answer.status == 200
        assert answer.getheader("Content-Type") == "text/plain; charset=utf-8"
        assert body == source[start:stop]
    assert documentation.get("/xml")[1] == source


def test_weird_titles(weird: Server) -> None:
    for number, title in enumerate(WEIRD):
        if title in (".", ".."):
            # A client may take these for steps in the path; the query has no such trouble.
            answer, body = weird.get(f"/page/?q={title}")
            found = json.loads(weird.get(f"/title/?q={title}")[1])["titles"]
        else:
            answer, body = weird.get(f"/page/{quote(title, safe='')}")
            found = search(weird, title)[1]
        assert (answer.status, title) == (200, title)
        assert answer.getheader("Content-Type") == "text/xml; charset=utf-8"
        assert ElementTree.fromstring(body).findtext("id") == str(number)
        assert title in found
        for safe in ("/", "/&=+$,;:@!'()*"):
            if title not in (".", ".."):
                assert weird.get(f"/page/{quote(title, safe=safe)}")[1] == body


def test_a_title_in_other_words(weird: Server) -> None:
    body = weird.get("/page/AC%2FDC")[1]
    for other in ("ac/dc", "Ac/Dc"):
        assert weird.get(f"/page/{other}")[1] == body
    assert weird.get("/page/A_%26_B")[1] == weird.get("/page/a%20%26%20b")[1]


def test_not_found(weird: Server) -> None:
    answer, body = weird.get("/page/AC%2FDCx%3Cscript%3E")
    text = body.decode()
    assert answer.status == 404
    assert (answer.getheader("Content-Type") or "").startswith("text/html")
    assert "AC/DCx&lt;script&gt;" in text and "<script" not in text
    assert '<a href="/page/AC%2FDC">AC/DC</a>' in text
    assert weird.get("/page/")[0].status == 404
    assert weird.get("/nowhere")[0].status == 404
    assert weird.get("/title/x", method="POST")[0].status == 405


def test_the_page_without_javascript(weird: Server) -> None:
    answer, body = weird.get("/")
    assert answer.status == 200
    assert answer.getheader("Content-Type") == "text/html; charset=utf-8"
    assert "{{" not in body.decode()
    for query in ("a", "<b>", '"', "{{", "</script>", "</", "\u6771", "."):
        text = weird.get(f"/?q={quote(query)}")[1].decode()
        _, expected = 0, json.loads(weird.get(f"/title/?q={quote(query)}")[1])["titles"]
        assert expected
        for title in expected:
            assert f">{html.escape(title)}</a>" in text
        assert f'value="{html.escape(query)}"' in text
        assert text.count("<script") == 1 and "<b>bold" not in text


def test_ranges_of_the_source(weird: Server) -> None:
    answer, whole = weird.get("/xml")
    size = len(whole)
    assert answer.status == 200 and answer.getheader("Accept-Ranges") == "bytes"
    assert answer.getheader("Content-Length") == str(size)
    for field, (first, last) in {
        "bytes=0-9": (0, 9),
        "bytes=100-199": (100, 199),
        f"bytes={size - 5}-": (size - 5, size - 1),
        "bytes=-7": (size - 7, size - 1),
        f"bytes=10-{size * 2}": (10, size - 1),
    }.items():
        answer, body = weird.get("/xml", headers={"Range": field})
        assert (answer.status, body) == (206, whole[first : last + 1])
        assert answer.getheader("Content-Range") == f"bytes {first}-{last}/{size}"
    answer, _ = weird.get("/xml", headers={"Range": f"bytes={size}-"})
    assert answer.status == 416
    assert answer.getheader("Content-Range") == f"bytes */{size}"


def test_head_and_conditions(weird: Server) -> None:
    answer, body = weird.get("/page/AC%2FDC")
    head, nothing = weird.get("/page/AC%2FDC", method="HEAD")
    assert (head.status, nothing) == (200, b"")
    assert head.getheader("Content-Length") == str(len(body))
    tag = answer.getheader("ETag")
    assert tag
    again, nothing = weird.get("/page/AC%2FDC", headers={"If-None-Match": tag})
    assert (again.status, nothing) == (304, b"")
    # Two articles of one file are not one thing.
    assert weird.get("/page/C%23", headers={"If-None-Match": tag})[0].status == 200


def test_answers_are_cached_for_all_workers(weird: Server) -> None:
    def cache() -> dict[str, int]:
        found: dict[str, int] = json.loads(weird.get("/stats")[1])["cache"]
        return found

    before = cache()
    first = search(weird, "a unique prefix")
    after = cache()
    assert after["misses"] == before["misses"] + 1
    assert after["entries"] == before["entries"] + 1
    # Each request on a connection of its own: whichever worker is free takes it.
    assert all(search(weird, "a unique prefix") == first for _ in range(20))
    last = cache()
    assert last["misses"] == after["misses"]
    assert last["hits"] == after["hits"] + 20


def test_stats(weird: Server) -> None:
    before = json.loads(weird.get("/stats")[1])
    for _ in range(20):
        weird.get("/title/a")
    after = json.loads(weird.get("/stats")[1])
    assert after["requests"] - before["requests"] >= 20
    assert sum(worker["requests"] for worker in after["workers"]) >= 20
    assert len(after["workers"]) == len({worker["interpreter"] for worker in after["workers"]}) == 2
    assert after["index"]["titles"] == len(WEIRD)
    assert 0 < after["memory"]["pss"] <= after["memory"]["rss"]
    assert 0 < after["latency"]["p50"] <= after["latency"]["p99"] < 5
    assert after["uptime"] >= before["uptime"]


def test_what_browsers_ask_for_by_themselves(weird: Server) -> None:
    kinds = {
        "/favicon.ico": "image/svg+xml",
        "/style.css": "text/css",
        "/search.js": "text/javascript",
        "/stats.js": "text/javascript",
        "/stats.html": "text/html",
    }
    for path, kind in kinds.items():
        answer, body = weird.get(path)
        assert answer.status == 200 and body
        assert (answer.getheader("Content-Type") or "").startswith(kind)


def test_wikipedia(real_dump: Path, cache: Path) -> None:
    plain = bz2.decompress(real_dump.read_bytes())
    expected = []
    for part in plain.split(b"<page>")[1:]:
        text = b"<page>" + part.partition(b"</page>")[0] + b"</page>"
        expected.append((ElementTree.fromstring(text).findtext("title") or "", text))
    assert len(expected) == 206
    with Server("--workers", "2", "--dump", real_dump, cache=cache) as server:
        assert search(server, "")[0] == 206
        for title, text in expected:
            assert server.get(f"/page/{quote(title, safe='')}")[1] == text
            assert title in search(server, title)[1]
        assert search(server, "alg")[1][0] == "Algae"
        assert server.get("/xml")[1] == plain
        assert server.end() == 0
    # The second time there is nothing to unpack.
    with Server("--workers", "2", "--dump", real_dump, cache=cache) as server:
        assert "unpacking" not in server.output()
        assert search(server, "")[0] == 206


def test_a_generated_dump(tmp_path: Path, cache: Path) -> None:
    dump = tmp_path / "dump.xml"
    generate.generate(dump, 20_000, text_bytes=100)
    with Server("--workers", "2", "--dump", dump, cache=cache) as server:
        count, first = search(server, generate.COMMON)
        assert count == generate.expected_common(20_000) == 320
        assert len(first) == 100 and first == sorted(first)
