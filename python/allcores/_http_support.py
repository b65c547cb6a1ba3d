"""What the C++ server calls for a request: what Python does as well, off the common path."""

from __future__ import annotations

from allcores._core import Response, is_frozen, thaw

# Not from typing: its import costs every interpreter more than all of this package. For the same
# reason most of what is used here is imported when it is first needed.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from allcores._address import Address
    from allcores._core import Request
    from allcores._forms import Form
    from allcores._multidict import Headers, MultiDict


class HTTPError(Exception):
    """Raised by a handler: the request is answered with this status, and nothing is logged.

    `detail` is the text of the answer, by default the status's reason phrase.
    """

    def __init__(
        self,
        status: int,
        detail: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        if not 400 <= status <= 599:
            raise ValueError(f"HTTPError: status must be 400 to 599, not {status}")
        super().__init__(status, detail)
        self.status = status
        self.detail = detail if detail is not None else reason(status)
        self.headers = headers


def reason(status: int) -> str:
    """The reason phrase of a status code; the number where it has none."""
    from http import HTTPStatus

    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return str(status)


def make_client(host: str, port: int) -> Address:
    """A client's address."""
    from allcores._address import Address

    return Address(host, port)


def make_headers(fields: tuple[tuple[str, str], ...]) -> Headers:
    """The mapping of a request's header fields."""
    from allcores._multidict import Headers

    return Headers(fields)


def make_query(raw: bytes) -> MultiDict:
    """The fields of a query string."""
    from allcores._forms import parse_query

    try:
        return parse_query(raw)
    except ValueError as error:
        raise HTTPError(400, f"the query is malformed: {error}") from None


def make_cookies(headers: Headers) -> dict[str, str]:
    """The cookies of all Cookie fields."""
    from allcores._cookies import parse_cookie

    cookies: dict[str, str] = {}
    for value in headers.getlist("cookie"):
        cookies.update(parse_cookie(value))
    return cookies


def _json_default(value: Any) -> Any:
    if is_frozen(value):
        return thaw(value)
    raise TypeError(
        f"a response can't be a {type(value).__name__}: "
        "return bytes, str, http.Response, http.FileResponse, or what JSON has"
    )


_encoder: Callable[[Any], str] | None = None


def encode_json(value: Any) -> str:
    """A response's value as JSON, frozen mappings included. TypeError for what JSON has not."""
    global _encoder
    if _encoder is None:
        _encoder = _json_encoder()
    return _encoder(value)


def _json_encoder() -> Callable[[Any], str]:
    # What json.dumps uses, without the package, which brings several modules along.
    try:
        from _json import encode_basestring, make_encoder
    except ImportError:  # an implementation detail of CPython
        from json import JSONEncoder

        return JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_json_default).encode

    def encode(value: Any) -> str:
        # Among the settings of json.dumps; the first notes what is being encoded, against cycles.
        settings: Any = ({}, _json_default, encode_basestring, None, ":", ",", False, False, True)
        return "".join(make_encoder(*settings)(value, 0))

    return encode


def parse_json(request: Request) -> Any:
    """The request's body as JSON."""
    import json

    try:
        return json.loads(request.body)
    except (ValueError, RecursionError) as error:
        raise HTTPError(400, f"the body is not JSON: {error}") from None


def parse_form(request: Request) -> Form:
    """The request's body as a form."""
    from allcores._forms import parse_form_body

    content_type = request.headers.get("content-type", "")
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in ("application/x-www-form-urlencoded", "multipart/form-data"):
        raise HTTPError(415, f"the body is not a form: its content type is {kind or 'missing'!r}")
    try:
        return parse_form_body(content_type, request.body)
    except ValueError as error:
        raise HTTPError(400, f"the form is malformed: {error}") from None


def set_cookie(response: Response, name: str, value: str, **attributes: Any) -> None:
    """Add a Set-Cookie field to a response."""
    from allcores._cookies import set_cookie_header

    field = ("set-cookie", set_cookie_header(name, value, **attributes))
    headers = response.headers
    if isinstance(headers, list):
        headers.append(field)
    else:
        pairs = headers if isinstance(headers, tuple) else headers.items()
        response.headers = [*pairs, field]


MOST_NOTES = 20


def answer_failure(request: Request, error: BaseException) -> Response:
    """The answer to a request whose handler raised; logs what is not the client's fault, once."""
    if isinstance(error, HTTPError):
        return Response(f"{error.detail}\n", error.status, error.headers)
    # One for each level, where what is nested deeply can't be JSON.
    notes = getattr(error, "__notes__", None)
    if isinstance(notes, list) and len(notes) > MOST_NOTES:
        notes[MOST_NOTES:] = [f"... and {len(notes) - MOST_NOTES} more notes"]
    try:
        import logging

        logging.getLogger("allcores.http").error(
            "%s %s failed", request.method, request.path, exc_info=error
        )
    except Exception as problem:
        # No descriptor is left for the import, a filter raises: the server itself says it.
        raise error from problem
    # Don't keep the frames of the handler alive in a cycle with the traceback.
    error.__traceback__ = None
    return Response("Internal Server Error\n", 500)


def file_error(status: int, path: bytes) -> Exception:
    """Why a FileResponse can't be sent: for the client what it may know, for the log the path."""
    if status < 500:
        return HTTPError(status)
    return OSError(
        f"FileResponse: {path!r} can't be sent: the part is not in it, or reading failed"
    )
