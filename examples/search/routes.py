"""What the server answers, from frozen data that every interpreter reads in place.

Imported by every worker, so it imports little itself: what only the start needs is in `content`.
"""

import titles

from allcores import Dict, http

# Modules that a worker would import for annotations only, or for what few requests ask for, are a
# megabyte in each interpreter.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

STATIC = {
    "style.css": "text/css; charset=utf-8",
    "search.js": "text/javascript; charset=utf-8",
    "stats.js": "text/javascript; charset=utf-8",
    "favicon.svg": "image/svg+xml",
}
HTML = "text/html; charset=utf-8"
# Never loads or runs anything from elsewhere: articles are shown as text that others wrote.
POLICY = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
SHOWN = 100
# Answers that are kept, of about 4 KB each.
CACHED = 1000


def escape(text: str) -> str:
    """Text as HTML. (`html.escape` does it as well, but with it comes a table of all characters
    that have names in HTML, in every interpreter.)
    """
    for character, entity in (("&", "amp"), ("<", "lt"), (">", "gt"), ('"', "quot"), ("'", "#x27")):
        text = text.replace(character, f"&{entity};")
    return text


def fill(template: str, values: dict[str, str]) -> str:
    """Each {{name}} replaced by its value, which is HTML already."""
    for name, value in values.items():
        template = template.replace("{{" + name + "}}", value)
    return template


def address(title: str) -> str:
    """Where a title's page is. A lone "." or ".." would be a step in the path, so it goes into the
    query.
    """
    from urllib.parse import quote

    return f"/page/?q={quote(title)}" if title in (".", "..") else f"/page/{quote(title, safe='')}"


def links(found: list[str]) -> str:
    return "".join(f'<li><a href="{address(title)}">{escape(title)}</a></li>' for title in found)


def front_page(data: Any, query: str) -> Any:
    """The page, with the results in it already: it works without JavaScript."""
    status, results = "", ""
    if query:
        count, found = titles.search(data["index"], query, SHOWN)
        status = f"{count:,} title{'' if count == 1 else 's'}"
        if count > len(found):
            status += f", the first {len(found)} shown"
        results = links(found)
    body = data["page"]
    # The query last: what it has in it is never taken for a place to fill.
    before, _, after = body.partition("{{query}}")
    values = {"status": status, "results": results}
    before = before.replace("{{query_title}}", escape(f"{query} · ") if query else "")
    body = before + escape(query) + fill(after, values)
    return http.Response(body, headers={"Content-Security-Policy": POLICY}, content_type=HTML)


def search_titles(data: Any, answers: Dict[str, bytes], prefix: str) -> Any:
    """JSON; what any worker has answered lately is answered again as it is."""
    answer = answers.get(prefix)
    if answer is None:
        import json

        count, found = titles.search(data["index"], prefix, SHOWN)
        answer = json.dumps({"count": count, "titles": found}, ensure_ascii=False).encode()
        answers[prefix] = answer
    return http.Response(answer, content_type="application/json")


def title_page(data: Any, title: str) -> Any:
    """An article as it is in the source file, or 404 with titles that begin alike."""
    index = data["index"]
    row = titles.find(index, title)
    if row is not None:
        start, stop = titles.place(index, row)
        return http.FileResponse(
            data["path"], start=start, stop=stop, content_type=data["content_type"]
        )
    near = titles.similar(index, title)
    body = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Not found</title>'
        '<link rel="stylesheet" href="/style.css"><main><h1>Not found</h1>'
        f"<p>There is no page <q>{escape(title)}</q>.</p>"
        + (f"<p>Did you mean:</p><ul>{links(near)}</ul>" if near else "")
        + '<p><a href="/">Search</a></p></main></html>'
    )
    return http.Response(
        body, status=404, headers={"Content-Security-Policy": POLICY}, content_type=HTML
    )


def router_for(data: Any) -> Any:
    """The router over frozen data."""
    router = http.Router()
    # One for all workers, as the handlers take it along. The data never changes, so no answer ever
    # becomes wrong.
    answers = Dict[str, bytes](maxsize=CACHED)

    @router.get("/")
    def front(request: Any) -> Any:
        return front_page(data, request.query.get("q", "").strip())

    @router.get("/title/")
    def title_query(request: Any) -> Any:
        return search_titles(data, answers, request.query.get("q", ""))

    @router.get("/title/{prefix:path}")
    def title(request: Any, prefix: str) -> Any:
        return search_titles(data, answers, prefix)

    @router.get("/page/")
    def page_query(request: Any) -> Any:
        return title_page(data, request.query.get("q", ""))

    @router.get("/page/{name:path}")
    def page(request: Any, name: str) -> Any:
        return title_page(data, name)

    @router.get("/xml")
    def xml(request: Any) -> Any:
        return http.FileResponse(data["path"], content_type=data["content_type"])

    @router.get("/stats")
    def stats(request: Any) -> Any:
        known = {"index": dict(data["facts"]), "cache": answers.statistics()}
        return {**http.statistics(), **known}

    @router.get("/stats.html")
    def stats_page(request: Any) -> Any:
        return http.Response(
            data["stats"], headers={"Content-Security-Policy": POLICY}, content_type=HTML
        )

    def add_static(name: str, path: str) -> None:
        @router.get(path)
        def static(request: Any) -> Any:
            return http.Response(
                data["static"][name],
                headers={"Cache-Control": "max-age=60"},
                content_type=STATIC[name],
            )

    for name in STATIC:
        add_static(name, f"/{name}")
    add_static("favicon.svg", "/favicon.ico")
    return router
