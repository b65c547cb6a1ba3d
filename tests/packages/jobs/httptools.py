"""Parsing requests and responses, with callbacks."""

import httptools


class Protocol:
    def __init__(self) -> None:
        self.found: list[object] = []

    def on_url(self, url: bytes) -> None:
        self.found.append(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self.found.append((name, value))

    def on_body(self, body: bytes) -> None:
        self.found.append(body)


def work() -> object:
    for _ in range(500):
        protocol = Protocol()
        parser = httptools.HttpRequestParser(protocol)
        parser.feed_data(b"POST /a?b=c HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi")
    try:
        httptools.HttpRequestParser(Protocol()).feed_data(b"\0\r\n\r\n")
    except httptools.HttpParserError as error:
        wrong = type(error).__name__
    return protocol.found, parser.get_method(), httptools.parse_url(b"/x?y#z").query, wrong
