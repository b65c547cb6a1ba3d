"""Dash: its page with a plot in a browser, drawn by a callback in any worker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest
from browser import Browser
from served import served, withstands
from servers import ServerProcess

CALL = {
    "output": "..plot.figure...sum.children..",
    "outputs": [{"id": "plot", "property": "figure"}, {"id": "sum", "property": "children"}],
    "changedPropIds": ["count.value"],
}


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with served("dash_app:app", workers=2) as up:
        yield up


def test_plot_in_a_browser(server: ServerProcess, chromium: Browser) -> None:
    chromium.go(server.url)
    bars = "return document.querySelectorAll('#plot .bars .point').length"
    chromium.until("five bars", lambda: chromium.script(bars) == 5, 60)
    assert chromium.text("#title") == "Squares"
    assert chromium.text("#sum") == "sum 30"
    chromium.script("const e = document.getElementById('count'); e.focus(); e.select()")
    chromium.press("8")
    chromium.until("eight bars", lambda: chromium.script(bars) == 8)
    chromium.until("their sum", lambda: chromium.text("#sum") == "sum 140")
    assert chromium.complaints() == []


def test_many_clients(server: ServerProcess) -> None:
    def ask(connection: HTTPConnection, number: int) -> None:
        count = number % 100
        given = CALL | {"inputs": [{"id": "count", "property": "value", "value": count}]}
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/_dash-update-component", json.dumps(given), headers)
        found = json.load(connection.getresponse())["response"]
        assert len(found["plot"]["figure"]["data"][0]["y"]) == count
        assert found["sum"]["children"] == f"sum {sum(each * each for each in range(count))}"

    withstands(server, ask)
