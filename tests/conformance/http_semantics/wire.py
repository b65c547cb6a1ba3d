"""A client that sends exactly the bytes it is given and reads answers strictly."""

from __future__ import annotations

import contextlib
import json
import re
import socket
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

# Long enough for a busy machine; nothing waits for it unless the server is wrong.
SECONDS = 20.0

_status_line = re.compile(rb"HTTP/1\.1 ([1-5][0-9][0-9]) ([\t\x20-\x7e]*)").fullmatch
_field_line = re.compile(
    rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)"
).fullmatch


class ProtocolError(AssertionError):
    """The server sent what no server may send."""


@dataclass
class Response:
    """One response as it came: names of fields in lower case."""

    status: int
    fields: list[tuple[str, str]]
    body: bytes = b""

    def get(self, name: str) -> str | None:
        values = [value for key, value in self.fields if key == name]
        if len(values) > 1:
            raise ProtocolError(f"{name} came {len(values)} times: {self.fields}")
        return values[0] if values else None

    def echo(self) -> dict[str, Any]:
        value = json.loads(self.body)
        value["fields"] = [(name.lower(), text) for name, text in value["fields"]]
        return value


@dataclass
class Connection:
    """One connection to the server under test."""

    port: int
    received: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        # It may have answered and closed before it had everything; the answer is what counts.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(data)

    def _more(self) -> bool:
        """False at the end of the stream."""
        try:
            data = self.socket.recv(65536)
        except TimeoutError:
            raise ProtocolError(
                f"nothing came for {SECONDS} s after {bytes(self.received)!r}"
            ) from None
        except ConnectionResetError:
            data = b""
        self.received += data
        return bool(data)

    def _take(self, count: int) -> bytes:
        while len(self.received) < count:
            if not self._more():
                raise ProtocolError(f"closed within a response: {bytes(self.received)!r}")
        data = bytes(self.received[:count])
        del self.received[:count]
        return data

    def response(self, *, to_head: bool = False) -> Response:
        """The next response, checked for what holds for every response."""
        while (end := self.received.find(b"\r\n\r\n")) < 0:
            if not self._more():
                raise ProtocolError(f"closed instead of an answer: {bytes(self.received)!r}")
        lines = self._take(end + 4)[:-4].split(b"\r\n")
        match = _status_line(lines[0])
        if match is None:
            raise ProtocolError(f"not a status line: {lines[0]!r}")
        response = Response(int(match[1]), [])
        for line in lines[1:]:
            parts = _field_line(line)
            if parts is None:
                raise ProtocolError(f"not a field: {line!r}")
            response.fields.append((parts[1].decode().lower(), parts[2].decode("latin-1")))
        self._read_body(response, to_head)
        return response

    def _read_body(self, response: Response, to_head: bool) -> None:
        length = response.get("content-length")
        if response.status < 200 or response.status == 204:
            if length is not None or response.get("transfer-encoding") is not None:
                raise ProtocolError(f"a {response.status} with a body: {response.fields}")
            return
        date = response.get("date")
        if date is None or not date.endswith(" GMT") or not parsedate_to_datetime(date):
            raise ProtocolError(f"no date that is one: {response.fields}")
        if to_head or response.status == 304:
            return
        if length is None or not length.isdigit():
            raise ProtocolError(f"no length that is one: {response.fields}")
        response.body = self._take(int(length))

    def half_close(self) -> None:
        self.socket.shutdown(socket.SHUT_WR)

    def require_closed(self) -> None:
        """The server closes, and sends nothing before that."""
        while self._more():
            pass
        if self.received:
            raise ProtocolError(f"more came than was due: {bytes(self.received)!r}")

    def require_open(self) -> None:
        """Another request on the connection is answered, and nothing else comes before."""
        self.send(b"GET /after HTTP/1.1\r\nHost: h\r\n\r\n")
        answer = self.response()
        if answer.status != 200 or answer.echo()["path"] != "/after":
            raise ProtocolError(f"the answer to something else: {answer}")
