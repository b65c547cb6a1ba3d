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
HELLO = b"5\r\nhello\r\n0\r\n\r\n"

# The request line

case("get", "9112 3", get(HOST), ok("/", b"", "GET"))
for method in ("DELETE", "PUT", "PATCH", "OPTIONS", "QUERY", "PROPFIND"):
    case(
        f"method {method}",
        "9110 9.1",
        f"{method} /m HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n".encode(),
        ok("/m", b"", method),
    )
case("empty lines before the request", "9112 2.2", b"\r\n\r\n" + get(HOST), ok("/"))
case(
    "empty line after a body",
    "9112 2.2",
    post(b"Content-Length: 2", body=b"hi\r\n"),
    ok("/", b"hi"),
)
refused("unknown method", "9110 9.1", b"BREW / HTTP/1.1\r\nHost: h\r\n\r\n", 501)
refused("longer than a known method", "9110 9.1", b"GETS / HTTP/1.1\r\nHost: h\r\n\r\n", 501)
refused("methods have a case", "9110 9.1", b"get / HTTP/1.1\r\nHost: h\r\n\r\n", 501, 400)
refused("a method of 100,000 letters", "9112 3", b"A" * 100_000 + b" / HTTP/1.1\r\n", 501, 400, 431)
for number, line in enumerate(
    [
        b" / HTTP/1.1",
        b" GET / HTTP/1.1",
        b"G(T / HTTP/1.1",
        b"G\0T / HTTP/1.1",
        b"GET\t/\tHTTP/1.1",
        b"GET / HTTP/1.1 ",
        b"GET / HTTP/1.1 x",
        b"GET / HTTP/1",
        b"GET / HTTP/11",
        b"GET / HTTP/1.10",
        b"GET / HTTP/1.",
        b"GET / HTTP/1,1",
        b"GET / http/1.1",
        b"GET / HTTPS/1.1",
        b"GET / ICE/1.0",
        b"GET / x",
        b"GET",
        b"/",
        b"\0",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ]
):
    refused(f"request line {number}", "9112 3", line + b"\r\nHost: h\r\n\r\n", 400, 501)
refused("no version", "9112 3", b"GET /\r\nHost: h\r\n\r\n", 400, 505)
# A recipient may take any run of white space for the one space.
for number, line in enumerate((b"GET  / HTTP/1.1", b"GET /  HTTP/1.1")):
    case(
        f"two spaces in the request line {number}",
        "9112 3",
        line + b"\r\nHost: h\r\n\r\n",
        Answer((400, 200), path="/"),
        end=End.ANY,
    )
refused("version 2.0", "9110 2.5", get(HOST, version=b"HTTP/2.0"), 505)
refused("version 0.9", "9110 2.5", get(HOST, version=b"HTTP/0.9"), 505, 400)
refused("version 3.7", "9110 2.5", get(HOST, version=b"HTTP/3.7"), 505)
refused("preface of HTTP/2", "9113 3.4", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, 400)

# Targets

for name, target, path in [
    ("query", b"/a?b=c&d", "/a"),
    ("escapes", b"/a%20b%2Fc", "/a b/c"),
    ("an escape that is none", b"/a%zz%", "/a%zz%"),
    ("dots are not resolved", b"/a/../b/./c", "/a/../b/./c"),
    ("empty segments", b"//a//b", "//a//b"),
    ("punctuation", b"/a;b=c,d:e@f!$&'()*+", "/a;b=c,d:e@f!$&'()*+"),
    ("absolute form", b"http://h/x?y", "/x"),
    ("absolute form without path", b"http://h", "/"),
    ("absolute form with port", b"http://h:80/x", "/x"),
    ("absolute form in capitals", b"HTTP://H/x", "/x"),
    ("a long target", b"/" + b"a" * 8000, "/" + "a" * 8000),
]:
    case(f"target: {name}", "9112 3.2", get(HOST, target=target), ok(path))
case("absolute form beats Host", "9112 3.2.2", get(b"Host: other", target=b"http://h/x"), ok("/x"))
case(
    "asterisk form", "9112 3.2.4", b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", ok("*", b"", "OPTIONS")
)
refused("a target of 9,000 bytes", "9112 3", get(HOST, target=b"/" + b"a" * 9000), 414)
for name, target in [
    ("asterisk form of GET", b"*"),
    ("authority form of GET", b"h:80"),
    ("relative", b"a/b"),
    ("only a query", b"?a"),
    ("fragment", b"/a#b"),
    ("fragment in absolute form", b"http://h/a#b"),
    ("NUL", b"/a\0b"),
    ("control character", b"/a\x01b"),
    ("DEL", b"/a\x7fb"),
    ("CR", b"/a\rb"),
    ("space", b"/a b"),
    ("no host", b"http:///a"),
    ("user information", b"http://user@h/a"),
    ("port that is none", b"http://h:x/a"),
    ("another scheme", b"ftp://h/a"),
]:
    refused(f"target that is none: {name}", "9112 3.2", get(HOST, target=target))
refused("CONNECT", "9110 9.3.6", b"CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n", 501, 405, 400)

# Host

case("host empty", "9112 3.2", get(b"Host:"), ok("/"))
for value in (b"h:8000", b"127.0.0.1", b"[::1]:80", b"a-b.example", b" \t h \t "):
    case(
        f"host {value!r}",
        "9112 3.2",
        get(b"Host: " + value),
        ok("/", fields={"host": value.strip().decode()}),
    )
refused("no host", "9112 3.2", get())
refused("no host with absolute form", "9112 3.2", get(target=b"http://h/"))
refused("two hosts", "9112 3.2", get(HOST, b"Host: other"))
refused("the same host twice", "9112 3.2", get(HOST, HOST))
for value in (b"a b", b"a/b", b"user@h", b"h:x", b"h:80:80", b"[::1", b"h, other", b"h?x", b"h\\x"):
    refused(f"host that is none {value!r}", "9112 3.2", get(b"Host: " + value))

# Lines and fields

for name, request in [
    ("LF for CRLF", b"GET / HTTP/1.1\nHost: h\n\n"),
    ("LF after the request line", b"GET / HTTP/1.1\nHost: h\r\n\r\n"),
    ("LF after a field", b"GET / HTTP/1.1\r\nHost: h\nA: b\r\n\r\n"),
    ("LF as empty line", b"GET / HTTP/1.1\r\nHost: h\r\n\n"),
]:
    # A recipient may take a single LF for a line end. Ours does not.
    refused(f"line end: {name}", "9112 2.2", request, 400)
for name, line in [
    ("CR for CRLF", b"A: b\rC: d"),
    ("CR within a value", b"A: b\rc"),
    ("CR CR LF", b"A: b\r"),
    ("space before the colon", b"A : b"),
    ("tab before the colon", b"A\t: b"),
    ("no colon", b"A"),
    ("no name", b": b"),
    ("only a colon", b":"),
    ("folded", b"A: b\r\n c"),
    ("folded with a tab", b"A: b\r\n\tc"),
    ("folded empty", b"A: b\r\n "),
    ("parenthesis in the name", b"A(b): c"),
    ("slash in the name", b"A/b: c"),
    ("space in the name", b"A b: c"),
    ("NUL in the name", b"A\0: c"),
    ("not ASCII in the name", b"A\xe9: c"),
    ("NUL in the value", b"A: b\0c"),
]:
    refused(f"field that is none: {name}", "9112 5", get(HOST, line))
refused("white space before the first field", "9112 2.2", b"GET / HTTP/1.1\r\n Host: h\r\n\r\n")
refused("folded first line", "9112 2.2", b"GET / HTTP/1.1\r\n\tx\r\nHost: h\r\n\r\n")
for name, line, value in [
    ("no white space", b"A:b", "b"),
    ("much white space", b"A: \t b \t ", "b"),
    ("inner white space", b"A: b \t c", "b \t c"),
    ("empty", b"A:", ""),
    ("only white space", b"A:  \t ", ""),
    ("not ASCII", b"A: \xe9\xff", "\xe9\xff"),
    ("colons", b"A: b:c::", "b:c::"),
    ("quotes and commas", b'A: "b, c", d', '"b, c", d'),
    ("5,000 bytes", b"A: " + b"x" * 5000, "x" * 5000),
]:
    case(f"value: {name}", "9112 5.1", get(HOST, line), ok("/", fields={"a": value}))
case("every character of names", "9110 5.6.2", get(HOST, b"!#$%&'*+-.^_`|~09AZaz: x"), ok("/"))
case("98 fields", "9110 5.4", get(HOST, *[b"A%d: x" % i for i in range(97)]), ok("/"))
refused("2,000 fields", "6585 5", get(HOST, *[b"A%d: x" % i for i in range(2000)]), 431)
refused("a long name", "6585 5", get(HOST, b"A" * 100_000 + b": x"), 431)
refused("a long value", "6585 5", get(HOST, b"A: " + b"x" * 100_000), 431)
refused("much white space before a value", "6585 5", get(HOST, b"A:" + b" " * 100_000 + b"x"), 431)

# Content-Length

for name, line, body in [
    ("5", b"Content-Length: 5", b"hello"),
    ("0", b"Content-Length: 0", b""),
    ("leading zeros", b"Content-Length: 0005", b"hello"),
    ("white space", b"Content-Length: \t5\t ", b"hello"),
    ("any case", b"cONTENT-lENGTH: 5", b"hello"),
    ("any bytes", b"Content-Length: 6", b"\0\r\n\xff\n\r"),
    ("a request as body", b"Content-Length: 31", b"GET /x HTTP/1.1\r\nHost: other\r\n\r\n"[:31]),
    ("a body of a megabyte", b"Content-Length: 1048576", b"x" * MEBIBYTE),
]:
    case(f"length: {name}", "9112 6.2", post(line, body=body), ok("/", body, "POST"))
case("no length, no body", "9112 6.3", post(), ok("/", b""))
case(
    "GET with a body",
    "9110 9.3.1",
    get(HOST, b"Content-Length: 5") + b"hello",
    ok("/", b"hello", "GET"),
)
for value in (
    b"",
    b"-1",
    b"+5",
    b"5 5",
    b"5x",
    b"0x5",
    b"5.0",
    b"5e0",
    b"5;5",
    b"x",
    b"\xb2",
    b"'5'",
):
    refused(
        f"length that is none {value!r}",
        "9112 6.3",
        post(b"Content-Length: " + value, body=b"hello"),
    )
for name, lines in [
    ("two lengths", (b"Content-Length: 5", b"Content-Length: 6")),
    ("two lengths, one none", (b"Content-Length: 5", b"Content-Length:")),
    ("a list of lengths", (b"Content-Length: 5, 6",)),
    ("a list of one length", (b"Content-Length: 5, 5",)),
    ("one length twice", (b"Content-Length: 5", b"Content-Length: 5")),
]:
    refused(name, "9112 6.3", post(*lines, body=b"hello"))
for value in (b"99999999999", b"9223372036854775807", b"18446744073709551615"):
    refused(f"a length of {value.decode()}", "9110 15.5.14", post(b"Content-Length: " + value), 413)
for value in (b"18446744073709551616", b"1" + b"0" * 40):
    refused(
        f"a length of {value.decode()}", "9112 6.3", post(b"Content-Length: " + value), 400, 413
    )

# Chunks

for name, body, expected in [
    ("one", HELLO, b"hello"),
    ("none", b"0\r\n\r\n", b""),
    ("several", b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", b"hello"),
    ("hexadecimal", b"a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n", b"01234567890123456789a"),
    ("leading zeros", b"00005\r\nhello\r\n000\r\n\r\n", b"hello"),
    ("line ends within", b"6\r\n\r\n0\r\n\r\r\n0\r\n\r\n", b"\r\n0\r\n\r"),
    ("an extension", b"5;a\r\nhello\r\n0\r\n\r\n", b"hello"),
    ("extensions", b'5;a=b;c="d e";f\r\nhello\r\n0;x=y\r\n\r\n', b"hello"),
    ("a trailer", b"5\r\nhello\r\n0\r\nA: b\r\nC: d\r\n\r\n", b"hello"),
]:
    case(
        f"chunks: {name}",
        "9112 7.1",
        chunked(body),
        ok("/", expected, "POST", {"a": None, "c": None}),
    )
case(
    "a trailer does not become a header",
    "9110 6.5.1",
    chunked(b"0\r\nHost: x\r\nA: b\r\n\r\n"),
    ok("/", b"", fields={"a": None, "host": "h"}),
)
case(
    "chunked in any case",
    "9112 7",
    post(b"transfer-encoding: ChUnKeD", body=HELLO),
    ok("/", b"hello"),
)
for name, body in [
    ("no size", b"\r\nhello\r\n0\r\n\r\n"),
    ("not a size", b"x\r\nhello\r\n0\r\n\r\n"),
    ("a negative size", b"-5\r\nhello\r\n0\r\n\r\n"),
    ("a plus", b"+5\r\nhello\r\n0\r\n\r\n"),
    ("0x", b"0x5\r\nhello\r\n0\r\n\r\n"),
    ("an underscore", b"0_5\r\nhello\r\n0\r\n\r\n"),
    ("a space before", b" 5\r\nhello\r\n0\r\n\r\n"),
    ("a dot", b"5.\r\nhello\r\n0\r\n\r\n"),
    ("LF after the size", b"5\nhello\r\n0\r\n\r\n"),
    ("CR after the size", b"5\rhello\r\n0\r\n\r\n"),
    ("LF after an extension", b"5;a\nhello\r\n0\r\n\r\n"),
    ("CR within an extension", b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
    ("NUL in an extension", b"5;a\0\r\nhello\r\n0\r\n\r\n"),
    ("nothing between", b"5\r\nhello0\r\n\r\n"),
    ("LF between", b"5\r\nhello\n0\r\n\r\n"),
    ("too long", b"5\r\nhelloo\r\n0\r\n\r\n"),
    ("too short", b"5\r\nhell\r\n0\r\n\r\n"),
    ("LF after the last", b"5\r\nhello\r\n0\n\n"),
    ("a folded trailer", b"0\r\nA: b\r\n c\r\n\r\n"),
    ("a trailer that is none", b"0\r\nA b\r\n\r\n"),
    ("a trailer with a space before the colon", b"0\r\nA : b\r\n\r\n"),
]:
    refused(f"chunks that are none: {name}", "9112 7.1", chunked(body))
# White space after a size is bad, but was sent, and may be taken off.
case(
    "a space after a size",
    "9112 7.1.1",
    chunked(b"5 \r\nhello\r\n0\r\n\r\n"),
    Answer((200, 400), body=b"hello"),
    end=End.ANY,
)
refused("a chunk of 2^64 - 1", "9112 7.1", chunked(b"ffffffffffffffff\r\nhello"), 413, 400)
refused(
    "a chunk of 2^64 + 5", "9112 7.1", chunked(b"10000000000000005\r\nhello\r\n0\r\n\r\n"), 400, 413
)
refused("a chunk of 10^100", "9112 7.1", chunked(b"f" * 100 + b"\r\nhello"), 400, 413)
refused("a chunk of 17 MiB", "9110 15.5.14", chunked(b"1100000\r\nhello"), 413)
refused(
    "a long extension",
    "9112 7.1.1",
    chunked(b"5;a=" + b"x" * 100_000 + b"\r\nhello"),
    400,
    413,
    431,
)
refused(
    "many extensions",
    "9112 7.1.1",
    chunked(b"".join(b"1;" + b"x" * 1000 + b"\r\na\r\n" for _ in range(100))),
    *(400, 413, 431),
)
refused(
    "a long trailer",
    "9112 7.1.2",
    chunked(b"0\r\nA: " + b"x" * 100_000 + b"\r\n\r\n"),
    400,
    413,
    431,
)

# Transfer codings, and what is smuggled past a proxy that reads them otherwise (9112 11.2)

LENGTH = b"Content-Length: 5"
CHUNKED = b"Transfer-Encoding: chunked"
refused("length and chunked", "9112 6.3", post(LENGTH, CHUNKED, body=HELLO))
refused("chunked and length", "9112 6.3", post(CHUNKED, LENGTH, body=HELLO))
refused("chunked and length 0", "9112 6.3", post(CHUNKED, b"Content-Length: 0", body=HELLO))
for value in (
    b"identity",
    b"gzip",
    b"gzip, chunked",
    b"chunked, gzip",
    b"chunked, chunked",
    b"chunked, identity",
    b"identity, chunked",
    b"chunked,",
    b", chunked",
    b"xchunked",
    b"chunkedx",
    b"chunked;q=1",
    b'"chunked"',
    b"chunk",
    b"",
    b"\x0bchunked",
    b"chunked\x00",
    b"chunked\x0b",
    b"chunked\xa0",
    b"x, y, chunked",
):
    refused(
        f"coding {value!r}", "9112 6.1", post(b"Transfer-Encoding: " + value, body=HELLO), 400, 501
    )
refused("chunked twice", "9112 6.1", post(CHUNKED, CHUNKED, body=HELLO), 400, 501)
refused("two codings", "9112 6.1", post(CHUNKED, b"Transfer-Encoding: gzip", body=HELLO), 400, 501)
refused(
    "two codings, the other way",
    "9112 6.1",
    post(b"Transfer-Encoding: x", CHUNKED, body=HELLO),
    400,
    501,
)
refused(
    "coding with a space before the colon",
    "9112 5.1",
    post(b"Transfer-Encoding : chunked", body=HELLO),
)
refused("coding folded", "9112 5.2", post(b"Transfer-Encoding:\r\n chunked", body=HELLO))
refused("coding after CR", "9112 2.2", post(b"A: b\rTransfer-Encoding: chunked", body=HELLO))
refused(
    "coding in HTTP/1.0",
    "9112 6.1",
    b"POST / HTTP/1.0\r\nHost: h\r\n" + CHUNKED + b"\r\n\r\n" + HELLO,
)
refused(
    "length and chunked in HTTP/1.0",
    "9112 6.1",
    b"POST / HTTP/1.0\r\nHost: h\r\nContent-Length: 5\r\n" + CHUNKED + b"\r\n\r\n" + HELLO,
)
case(
    "a name that is like Transfer-Encoding",
    "9112 6.1",
    get(HOST, b"Transfer_Encoding: chunked") + get(HOST, target=b"/next"),
    ok("/", b""),
    ok("/next"),
)
case(
    "a name that is like Content-Length",
    "9112 6.2",
    get(HOST, b"Content_Length: 5", b"X-Content-Length: 5") + get(HOST, target=b"/next"),
    ok("/", b""),
    ok("/next"),
)
case(
    "length in Connection",
    "9110 7.6.1",
    post(LENGTH, b"Connection: content-length", body=b"hello"),
    ok("/", b"hello"),
)
refused(
    "TE.CL", "9112 11.2", post(b"Content-Length: 4", CHUNKED, body=b"5c\r\nGPOST / HTTP/1.1\r\n")
)
refused("CL.TE", "9112 11.2", post(b"Content-Length: 6", CHUNKED, body=b"0\r\n\r\nG"))

# Pipelines

case(
    "three at once",
    "9112 9.3.2",
    get(HOST, target=b"/1") + post(LENGTH, body=b"hello") + get(HOST, target=b"/3"),
    ok("/1"),
    ok("/", b"hello"),
    ok("/3"),
)
case(
    "a hundred at once",
    "9112 9.3.2",
    b"".join(get(HOST, target=b"/%d" % i) for i in range(100)),
    *[ok(f"/{i}") for i in range(100)],
)
case(
    "a good one and a bad one",
    "9112 9.3.2",
    get(HOST, target=b"/1") + get(target=b"/2") + get(HOST, target=b"/3"),
    ok("/1"),
    Answer((400,)),
    end=End.CLOSED,
)
case(
    "HEAD between two",
    "9112 6.3",
    get(HOST, target=b"/1") + b"HEAD /2 HTTP/1.1\r\nHost: h\r\n\r\n" + get(HOST, target=b"/3"),
    ok("/1"),
    ok(to_head=True),
    ok("/3"),
)
case(
    "chunks and then another",
    "9112 7.1",
    chunked(HELLO) + get(HOST, target=b"/2"),
    ok("/", b"hello"),
    ok("/2"),
)

# Connections

for name, line in [
    ("close", b"Connection: close"),
    ("close in capitals", b"CONNECTION: CLOSE"),
    ("close in a list", b"Connection: x, close ,y"),
    ("close beats keep-alive", b"Connection: keep-alive, close"),
]:
    case(name, "9112 9.6", get(HOST, line) + get(HOST, target=b"/not"), ok("/"), end=End.CLOSED)
case("keep-alive", "9112 9.3", get(HOST, b"Connection: keep-alive"), ok("/"))
case("an option that means nothing", "9110 7.6.1", get(HOST, b"Connection: x"), ok("/"))
case("not the word close", "9112 9.6", get(HOST, b"Connection: closed, xclose"), ok("/"))
case("HTTP/1.0 closes", "9112 9.3", get(HOST, version=b"HTTP/1.0"), ok("/"), end=End.CLOSED)
case("HTTP/1.0 needs no host", "9112 3.2", get(version=b"HTTP/1.0"), ok("/"), end=End.CLOSED)
case(
    "HTTP/1.0 keeps alive when asked",
    "9112 C.2.2",
    get(HOST, b"Connection: keep-alive", version=b"HTTP/1.0"),
    ok("/"),
)
case(
    "HTTP/1.0 with a body",
    "9112 6.3",
    b"POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello",
    ok("/", b"hello"),
    end=End.CLOSED,
)
for offer in (b"h2c", b"websocket", b"x/1"):
    case(
        f"an offer to upgrade to {offer.decode()} is not taken",
        "9110 7.8",
        get(HOST, b"Connection: upgrade", b"Upgrade: " + offer) + get(HOST, target=b"/2"),
        ok("/"),
        ok("/2"),
    )
case("half closed", "9112 9.6", get(HOST), HalfClose(), ok("/"), end=End.CLOSED)
case("half closed with nothing sent", "9112 9.6", HalfClose(), end=End.CLOSED)

# Expect

case(
    "100 and then the body",
    "9110 10.1.1",
    post(LENGTH, b"Expect: 100-continue"),
    Answer((100,)),
    b"hello",
    ok("/", b"hello"),
)
case(
    "100 and then chunks",
    "9110 10.1.1",
    chunked(b"", b"Expect: 100-Continue"),
    Answer((100,)),
    HELLO,
    ok("/", b"hello"),
)
case(
    "the body comes with the question",
    "9110 10.1.1",
    post(LENGTH, b"Expect: 100-continue", body=b"hello"),
    ok("/", b"hello", perhaps_continue=True),
)
case("no body to ask for", "9110 10.1.1", get(HOST, b"Expect: 100-continue"), ok("/", b""))
case(
    "HTTP/1.0 can't ask",
    "9110 10.1.1",
    b"POST / HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
    ok("/", b"hello"),
    end=End.CLOSED,
)
case(
    "too much to ask for",
    "9110 10.1.1",
    post(b"Content-Length: 99999999", b"Expect: 100-continue"),
    Answer((413,)),
    end=End.CLOSED,
)
refused("another expectation", "9110 10.1.1", post(LENGTH, b"Expect: x", body=b"hello"), 417)

# HEAD

case("HEAD", "9110 9.3.2", b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", ok(to_head=True))
case(
    "HEAD closes",
    "9110 9.3.2",
    b"HEAD / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    ok(to_head=True),
    end=End.CLOSED,
)
