"""HTTP/1.1 as requests on the wire and the answers that RFC 9110 and RFC 9112 ask for.

A case is a script: bytes are sent, an `Answer` is what must come next. In the end the connection
must be closed or serve another request. Where the standards leave a choice, the case has every
status that they allow.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


class End(Enum):
    """What becomes of the connection."""

    OPEN = "open"
    CLOSED = "closed"
    ANY = "any"  # the standards leave it open


class HalfClose:
    """A step: the client says that it sends no more."""


@dataclass(frozen=True)
class Answer:
    """A response: one of these statuses; for 200 what the server understood."""

    statuses: tuple[int, ...]
    method: str | None = None
    path: str | None = None
    body: bytes | None = None
    # Fields of the request with their values as the server has them; None: it has none of it.
    fields: dict[str, str | None] = field(default_factory=dict)
    to_head: bool = False
    # A 100 (Continue) may come before it.
    perhaps_continue: bool = False


@dataclass(frozen=True)
class Case:
    """A name, the section of the standard, the script, and what becomes of the connection."""

    name: str
    source: str
    steps: tuple[bytes | Answer | HalfClose, ...]
    end: End


CASES: list[Case] = []
MEBIBYTE = 1 << 20


def ok(
    path: str | None = None,
    body: bytes | None = None,
    method: str | None = None,
    fields: dict[str, str | None] | None = None,
    to_head: bool = False,
    perhaps_continue: bool = False,
) -> Answer:
    return Answer((200,), method, path, body, fields or {}, to_head, perhaps_continue)


def case(name: str, source: str, *steps: bytes | Answer | HalfClose, end: End = End.OPEN) -> None:
    assert all(name != each.name for each in CASES), name
    CASES.append(Case(name, source, steps, end))


def refused(name: str, source: str, request: bytes, *statuses: int) -> None:
    """One error answer, then the connection is closed: what follows on it is not to be trusted.

    A request for /smuggled follows in the same bytes, and must not be answered.
    """
    follow = b"GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"
    case(name, source, request + follow, Answer(statuses or (400,)), end=End.CLOSED)


def get(*fields: bytes, target: bytes = b"/", version: bytes = b"HTTP/1.1") -> bytes:
    return b"\r\n".join([b"GET " + target + b" " + version, *fields, b"", b""])


def post(*fields: bytes, body: bytes = b"") -> bytes:
    return b"\r\n".join([b"POST / HTTP/1.1", b"Host: h", *fields, b"", body])


def chunked(body: bytes, *fields: bytes) -> bytes:
    return post(b"Transfer-Encoding: chunked", *fields, body=body)


HOST = b"Host: h"
LENGTH = b"Content-Length: 5"
CHUNKED = b"Transfer-Encoding: chunked"
HELLO = b"5\r\nhello\r\n0\r\n\r\n"
