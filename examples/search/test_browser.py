"""The pages in a real browser, without a mouse."""

from collections.abc import Iterator
from pathlib import Path

import browser
import pytest
from browser import DOWN, ENTER, ESCAPE, UP, Browser
from serving import Server

LISTED = "return [...document.querySelectorAll('#results [role=option]')].map(o => o.dataset.title)"
CHOSEN = "return document.querySelector('#results [aria-selected=true]')?.dataset.title ?? null"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    missing = browser.missing()
    if missing:
        pytest.skip(missing)
    with Browser() as opened:
        yield opened


def look_for(chromium: Browser, server: Server, text: str) -> None:
    """Open the page and type; the input has the focus by itself."""
    chromium.go(server.url)
    assert chromium.script("return document.activeElement.id") == "q"
    chromium.press(text)


def test_type_choose_open(chromium: Browser, documentation: Server) -> None:
    look_for(chromium, documentation, "os.path.")
    listed = chromium.until("results", lambda: chromium.script(LISTED))
    assert len(listed) > 10 and all(title.startswith("os.path.") for title in listed)
    chromium.until("a count", lambda: f"{len(listed)} titles" in chromium.text("#status"))
    assert chromium.script(CHOSEN) == listed[0]
    chromium.press(DOWN + DOWN + UP)
    assert chromium.script(CHOSEN) == listed[1]
    pointer = (
        "return document.getElementById("
        "document.activeElement.getAttribute('aria-activedescendant'))"
    )
    assert chromium.script(f"{pointer}.dataset.title") == listed[1]
    chromium.press("jo")
    chromium.until("one result", lambda: chromium.script(LISTED) == ["os.path.join"])
    chromium.press(ENTER)
    chromium.until("the article", lambda: chromium.text("article h2") == "os.path.join")
    assert "Join two or more pathname components" in chromium.text("article")
    assert chromium.script("return document.activeElement.id") == "article"
    assert chromium.script("return document.title").startswith("os.path.join")
    chromium.press(ESCAPE)
    assert chromium.script("return document.activeElement.id") == "q"
    chromium.press("zzz")
    chromium.until("no result", lambda: "No title begins with" in chromium.text("#status"))
    assert chromium.complaints() == []


def test_enter_right_after_typing_opens_what_was_typed(
    chromium: Browser, documentation: Server
) -> None:
    look_for(chromium, documentation, "functools.reduce" + ENTER)
    chromium.until("the article", lambda: chromium.text("article h2") == "functools.reduce")
    # And that is where going back, forward and loading again lead.
    chromium.ask("POST", "/refresh")
    chromium.until("it again", lambda: chromium.text("article h2") == "functools.reduce")
    assert chromium.script("return document.getElementById('q').value") == "functools.reduce"


def test_answers_that_are_out_of_date_are_dropped(chromium: Browser, documentation: Server) -> None:
    chromium.go(documentation.url)
    # The first request's answer is held back until the second one's is shown.
    chromium.script(
        """const real = window.fetch; window.asked = []; window.aborted = 0;
        window.fetch = (url, options) => {
          window.asked.push(url);
          if (!url.endsWith('/str.j')) return real(url, options);
          return new Promise((resolve, reject) => options.signal.addEventListener('abort', () => {
            window.aborted += 1; reject(new DOMException('', 'AbortError')); }));
        };"""
    )
    chromium.press("str.j")
    chromium.until(
        "the first request", lambda: chromium.script("return asked.includes('/title/str.j')")
    )
    chromium.press("oin")
    chromium.until("the last answer", lambda: chromium.script(LISTED) == ["str.join"])
    assert chromium.script("return aborted") == 1


def test_a_wikipedia_article(chromium: Browser, real_dump: Path, cache: Path) -> None:
    with Server("--workers", "2", "--dump", real_dump, cache=cache) as server:
        look_for(chromium, server, "accessiblecomputing" + ENTER)
        chromium.until("the redirect", lambda: "Redirects to" in chromium.text("article"))
        look_for(chromium, server, "algorithm" + ENTER)
        chromium.until("the article", lambda: chromium.text("article h2") == "Algorithm")
        assert chromium.script("return document.querySelectorAll('article h3').length") > 5
        assert (
            chromium.script("return document.querySelectorAll('article a[data-title]').length") > 50
        )


def test_live_statistics(chromium: Browser, documentation: Server) -> None:
    chromium.go(documentation.url)
    chromium.script("document.querySelector('a[href=\"/stats.html\"]').focus()")
    chromium.press(ENTER)
    shown = "return Number(document.getElementById('requests').textContent.replaceAll(',', ''))"
    first = chromium.until("figures", lambda: chromium.script(shown) or 0)
    for _ in range(10):
        documentation.get("/title/a")
    chromium.until("it moves", lambda: (chromium.script(shown) or 0) >= first + 10)
    points = (
        "return document.querySelector('#rate-chart polyline')"
        ".getAttribute('points').split(' ').length"
    )
    chromium.until("three points", lambda: chromium.script(points) >= 3)
    assert chromium.script("return document.querySelectorAll('#workers tr').length") == 2
    assert chromium.text("#trouble") == ""
    assert chromium.complaints() == []


def test_without_javascript(documentation: Server) -> None:
    missing = browser.missing()
    if missing:
        pytest.skip(missing)
    with Browser(javascript=False) as chromium:
        look_for(chromium, documentation, "os.path.joi" + ENTER)
        links = "return [...document.querySelectorAll('#results a')].map(a => a.textContent)"
        chromium.until("links", lambda: chromium.script(links) == ["os.path.join"])
        chromium.script("document.querySelector('#results a').focus()")
        chromium.press(ENTER)
        chromium.until("the page", lambda: "Join two or more" in chromium.text("body"))
