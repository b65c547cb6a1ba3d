"""What the server answers. Imported by main, and by each worker, which alone makes a `Finder`."""

from pathlib import Path

import digits

from allcores import http

# What is for annotations only would be a megabyte in each interpreter.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

FOLDER = Path(__file__).resolve().parent
HTML = "text/html; charset=utf-8"
SVG = "image/svg+xml"
STATIC = {
    "style.css": "text/css; charset=utf-8",
    "draw.js": "text/javascript; charset=utf-8",
    "favicon.svg": SVG,
}
POLICY = {
    "Content-Security-Policy": "default-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
}
USUAL_COUNT, MOST_COUNT = 5, 50
WAYS = ("tree", "product")  # as in `finder`, which main must not import
EXAMPLES = 12


def read_files() -> dict[str, str]:
    """The page and what belongs to it, to be frozen."""
    return {name: (FOLDER / name).read_text("utf-8") for name in ("page.html", *STATIC)}


def wrong(message: str) -> Exception:
    return http.HTTPError(400, message)


def point_of(values: Sequence[object]) -> list[float]:
    """The point that a request asks about: 64 numbers from 0 (paper) to 16 (ink)."""
    if len(values) != digits.PIXELS:
        raise wrong(f"point: {digits.PIXELS} numbers are needed, not {len(values)}")
    point = []
    for place, value in enumerate(values, 1):
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise wrong(f"point: value {place} is not a number")
        try:
            coordinate = float(value)
        except ValueError, OverflowError:
            raise wrong(f"point: value {place} is not a number: {str(value)[:20]!r}") from None
        if not 0 <= coordinate <= digits.INK:  # nor is "nan"
            raise wrong(f"point: value {place} is not from 0 to {digits.INK}: {coordinate:g}")
        point.append(coordinate)
    return point


def count_of(value: object) -> int:
    text = str(value)
    if isinstance(value, bool) or not text.isascii() or not text.isdigit() or len(text) > 9:
        raise wrong(f"count: a whole number is needed, not {text[:20]!r}")
    if not 1 <= int(text) <= MOST_COUNT:
        raise wrong(f"count: 1 to {MOST_COUNT} neighbours can be asked for, not {int(text)}")
    return int(text)


def way_of(value: object) -> str:
    if value not in WAYS:
        raise wrong(f"way: {' or '.join(WAYS)} is needed, not {str(value)[:20]!r}")
    return str(value)


class Service:
    """The handler. Main makes it; each worker gets it by value and then opens it for itself."""

    def __init__(self, data: Any) -> None:
        self.data = data

    def __getstate__(self) -> Any:
        return self.data

    def __setstate__(self, data: Any) -> None:
        from finder import Finder

        self.data = data
        self.size = len(data["labels"])
        self.finder = Finder(data["pixels"], data["labels"])
        self.router = http.Router()
        self.router.get("/")(self.page)
        self.router.get("/nearest")(self.nearest_to_query)
        self.router.post("/nearest")(self.nearest_to_body)
        self.router.get("/digit/{row:int}.svg")(self.picture)
        self.router.get("/favicon.ico")(lambda request: self.file("favicon.svg"))
        for name in STATIC:
            self.router.get(f"/{name}")(lambda request, name=name: self.file(name))

    def __call__(self, request: Any) -> Any:
        return self.router(request)

    def file(self, name: str) -> Any:
        headers = {"Cache-Control": "max-age=60"}
        return http.Response(self.data[name], headers=headers, content_type=STATIC[name])

    def nearest_to_query(self, request: Any) -> Any:
        query = request.query
        if "point" not in query:
            raise wrong(f"point is missing: {digits.PIXELS} numbers with commas between them")
        return self.finder.answer(
            point_of(query["point"].split(",")),
            count_of(query.get("count", USUAL_COUNT)),
            way_of(query.get("way", WAYS[0])),
        )

    def nearest_to_body(self, request: Any) -> Any:
        asked = request.json()
        if not isinstance(asked, dict) or not isinstance(asked.get("point"), list):
            raise wrong(
                f'the body must be an object with a list "point" of {digits.PIXELS} numbers'
            )
        return self.finder.answer(
            point_of(asked["point"]),
            count_of(asked.get("count", USUAL_COUNT)),
            way_of(asked.get("way", WAYS[0])),
        )

    def image(self, row: int) -> list[float]:
        if not 0 <= row < self.size:
            raise http.HTTPError(404, f"there is no digit {row}: there are 0 to {self.size - 1}")
        image: list[float] = self.finder.points[row].tolist()
        return image

    def picture(self, request: Any, row: int) -> Any:
        """One of the points as a picture."""
        squares = "".join(
            f'<rect x="{place % digits.SIDE}" y="{place // digits.SIDE}" width="1.02" '
            f'height="1.02" fill-opacity="{ink / digits.INK:g}"/>'
            for place, ink in enumerate(self.image(row))
            if ink
        )
        side = digits.SIDE
        return http.Response(
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}">'
            f'<rect width="{side}" height="{side}" fill="#fff"/><g fill="#123">{squares}</g></svg>',
            headers={"Cache-Control": "max-age=3600"},
            content_type=SVG,
        )

    def page(self, request: Any) -> Any:
        """The page, with the answer in it: what was drawn, or the digit of a row."""
        query = request.query
        drawn = {text for text in query.getlist("ink") if text.isascii() and text.isdigit()}
        point = [float(digits.INK * (str(place) in drawn)) for place in range(digits.PIXELS)]
        if "row" in query:
            text = query["row"]
            if not text.isascii() or not text.isdigit() or len(text) > 9:
                raise wrong(f"row: a whole number is needed, not {text[:20]!r}")
            point = self.image(int(text))
        boxes = "".join(
            f'<input type="checkbox" name="ink" value="{place}" aria-label="row '
            f'{place // digits.SIDE + 1}, column {place % digits.SIDE + 1}"'
            f"{' checked' if ink >= digits.INK / 2 else ''}>"
            for place, ink in enumerate(point)
        )
        samples = "".join(
            f'<li><a href="/?row={row}">{self.shown(row)}</a></li>'
            for row in range(min(EXAMPLES, self.size))
        )
        values = {
            "boxes": boxes,
            "samples": samples,
            "result": self.result(point) if any(point) else "<p>Nothing is drawn yet.</p>",
            "size": f"{self.size:,}",
        }
        body = self.data["page.html"]
        for name, value in values.items():
            body = body.replace("{{" + name + "}}", value)
        return http.Response(body, headers=POLICY, content_type=HTML)

    def shown(self, row: int) -> str:
        digit = self.data["labels"][row]
        return f'<img src="/digit/{row}.svg" width="48" height="48" alt="a {digit}">'

    def result(self, point: list[float]) -> str:
        found = self.finder.answer(point)
        near = "".join(
            f"<li>{self.shown(one['row'])} <span>{one['digit']}, {one['distance']:.1f} away</span>"
            for one in found["neighbours"]
        )
        return (
            f'<p class="digit">It looks like a <strong>{found["digit"]}</strong>.</p>'
            f"<p>{found['share']:.0%} of what its nearest neighbours say:</p><ol>{near}</ol>"
        )
