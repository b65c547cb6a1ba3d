"""Values of HTTP for the server's Python half. `docs/http.md` describes them for users."""

from allcores._cookies import parse_cookie, set_cookie_header
from allcores._forms import Form, UploadedFile, parse_form_body, parse_query
from allcores._multidict import Headers, MultiDict

__all__ = [
    "Form",
    "Headers",
    "MultiDict",
    "UploadedFile",
    "parse_cookie",
    "parse_form_body",
    "parse_query",
    "set_cookie_header",
]
