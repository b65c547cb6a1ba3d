"""Query strings and forms, as browsers write them: text and bytes in, objects out.

What a client got wrong is a `ValueError`, which the server answers with 400.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote_to_bytes

from allcores._multidict import MultiDict

__all__ = ["Form", "UploadedFile", "parse_form_body", "parse_query"]

# How many fields a query or a form may have: a small request must not become a large heap.
MOST_FIELDS: Final = 1000
# How long the header of one part of multipart/form-data may be, in bytes.
MOST_PART_HEADER: Final = 8192


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file from a form.

    `filename` is what the client says: text to show, not a path to write to; it can be empty or
    contain slashes. `content_type` is what the client says, too.
    """

    filename: str
    content_type: str
    content: bytes = field(repr=False)


class Form(MultiDict[str]):
    """A form's text fields as a `MultiDict`; `files` is one too, of the uploaded files."""

    __slots__ = ("files",)

    def __init__(
        self,
        pairs: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        files: Mapping[str, UploadedFile] | Iterable[tuple[str, UploadedFile]] = (),
    ) -> None:
        super().__init__(pairs)
        self.files: MultiDict[UploadedFile] = MultiDict(files)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Form) and self.files != other.files:
            return False
        return super().__eq__(other)

    def __repr__(self) -> str:
        return f"Form({self._pairs!r}, files={self.files.multi_items()!r})"


def _unescaped(text: str) -> str:
    return unquote_to_bytes(text).decode("utf-8", "replace") if "%" in text else text


def _form_pairs(raw: bytes, most_fields: int) -> list[tuple[str, str]]:
    # Counted before anything is made.
    if raw.count(b"&") >= most_fields and sum(map(bool, raw.split(b"&"))) > most_fields:
        raise ValueError(f"more than {most_fields} fields")
    if raw.isascii():
        text = raw.decode("ascii")
    elif b"%" not in raw:
        text = raw.decode("utf-8", "replace")
    else:
        # A character may be half escaped and half not: all of it has to be, to be seen as one.
        text = re.sub(rb"[\x80-\xff]", lambda match: b"%%%02x" % match[0][0], raw).decode("ascii")
    if "+" in text:
        text = text.replace("+", " ")
    pairs = []
    escaped = "%" in text
    for piece in text.split("&"):
        if piece:
            name, _, value = piece.partition("=")
            pairs.append((_unescaped(name), _unescaped(value)) if escaped else (name, value))
    return pairs


def parse_query(raw: bytes | str, *, most_fields: int = MOST_FIELDS) -> MultiDict:
    """The fields of a query string (what follows the "?"), as browsers write them.

    "+" is a space, what is not UTF-8 becomes U+FFFD, a "%" without two hexadecimal digits stays,
    and a name without "=" has the empty value. ValueError if there are more than `most_fields`.
    """
    if isinstance(raw, str):
        raw = raw.encode("utf-8", "surrogateescape")
    return MultiDict(_form_pairs(raw, most_fields))


_TOKEN: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
# One parameter after a value: ;name=token or ;name="quoted", in which a backslash escapes a quote.
_parameter = re.compile(
    rf';[ \t]*(?:({_TOKEN})[ \t]*=[ \t]*(?:({_TOKEN})|"((?:[^"\\]|\\.)*)"))?[ \t]*', re.DOTALL
)
_extended = re.compile(
    r"(utf-8|iso-8859-1)'[A-Za-z0-9-]*'([!#$%&+\-.^_`|~0-9A-Za-z]*)", re.IGNORECASE
).fullmatch
_boundary = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]").fullmatch


def _unquote(text: str) -> str:
    # Only what is escaped by need: a path from Windows has backslashes that stand for themselves.
    return re.sub(r'\\(["\\])', r"\1", text)


def _value_and_parameters(text: str) -> tuple[str, dict[str, str]]:
    """The value and the parameters of a field like Content-Type. ValueError if malformed."""
    value, semicolon, _ = text.partition(";")
    parameters: dict[str, str] = {}
    at = len(value) if semicolon else len(text)
    while at < len(text):
        match = _parameter.match(text, at)
        if match is None:
            raise ValueError(f"malformed parameters: {text!r}")
        at = match.end()
        name, token, quoted = match.groups()
        if name is None:
            continue  # an empty one, as in "a; "
        name = name.lower()
        if name in parameters:
            raise ValueError(f"the parameter {name!r} is there twice: {text!r}")
        parameters[name] = token if token is not None else _unquote(quoted)
    return value.strip(" \t").lower(), parameters


def _part_header(raw: bytes) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in raw.split(b"\r\n") if raw else ():
        name, colon, value = line.partition(b":")
        key = name.decode("latin-1").lower()
        if not colon or not re.fullmatch(_TOKEN, key):
            raise ValueError(f"malformed line in the header of a part: {line[:100]!r}")
        if key in fields:
            raise ValueError(f"the field {key!r} is there twice in the header of a part")
        fields[key] = value.decode("utf-8", "replace").strip(" \t")
    return fields


def _browser_unescape(text: str) -> str:
    """Names and file names as browsers escape them: quotes and line ends, nothing else."""
    if "%" not in text:
        return text
    return re.sub("%(22|0[dDaA])", lambda match: chr(int(match[1], 16)), text)


def _file_name(parameters: dict[str, str]) -> str | None:
    extended = _extended(parameters.get("filename*", ""))
    if extended is not None:
        return unquote_to_bytes(extended[2]).decode(extended[1], "replace")
    name = parameters.get("filename")
    return None if name is None else _browser_unescape(name)


def _next_part(body: bytes, at: int, delimiter: bytes) -> tuple[bytes, bytes, int]:
    """Header and content of the part that begins at `at`, and where its delimiter ends."""
    if body.startswith(b"\r\n", at):
        header_end = at - 2  # no header at all
    else:
        header_end = body.find(b"\r\n\r\n", at, at + MOST_PART_HEADER)
        if header_end < 0:
            raise ValueError(f"the header of a part does not end within {MOST_PART_HEADER} bytes")
    # The delimiter's line end may be the one that ends the header, when there is no content.
    content_end = body.find(delimiter, header_end + 2)
    if content_end < 0:
        raise ValueError("the last part does not end")
    content = body[header_end + 4 : content_end]
    return body[at : max(at, header_end)], content, content_end + len(delimiter)


def _parts(body: bytes, boundary: bytes, most_fields: int) -> Iterator[tuple[bytes, bytes]]:
    """Header and content of each part of a multipart body (RFC 2046 section 5.1)."""
    delimiter = b"\r\n--" + boundary
    if body.startswith(delimiter[2:]):
        at = len(delimiter) - 2
    else:
        at = body.find(delimiter)
        if at < 0:
            raise ValueError("the boundary does not appear in the body")
        at += len(delimiter)
    count = 0
    while not body.startswith(b"--", at):
        while body[at : at + 1] in (b" ", b"\t"):
            at += 1
        if not body.startswith(b"\r\n", at):
            raise ValueError("something follows a boundary on its line")
        count += 1
        if count > most_fields:
            raise ValueError(f"more than {most_fields} fields")
        header, content, at = _next_part(body, at + 2, delimiter)
        yield header, content


def _multipart(boundary: str, body: bytes, most_fields: int) -> Form:
    pairs: list[tuple[str, str]] = []
    files: list[tuple[str, UploadedFile]] = []
    for raw_header, content in _parts(body, boundary.encode("ascii"), most_fields):
        header = _part_header(raw_header)
        kind, parameters = _value_and_parameters(header.get("content-disposition", ""))
        if kind != "form-data" or "name" not in parameters:
            raise ValueError("a part has no Content-Disposition: form-data with a name")
        encoding = header.get("content-transfer-encoding", "binary").lower()
        if encoding not in ("7bit", "8bit", "binary"):
            raise ValueError(f"a part has the Content-Transfer-Encoding {encoding!r}")
        name = _browser_unescape(parameters["name"])
        filename = _file_name(parameters)
        if filename is None:
            pairs.append((name, content.decode("utf-8", "replace")))
        elif filename or content:  # neither: no file was chosen
            content_type = header.get("content-type", "text/plain")
            files.append((name, UploadedFile(filename, content_type, content)))
    return Form(pairs, files)


def parse_form_body(content_type: str, body: bytes, *, most_fields: int = MOST_FIELDS) -> Form:
    """A form as browsers send it: application/x-www-form-urlencoded or multipart/form-data.

    Text is UTF-8, with U+FFFD for what is not. A file input in which no file was chosen is left
    out. ValueError for another content type, a malformed body, more than `most_fields` fields and
    files, or a part whose header is longer than 8 KiB.
    """
    kind, parameters = _value_and_parameters(content_type)
    if kind == "application/x-www-form-urlencoded":
        return Form(_form_pairs(body, most_fields))
    if kind != "multipart/form-data":
        raise ValueError(f"{kind!r} is not the content type of a form")
    boundary = parameters.get("boundary", "")
    if not _boundary(boundary):
        raise ValueError("multipart/form-data needs a boundary of 1 to 70 plain characters")
    return _multipart(boundary, body, most_fields)
