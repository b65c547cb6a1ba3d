"""Cases of a request's head: its line, target, host, lines and fields."""

from script import HOST, Answer, End, case, get, ok, post, refused

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
