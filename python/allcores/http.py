"""Requests, responses and routes of the HTTP server that `allcores.serve` runs."""

from __future__ import annotations

from allcores import _lazy
from allcores._core import FileResponse, Request, Response
from allcores._http_support import HTTPError

# Not from typing: its import costs every interpreter more than all of this package.
TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterable
    from typing import Any

    from allcores._address import Address
    from allcores._cookies import set_cookie_header
    from allcores._forms import Form, UploadedFile
    from allcores._multidict import Headers, MultiDict
    from allcores._statistics import statistics

__all__ = [
    "Address",
    "FileResponse",
    "Form",
    "HTTPError",
    "Headers",
    "MultiDict",
    "Request",
    "Response",
    "Router",
    "UploadedFile",
    "set_cookie_header",
    "statistics",
]

type Handler = Callable[..., Any]

# Imported when they are first used, as in allcores itself.
_modules = {
    "Address": "_address",
    "Form": "_forms",
    "Headers": "_multidict",
    "MultiDict": "_multidict",
    "UploadedFile": "_forms",
    "set_cookie_header": "_cookies",
    "statistics": "_statistics",
}


# Type checkers know all names, and would take any other for one with this function.
if not TYPE_CHECKING:
    __getattr__ = _lazy.importer(globals(), _modules)


_converters: dict[str, tuple[str, Callable[[str], Any]]] = {
    "str": (r"[^/]+", str),
    "int": (r"[0-9]{1,18}", int),
    "path": (r".*", str),
}
_parameter = r"\{([A-Za-z_][A-Za-z0-9_]*)(?::([a-z]+))?\}"


class _Route:
    """One pattern with parameters, and the handlers of its methods."""

    __slots__ = ("converters", "handlers", "pattern")

    def __init__(self, pattern: str) -> None:
        import re

        self.handlers: dict[str, Handler] = {}
        self.converters: list[tuple[str, Callable[[str], Any]]] = []
        parts: list[str] = []
        end = 0
        for match in re.finditer(_parameter, pattern):
            name, kind = match[1], match[2] or "str"
            if kind not in _converters:
                known = ", ".join(_converters)
                raise ValueError(
                    f"{pattern!r}: {kind!r} is no kind of parameter; there are {known}"
                )
            if any(name == other for other, _ in self.converters):
                raise ValueError(f"{pattern!r}: the parameter {name!r} is there twice")
            expression, convert = _converters[kind]
            parts += [re.escape(pattern[end : match.start()]), f"({expression})"]
            self.converters.append((name, convert))
            end = match.end()
        rest = pattern[end:]
        if "{" in rest or "}" in rest:
            raise ValueError(f"{pattern!r}: parameters are written {{name}} or {{name:kind}}")
        parts.append(re.escape(rest))
        self.pattern: re.Pattern[str] = re.compile("".join(parts), re.DOTALL)

    def match(self, path: str) -> dict[str, Any] | None:
        match = self.pattern.fullmatch(path)
        if match is None:
            return None
        return {
            name: convert(text)
            for (name, convert), text in zip(self.converters, match.groups(), strict=True)
        }


class Router:
    """Maps methods and paths to handlers; itself a handler.

    A pattern is a path with parameters in braces: `{name}` takes one segment, `{name:int}` a whole
    number, `{name:path}` the rest with its slashes. A handler gets the request and the parameters
    by name. Paths without parameters are looked up first, the others in the order in which they
    were added. HEAD is answered by the handler of GET, a path with other methods by 405 with
    `Allow`, and an unknown path by 404.
    """

    def __init__(self) -> None:
        self._static: dict[str, dict[str, Handler]] = {}
        self._routes: list[_Route] = []
        self._by_pattern: dict[str, _Route] = {}

    def route(
        self, pattern: str, methods: Iterable[str] = ("GET",)
    ) -> Callable[[Handler], Handler]:
        """Decorate a handler. ValueError for a pattern that is none or that is taken."""
        if isinstance(methods, str):
            raise ValueError(f"methods is a list of names, not {methods!r}")
        names = [method.upper() for method in methods]
        if not pattern.startswith("/"):
            raise ValueError(f"{pattern!r}: a pattern begins with '/'")

        def add(handler: Handler) -> Handler:
            if not callable(handler):
                raise TypeError(f"{pattern!r}: a handler is callable, not {type(handler).__name__}")
            if "{" in pattern or "}" in pattern:
                route = self._by_pattern.get(pattern)
                if route is None:
                    route = self._by_pattern[pattern] = _Route(pattern)
                    self._routes.append(route)
                handlers = route.handlers
            else:
                handlers = self._static.setdefault(pattern, {})
            for name in names:
                if name in handlers:
                    raise ValueError(f"{name} {pattern!r} has a handler already")
            for name in names:
                handlers[name] = handler
            return handler

        return add

    def get(self, pattern: str) -> Callable[[Handler], Handler]:
        """A decorator: handle GET, and HEAD with it."""
        return self.route(pattern, ("GET",))

    def post(self, pattern: str) -> Callable[[Handler], Handler]:
        """A decorator: handle POST."""
        return self.route(pattern, ("POST",))

    def put(self, pattern: str) -> Callable[[Handler], Handler]:
        """A decorator: handle PUT."""
        return self.route(pattern, ("PUT",))

    def patch(self, pattern: str) -> Callable[[Handler], Handler]:
        """A decorator: handle PATCH."""
        return self.route(pattern, ("PATCH",))

    def delete(self, pattern: str) -> Callable[[Handler], Handler]:
        """A decorator: handle DELETE."""
        return self.route(pattern, ("DELETE",))

    def __call__(self, request: Request) -> Any:
        path, method = request.path, request.method
        handlers = self._static.get(path)
        if handlers is not None:
            handler = handlers.get(method)
            if handler is None and method == "HEAD":
                handler = handlers.get("GET")
            if handler is not None:
                return handler(request)
        allowed = dict.fromkeys(handlers or ())
        for route in self._routes:
            parameters = route.match(path)
            if parameters is None:
                continue
            handler = route.handlers.get(method)
            if handler is None and method == "HEAD":
                handler = route.handlers.get("GET")
            if handler is not None:
                return handler(request, **parameters)
            allowed.update(dict.fromkeys(route.handlers))
        if not allowed:
            return Response("Not Found\n", 404)
        if "GET" in allowed:
            allowed["HEAD"] = None
        headers = {"allow": ", ".join([*allowed, "OPTIONS"])}
        if method == "OPTIONS":
            return Response(b"", 204, headers)
        return Response("Method Not Allowed\n", 405, headers)
