"""Cookies (RFC 6265): reading what browsers send, and fields that set them."""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

__all__ = ["parse_cookie", "set_cookie_header"]


def parse_cookie(value: str) -> dict[str, str]:
    """The cookies in the value of a Cookie field.

    As lenient as browsers are with what they send (RFC 6265 section 5.4): anything goes between
    the semicolons, a surrounding pair of quotes is taken off, and what has no name is left out. Of
    two cookies with one name the first counts, which is the one with the longer path. Values that
    are UTF-8 are decoded as such, others stay as they are.
    """
    cookies: dict[str, str] = {}
    if not value.isascii():
        with contextlib.suppress(UnicodeError):
            value = value.encode("latin-1").decode("utf-8")
    for piece in value.split(";"):
        name, equals, text = piece.partition("=")
        name = name.strip(" \t")
        if not equals or not name or name in cookies:
            continue
        text = text.strip(" \t")
        if len(text) >= 2 and text[0] == text[-1] == '"':
            text = text[1:-1]
        cookies[name] = text
    return cookies


_cookie_name = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
_cookie_value = re.compile(r"[!#-+\--:<-\[\]-~]*").fullmatch
_cookie_path = re.compile(r"/[ -:<-~]*").fullmatch
_label = r"[0-9A-Za-z](?:[0-9A-Za-z-]{0,61}[0-9A-Za-z])?"
_cookie_domain = re.compile(rf"\.?{_label}(?:\.{_label})*").fullmatch
# Browsers drop a cookie of which name and value are longer, without a word.
_LONGEST_COOKIE: Final = 4096
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)


def _http_date(when: datetime) -> str:
    """A time as HTTP writes it, not asking the locale."""
    if when.tzinfo is None:
        raise ValueError("set_cookie: expires needs a time zone, as datetime.now(UTC) has")
    when = when.astimezone(UTC)
    return (
        f"{_DAYS[when.weekday()]}, {when.day:02} {_MONTHS[when.month - 1]} {when.year:04} "
        f"{when.hour:02}:{when.minute:02}:{when.second:02} GMT"
    )


def _check_cookie(name: str, value: str, path: str | None, domain: str | None) -> None:
    if not _cookie_name(name):
        raise ValueError(f"set_cookie: {name!r} can't be a cookie's name")
    if not _cookie_value(value):
        raise ValueError(
            f"set_cookie: the value of {name!r} has a character that cookies can't carry (white "
            "space, quotes, comma, semicolon, backslash, control and non-ASCII characters); encode "
            "it, for example with urllib.parse.quote"
        )
    if len(name) + len(value) > _LONGEST_COOKIE:
        raise ValueError(
            f"set_cookie: {name!r} is over the {_LONGEST_COOKIE} bytes that browsers keep"
        )
    if path is not None and not _cookie_path(path):
        raise ValueError(f"set_cookie: {path!r} can't be a cookie's path")
    if domain is not None and (len(domain) > 253 or not _cookie_domain(domain)):
        raise ValueError(f"set_cookie: {domain!r} can't be a cookie's domain")


def set_cookie_header(
    name: str,
    value: str,
    *,
    max_age: int | timedelta | None = None,
    expires: datetime | None = None,
    path: str | None = "/",
    domain: str | None = None,
    secure: bool = False,
    httponly: bool = False,
    samesite: Literal["Strict", "Lax", "None", "strict", "lax", "none"] | None = "Lax",
    partitioned: bool = False,
) -> str:
    """The value of a Set-Cookie field.

    `max_age` is in seconds; without it and `expires` the cookie lasts as long as the browser's
    session, and with 0 the browser deletes it. Nothing is encoded and nothing can break out: a
    name, value or attribute that a cookie can't carry is a ValueError, and so is a combination that
    browsers refuse silently (SameSite=None or Partitioned without Secure, the rules of names that
    begin with __Secure- and __Host-, more than 4096 bytes).
    """
    _check_cookie(name, value, path, domain)
    parts = [f"{name}={value}"]
    if max_age is not None:
        seconds = max_age // timedelta(seconds=1) if isinstance(max_age, timedelta) else max_age
        if not isinstance(seconds, int):
            raise ValueError(f"set_cookie: max_age is in whole seconds, not {max_age!r}")
        parts.append(f"Max-Age={int(seconds)}")
    if expires is not None:
        parts.append(f"Expires={_http_date(expires)}")
    if path is not None:
        parts.append(f"Path={path}")
    if domain is not None:
        parts.append(f"Domain={domain.removeprefix('.')}")
    if samesite is not None:
        same_site = samesite.capitalize()
        if same_site not in ("Strict", "Lax", "None"):
            raise ValueError(f"set_cookie: samesite is 'Strict', 'Lax' or 'None', not {samesite!r}")
        if same_site == "None" and not secure:
            raise ValueError("set_cookie: browsers take samesite='None' only with secure=True")
        parts.append(f"SameSite={same_site}")
    if partitioned and not secure:
        raise ValueError("set_cookie: browsers take partitioned=True only with secure=True")
    prefix = name.lower()
    if prefix.startswith(("__secure-", "__host-")) and not secure:
        raise ValueError(f"set_cookie: browsers take {name!r} only with secure=True")
    if prefix.startswith("__host-") and (path != "/" or domain is not None):
        raise ValueError(f"set_cookie: browsers take {name!r} only with path='/' and no domain")
    if secure:
        parts.append("Secure")
    if httponly:
        parts.append("HttpOnly")
    if partitioned:
        parts.append("Partitioned")
    return "; ".join(parts)
