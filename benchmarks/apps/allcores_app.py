"""The application for allcores."""

from work import TEXT, burn, message

from allcores import http


def handler(request: http.Request) -> str | http.Response:
    path = request.path
    if path == "/":
        return TEXT
    if path == "/json":
        return http.Response(message(), content_type="application/json")
    if path == "/slow":
        return burn()
    return http.Response("not found", status=404)
