"""The search of neighbours_allcores_main.py: what main makes, and each worker opens."""

from __future__ import annotations

import pathlib
import sys
import threading

import allcores
from allcores import http

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "examples" / "neighbours"))

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def points() -> Mapping[str, bytes]:
    """One copy for the process, made by whoever asks first."""

    def load() -> dict[str, bytes]:
        import digits

        return digits.load(digits.USUAL)

    return allcores.frozen("points", load)  # type: ignore[no-any-return]


class Service:
    """Made in main, which needs neither NumPy nor scikit-learn; opened in each worker."""

    def __getstate__(self) -> tuple[()]:
        return ()

    def __setstate__(self, state: tuple[()]) -> None:
        # Of the workers that load, one reads the points meanwhile.
        threading.Thread(target=points, daemon=True).start()
        import neighbours_work

        self.work = neighbours_work
        self.finder = neighbours_work.open_finder(points())

    def __call__(self, request: http.Request) -> str | http.Response:
        if request.path == "/nearest":
            query = request.query
            body = self.work.respond(self.finder, query["point"], query["way"])
            return http.Response(body, content_type="application/json")
        if request.path == "/who":
            return self.work.who()
        return http.Response("not found", status=404)
