"""Cases of what follows what: pipelines, connections, expectations, HEAD."""

from script import (
    HELLO,
    HOST,
    LENGTH,
    Answer,
    End,
    HalfClose,
    case,
    chunked,
    get,
    ok,
    post,
    refused,
)

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
