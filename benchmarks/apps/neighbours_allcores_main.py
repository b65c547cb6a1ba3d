"""python neighbours_allcores_main.py PORT WORKERS: the search, on points that are frozen once."""

import pathlib
import sys
from typing import Any

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "examples" / "neighbours"))

import digits

import allcores
from allcores import http


class Service:
    """Made in main, which needs neither NumPy nor scikit-learn; opened in each worker."""

    def __init__(self, data: Any) -> None:
        self.data = data

    def __getstate__(self) -> Any:
        return self.data

    def __setstate__(self, data: Any) -> None:
        import neighbours_work

        self.work = neighbours_work
        self.finder = neighbours_work.open_finder(data)

    def __call__(self, request: http.Request) -> str | http.Response:
        if request.path == "/nearest":
            query = request.query
            body = self.work.respond(self.finder, query["point"], query["way"])
            return http.Response(body, content_type="application/json")
        if request.path == "/who":
            return self.work.who()
        return http.Response("not found", status=404)


if __name__ == "__main__":
    data = allcores.freeze(digits.load(digits.USUAL))
    allcores.serve(Service(data), host="127.0.0.1", port=int(sys.argv[1]), workers=int(sys.argv[2]))
