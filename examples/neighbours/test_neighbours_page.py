"""The page in a real browser: drawn on with the pointer, with keys, and without JavaScript."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from neighbours_process import Neighbours

sys.path.append(str(Path(__file__).resolve().parents[1] / "search"))

import browser
from browser import ENTER, TAB, Browser

CHECKED = "return [...document.querySelectorAll('.paper :checked')].map(box => Number(box.value))"
SPACE = " "
# Down the fourth column, from the second row to the seventh.
ONE = [11, 19, 27, 35, 43, 51]


def opened(javascript: bool) -> Browser:
    missing = browser.missing()
    if missing:
        pytest.skip(missing)
    return Browser(javascript)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with opened(javascript=True) as one:
        yield one


def middle(chromium: Browser, pixel: int) -> dict[str, Any]:
    """A movement of the pointer to the middle of a pixel."""
    x, y = chromium.script(
        "const box = document.querySelectorAll('.paper input')[arguments[0]]"
        ".getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]",
        pixel,
    )
    return {"type": "pointerMove", "duration": 0, "x": round(x), "y": round(y)}


def drag(chromium: Browser, pixels: list[int]) -> None:
    moves = [middle(chromium, pixel) for pixel in pixels]
    steps = [moves[0], {"type": "pointerDown", "button": 0}, *moves[1:]]
    steps.append({"type": "pointerUp", "button": 0})
    chromium.ask("POST", "/actions", {"actions": [
        {"type": "pointer", "id": "mouse", "actions": steps}
    ]})  # fmt: skip


def find(chromium: Browser) -> None:
    """Press the button with a key, and wait for the answer."""
    chromium.script("document.querySelector('button').focus()")
    chromium.press(ENTER)
    chromium.until("an answer", lambda: "looks like" in chromium.text("[role=status]"))


def test_draw_with_the_pointer(chromium: Browser, neighbours: Neighbours) -> None:
    chromium.go(neighbours.url)
    drag(chromium, ONE)
    assert chromium.script(CHECKED) == ONE
    # A click takes ink away, or puts it there; so does a line that begins on ink.
    drag(chromium, [11])
    assert chromium.script(CHECKED) == ONE[1:]
    drag(chromium, [11])
    drag(chromium, [51, 43])
    assert chromium.script(CHECKED) == ONE[:-2]
    drag(chromium, [43, 51])
    find(chromium)
    assert "It looks like a 1." in chromium.text(".digit")
    assert chromium.script(CHECKED) == ONE
    pictures = (
        "return [...document.images].filter(each => each.complete && each.naturalWidth).length"
    )
    chromium.until("the pictures", lambda: chromium.script(pictures) == 12 + 5)
    assert chromium.complaints() == []


def test_draw_with_keys(chromium: Browser, neighbours: Neighbours) -> None:
    chromium.go(neighbours.url)
    chromium.script("document.querySelector('.paper input').focus()")
    chromium.press(SPACE + TAB + TAB + SPACE + SPACE + TAB + SPACE)
    assert chromium.script(CHECKED) == [0, 3]
    focused = chromium.script("return document.activeElement.getAttribute('aria-label')")
    assert focused == "row 1, column 4"
    assert chromium.complaints() == []


def test_a_digit_of_the_list_without_javascript(neighbours: Neighbours) -> None:
    with opened(javascript=False) as chromium:
        chromium.go(neighbours.url)
        chromium.script("document.querySelector('.samples a[href=\"/?row=4\"]').focus()")
        chromium.press(ENTER)
        chromium.until("an answer", lambda: "looks like a 4" in chromium.text("[role=status]"))
        chromium.script("document.querySelectorAll('.paper :checked')[0].focus()")
        chromium.press(SPACE)
        before = len(chromium.script(CHECKED))
        find(chromium)
        assert len(chromium.script(CHECKED)) == before
