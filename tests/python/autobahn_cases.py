"""The cases of the Autobahn test suite, groups 1 to 7, 9 and 10, as data; the numbers are its own.

A case is what a client sends and what it gets from an application that sends everything back. Where
an error or a close follows a message in the same bytes, the connection may be closed before the
application has sent anything back, which the suite calls not strict. Who runs the cases cuts the
small ones at every octet besides.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
Event = tuple[int, bytes]
KIB, MIB = 1 << 10, 1 << 20


@dataclass(frozen=True)
class Case:
    """`sent` in pieces of `cut` bytes (0: at once), and the frames for it. Where none of these is
    a close, the client then closes the connection, which is answered.
    """

    number: str
    sent: bytes
    got: list[Event]
    cut: int = 0

    def allows(self, got: list[Event]) -> bool:
        """Whether these are the frames that a client may get, without the close that it begins."""
        return got == self.got or (self.is_closed and got == self.got[-1:])

    @property
    def is_closed(self) -> bool:
        return bool(self.got) and self.got[-1][0] == CLOSE


def frame(opcode: int, payload: bytes = b"", final: bool = True, reserved: int = 0) -> bytes:
    """A client's frame, masked."""
    first = bytes([final << 7 | reserved << 4 | opcode])
    size = len(payload)
    if size < 126:
        head = bytes([0x80 | size])
    elif size < 65536:
        head = b"\xfe" + size.to_bytes(2)
    else:
        head = b"\xff" + size.to_bytes(8)
    key = os.urandom(4)
    mask = int.from_bytes((key * (size // 4 + 1))[:size])
    masked = (int.from_bytes(payload) ^ mask).to_bytes(size)
    return first + head + key + masked


def fragments(opcode: int, parts: list[bytes], between: bytes = b"") -> bytes:
    """A message in parts, with other frames between two of them."""
    last = len(parts) - 1
    frames = [frame(0 if i else opcode, part, i == last) for i, part in enumerate(parts)]
    return between.join(frames)


def pieces(payload: bytes, size: int) -> list[bytes]:
    return [payload[at : at + size] for at in range(0, len(payload), size)] or [b""]


def close(code: int | None = 1000, reason: bytes = b"") -> bytes:
    return frame(CLOSE, (b"" if code is None else code.to_bytes(2)) + reason)


def closed(code: int) -> Event:
    return CLOSE, code.to_bytes(2)


WRONG, NOT_UTF8, NORMAL = closed(1002), closed(1007), closed(1000)


def good(number: str, opcode: int, payload: bytes, sent: bytes | None = None, cut: int = 0) -> Case:
    """A message and its echo."""
    return Case(number, frame(opcode, payload) if sent is None else sent, [(opcode, payload)], cut)


def framing() -> Iterator[Case]:
    sizes = (0, 125, 126, 127, 128, 65535, 65536)
    for group, opcode, octet in ((1, TEXT, b"*"), (2, BINARY, b"\xfe")):
        for at, size in enumerate(sizes, 1):
            yield good(f"1.{group}.{at}", opcode, octet * size)
        yield good(f"1.{group}.8", opcode, octet * 65536, cut=997)


def pings() -> Iterator[Case]:
    odd = b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"
    for at, payload in enumerate((b"", b"Hello, world!", odd, b"\xfe" * 125), 1):
        yield Case(f"2.{at}", frame(PING, payload), [(PONG, payload)])
    yield Case("2.5", frame(PING, b"\xfe" * 126), [WRONG])
    yield Case("2.6", frame(PING, b"\xfe" * 125), [(PONG, b"\xfe" * 125)], 1)
    for at, payload in ((7, b""), (8, b"unsolicited")):
        yield Case(f"2.{at}", frame(PONG, payload), [])
    both = frame(PONG, b"unsolicited") + frame(PING, b"ping")
    yield Case("2.9", both, [(PONG, b"ping")])
    ten = [b"payload-%d" % number for number in range(10)]
    sent = b"".join(frame(PING, payload) for payload in ten)
    for at, cut in ((10, 0), (11, 1)):
        yield Case(f"2.{at}", sent, [(PONG, each) for each in ten], cut)


def reserved_bits() -> Iterator[Case]:
    hello, before = b"Hello, world!", frame(TEXT, b"first")
    yield Case("3.1", frame(TEXT, hello, reserved=1), [WRONG])
    for at, cut in ((2, 0), (3, 7), (4, 1)):
        sent = before + frame(TEXT, hello, reserved=at) + frame(PING)
        yield Case(f"3.{at}", sent, [(TEXT, b"first"), WRONG], cut)
    yield Case("3.5", frame(BINARY, b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff", reserved=5), [WRONG])
    yield Case("3.6", frame(PING, hello, reserved=6), [WRONG])
    yield Case("3.7", frame(CLOSE, reserved=7), [WRONG])


def opcodes() -> Iterator[Case]:
    hello, first = b"Hello, world!", (TEXT, b"first")
    for group, base in ((1, 3), (2, 11)):
        yield Case(f"4.{group}.1", frame(base), [WRONG])
        yield Case(f"4.{group}.2", frame(base + 1, hello), [WRONG])
        for at, payload, cut in ((3, b"", 0), (4, hello, 0), (5, hello, 1)):
            sent = frame(TEXT, b"first") + frame(base + at - 1, payload) + frame(PING)
            yield Case(f"4.{group}.{at}", sent, [first, WRONG], cut)


def fragmentation() -> Iterator[Case]:
    two = [b"fragment1", b"fragment2"]
    whole, whole_text = b"".join(two), (TEXT, b"".join(two))
    ping = frame(PING, b"ping")
    for at, opcode in ((1, PING), (2, PONG)):
        yield Case(f"5.{at}", fragments(opcode, two), [WRONG])
    for at, cut in ((3, 0), (4, 3), (5, 1)):
        yield good(f"5.{at}", TEXT, whole, fragments(TEXT, two), cut)
    for at, cut in ((6, 0), (7, 3), (8, 1)):
        yield Case(f"5.{at}", fragments(TEXT, two, ping), [(PONG, b"ping"), whole_text], cut)
    for start, final in ((9, True), (12, False)):
        for at, cut in enumerate((0, 3, 1), start):
            sent = frame(0, b"no start", final) + frame(TEXT, b"Hello, world!")
            yield Case(f"5.{at}", sent, [WRONG], cut)
    sent = fragments(TEXT, two) + frame(0, b"fragment3", False) + frame(TEXT, b"fragment4")
    yield Case("5.15", sent, [whole_text, WRONG])
    for at, final in ((16, False), (17, True)):
        each = frame(0, b"fragment1", final) + frame(TEXT, b"fragment2")
        yield Case(f"5.{at}", each * 2, [WRONG])
    yield Case("5.18", frame(TEXT, b"fragment1", False) + frame(TEXT, b"fragment2"), [WRONG])
    five = [b"fragment%d" % number for number in range(1, 6)]
    sent = frame(TEXT, five[0], False) + frame(0, five[1], False) + ping
    sent += frame(0, five[2], False) + frame(0, five[3], False) + ping + frame(0, five[4])
    got = [(PONG, b"ping"), (PONG, b"ping"), (TEXT, b"".join(five))]
    for at, cut in ((19, 0), (20, 1)):
        yield Case(f"5.{at}", sent, got, cut)


# Texts by the numbers below 6, and those which are none.
GREEK = "κόσμε".encode()
GOOD_UTF8 = {
    "6.7": [b"\x00", b"\xc2\x80", b"\xe0\xa0\x80", b"\xf0\x90\x80\x80"],
    "6.9": [b"\x7f", b"\xdf\xbf", b"\xef\xbf\xbf", b"\xf4\x8f\xbf\xbf"],
    "6.11": [b"\xed\x9f\xbf", b"\xee\x80\x80", b"\xef\xbf\xbd", b"\xf4\x8f\xbf\xbf"],
    "6.22": [chr(plane << 16 | 0xFFFE | low).encode() for plane in range(17) for low in (0, 1)],
    "6.23": [b"\xef\xbf" + bytes([last]) for last in range(0xB9, 0xC0)],
}
BAD_UTF8 = {
    "6.8": [b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80"],
    "6.10": [b"\xf7\xbf\xbf\xbf", b"\xfb\xbf\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf\xbf"],
    "6.11.5": [b"\xf4\x90\x80\x80"],
    "6.12": [b"\x80", b"\xbf", *((b"\x80\xbf" * 4)[:size] for size in range(2, 8)),
             bytes(range(0x80, 0xC0))],
    "6.13": [b"".join(bytes([lead]) + b" " for lead in leads) for leads in
             (range(0xC0, 0xE0), range(0xE0, 0xF0), range(0xF0, 0xF8), range(0xF8, 0xFC),
              range(0xFC, 0xFE))],
    "6.14": [b"\xc0", b"\xe0\x80", b"\xf0\x80\x80", b"\xf8\x80\x80\x80", b"\xfc\x80\x80\x80\x80",
             b"\xdf", b"\xef\xbf", b"\xf7\xbf\xbf", b"\xfb\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf"],
    "6.15": [b"\xc0\xe0\x80\xf0\x80\x80\xf8\x80\x80\x80\xfc\x80\x80\x80\x80\xdf\xef\xbf\xf7\xbf\xbf"
             b"\xfb\xbf\xbf\xbf\xfd\xbf\xbf\xbf\xbf"],
    "6.16": [b"\xfe", b"\xff", b"\xfe\xfe\xff\xff"],
    "6.17": [b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xf8\x80\x80\x80\xaf",
             b"\xfc\x80\x80\x80\x80\xaf"],
    "6.18": [b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf", b"\xf8\x87\xbf\xbf\xbf",
             b"\xfc\x83\xbf\xbf\xbf\xbf"],
    "6.19": [b"\xc0\x80", b"\xe0\x80\x80", b"\xf0\x80\x80\x80", b"\xf8\x80\x80\x80\x80",
             b"\xfc\x80\x80\x80\x80\x80"],
    "6.20": [b"\xed\xa0\x80", b"\xed\xad\xbf", b"\xed\xae\x80", b"\xed\xaf\xbf", b"\xed\xb0\x80",
             b"\xed\xbe\x80", b"\xed\xbf\xbf"],
    "6.21": [high + low
             for high in (b"\xed\xa0\x80", b"\xed\xad\xbf", b"\xed\xae\x80", b"\xed\xaf\xbf")
             for low in (b"\xed\xb0\x80", b"\xed\xbf\xbf")],
}  # fmt: skip


def utf8() -> Iterator[Case]:
    for at, parts in enumerate(([b""], [b"", b"", b""], [b"", b"middle", b""]), 1):
        yield good(f"6.1.{at}", TEXT, b"".join(parts), fragments(TEXT, parts))
    text = "Hello-µ@ßöäüàá-UTF-8!!".encode()
    cuts = ([text], [text[:12], text[12:]], pieces(text, 1))
    for at, parts in enumerate(cuts, 1):
        yield good(f"6.2.{at}", TEXT, text, fragments(TEXT, parts))
    yield good("6.2.4", TEXT, GREEK, fragments(TEXT, pieces(GREEK, 1)))
    bad = GREEK + b"\xed\xa0\x80edited"
    for at, parts in enumerate(([bad], pieces(bad, 1)), 1):
        yield Case(f"6.3.{at}", fragments(TEXT, parts), [NOT_UTF8])
    # As soon as it can be known: the message has no end.
    for at, (first, second) in enumerate(
        ((GREEK + b"\xf4", b"\x90\x80\x80"), (GREEK + b"\xf4\x90", b"\x80"), (GREEK, b"\xf4\x90")),
        1,
    ):
        sent = frame(TEXT, first, False) + frame(0, second, False)
        yield Case(f"6.4.{at}", sent, [NOT_UTF8])
    unfinished = frame(TEXT, GREEK + b"\xf4\x90\x80\x80edited" * 100)
    yield Case("6.4.4", unfinished[: 14 + len(GREEK) + 4], [NOT_UTF8])
    for at in range(1, len(GREEK) + 1):
        part = GREEK[:at]
        try:
            part.decode()
            yield good(f"6.6.{at}", TEXT, part)
        except UnicodeDecodeError:
            yield Case(f"6.6.{at}", frame(TEXT, part), [NOT_UTF8])
    for number, texts in GOOD_UTF8.items():
        for at, payload in enumerate(texts, 1):
            yield good(f"{number}.{at}", TEXT, payload)
    for number, texts in BAD_UTF8.items():
        for at, payload in enumerate(texts, 1):
            yield Case(f"{number}.{at}", frame(TEXT, payload), [NOT_UTF8])


VALID_CODES = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
INVALID_CODES = (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999)


def closing() -> Iterator[Case]:
    hello = frame(TEXT, b"Hello World!")
    echo = (TEXT, b"Hello World!")
    yield Case("7.1.1", hello + close(), [echo, NORMAL])
    yield Case("7.1.2", close() + close(), [NORMAL])
    yield Case("7.1.3", close() + frame(PING), [NORMAL])
    yield Case("7.1.4", close() + hello, [NORMAL])
    yield Case(
        "7.1.5", frame(TEXT, b"fragment1", False) + close() + frame(0, b"fragment2"), [NORMAL]
    )
    long = b"BAsd7&jh23" * 26_000
    yield Case("7.1.6", frame(TEXT, long) + close() + frame(PING), [(TEXT, long), NORMAL])
    yield Case("7.3.1", close(None), [(CLOSE, b"")])
    yield Case("7.3.2", frame(CLOSE, b"a"), [WRONG])
    yield Case("7.3.3", close(), [NORMAL])
    yield Case("7.3.4", close(1000, b"Hello World!"), [NORMAL])
    yield Case("7.3.5", close(1000, b"*" * 123), [NORMAL])
    yield Case("7.3.6", close(1000, b"*" * 124), [WRONG])
    yield Case("7.5.1", close(1000, GREEK + b"\xed\xa0\x80edited"), [NOT_UTF8])
    for at, code in enumerate(VALID_CODES, 1):
        yield Case(f"7.7.{at}", close(code), [closed(code)])
    for at, code in enumerate(INVALID_CODES, 1):
        yield Case(f"7.9.{at}", close(code), [WRONG])
    for at, code in enumerate((5000, 65535), 1):
        yield Case(f"7.13.{at}", close(code), [WRONG])


def large_messages() -> Iterator[Case]:
    sizes = (64 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, 16 * MIB)
    for at in range(6):
        for group, opcode in ((1, TEXT), (2, BINARY)):
            yield good(f"9.{group}.{at + 1}", opcode, b"*" * sizes[at])
    four = b"*" * (4 * MIB)
    for at in range(9):
        for group, opcode in ((3, TEXT), (4, BINARY)):
            sent = fragments(opcode, pieces(four, 64 << 2 * at))
            yield good(f"9.{group}.{at + 1}", opcode, four, sent)
    for at in range(6):
        for group, opcode in ((5, TEXT), (6, BINARY)):
            yield good(f"9.{group}.{at + 1}", opcode, b"*" * MIB, cut=64 << at)
    for at, size in enumerate((0, 16, 64, 256, 1024, 4096), 1):
        for group, opcode in ((7, TEXT), (8, BINARY)):
            sent = frame(opcode, b"*" * size) * 1000
            yield Case(f"9.{group}.{at}", sent, [(opcode, b"*" * size)] * 1000)
    stars = b"*" * 65536
    yield good("10.1.1", TEXT, stars, fragments(TEXT, pieces(stars, 1300)))


GROUPS = {
    "1, framing": framing,
    "2, pings and pongs": pings,
    "3, reserved bits": reserved_bits,
    "4, opcodes": opcodes,
    "5, fragmentation": fragmentation,
    "6, UTF-8": utf8,
    "7, closing": closing,
    "9 and 10, large messages": large_messages,
}
