"""A small HTTP client for asyncio that a test can break off anywhere, also with a reset."""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import dataclass, field

# Linger with no time: close() sends RST instead of FIN, and throws away what is on its way.
RESET = struct.pack("ii", 1, 0)


class WrongAnswer(Exception):
    """An answer that is none, or is not the one that the request must get."""


@dataclass
class Answer:
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Connection:
    """One connection to the server on this host; not for two tasks at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, port: int) -> Connection:
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=1 << 20))

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def ask(
        self,
        method: str,
        path: str,
        body: bytes | list[bytes] = b"",
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """The answer to one request; a body that is a list goes in chunks, each for itself."""
        lines = {"Host": "127.0.0.1", **(headers or {})}
        if isinstance(body, list):
            lines["Transfer-Encoding"] = "chunked"
        elif body or method in ("POST", "PUT"):
            lines["Content-Length"] = str(len(body))
        await self.send(head(f"{method} {path} HTTP/1.1", lines))
        if isinstance(body, list):
            for part in body:
                await self.send(b"%x\r\n%b\r\n" % (len(part), part))
            await self.send(b"0\r\n\r\n")
        elif body:
            await self.send(body)
        return await self.answer()

    async def answer(self) -> Answer:
        """The next answer, whole."""
        answer = await self.head()
        if answer.headers.get("transfer-encoding") == "chunked":
            parts = []
            while part := await self.chunk():
                parts.append(part)
            answer.body = b"".join(parts)
        else:
            answer.body = await self.reader.readexactly(int(answer.headers["content-length"]))
        return answer

    async def head(self) -> Answer:
        text = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = text[:-4].split("\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        version, _, rest = first.partition(" ")
        if version != "HTTP/1.1" or not rest[:3].isdigit():
            raise WrongAnswer(f"an answer that begins {first!r}")
        return Answer(int(rest[:3]), headers)

    async def chunk(self) -> bytes:
        """The next chunk of an answer, b"" for its end."""
        size = int(await self.reader.readuntil(b"\r\n"), 16)
        return (await self.reader.readexactly(size + 2))[:-2]

    async def until_closed(self) -> bytes:
        """Everything until the server closes."""
        return await self.reader.read()

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        """The end of a client whose process or whose network has gone."""
        found = self.writer.get_extra_info("socket")
        if found is not None and found.fileno() >= 0:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.writer.transport.abort()


def head(first: str, lines: dict[str, str]) -> bytes:
    fields = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{first}\r\n{fields}\r\n".encode("latin-1")
