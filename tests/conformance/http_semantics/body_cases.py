"""Cases of a request's body: lengths, chunks, transfer codings."""

from script import (
    CHUNKED,
    HELLO,
    HOST,
    LENGTH,
    MEBIBYTE,
    Answer,
    End,
    case,
    chunked,
    get,
    ok,
    post,
    refused,
)

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
