"""The same as slow_asgi_app.py for WSGI servers."""

from __future__ import annotations

from typing import Any

from work import TEXT

PAGES = {"/": TEXT.encode(), "/page": b"x" * 65_536, "/large": b"x" * 1_000_000}


def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    if environ["REQUEST_METHOD"] == "POST":
        while environ["wsgi.input"].read(65536):
            pass
    body = PAGES.get(environ["PATH_INFO"], b"form")
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
