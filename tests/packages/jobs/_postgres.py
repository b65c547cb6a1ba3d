"""Just enough of a PostgreSQL server: every query has one row with one integer, 42."""

import contextlib
import socket
import struct
import threading

OID_INT4 = 23


def message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


class Server:
    """Listens on a port of this machine, and answers one connection after the other."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            gone = contextlib.suppress(OSError, struct.error)
            with connection, connection.makefile("rwb") as stream, gone:
                self.talk(stream)

    def talk(self, stream) -> None:
        while True:
            (size,) = struct.unpack("!i", stream.read(4))
            body = stream.read(size - 4)
            if body[:4] == struct.pack("!i", 196608):
                break
            stream.write(b"N")  # neither TLS nor GSSAPI
            stream.flush()
        ready = message(b"Z", b"I")
        stream.write(message(b"R", struct.pack("!i", 0)))
        for name, value in {
            "client_encoding": "UTF8",
            "server_encoding": "UTF8",
            "server_version": "18.0",
            "standard_conforming_strings": "on",
            "DateStyle": "ISO, MDY",
            "integer_datetimes": "on",
            "TimeZone": "UTC",
        }.items():
            stream.write(message(b"S", f"{name}\0{value}\0".encode()))
        stream.write(message(b"K", struct.pack("!ii", 1, 2)))
        stream.write(ready)
        stream.flush()
        binary = False
        while (kind := stream.read(1)) and kind != b"X":
            (size,) = struct.unpack("!i", stream.read(4))
            body = stream.read(size - 4)
            if kind == b"Q":
                if body.lower().startswith((b"select", b"fetch")):
                    stream.write(self.description(False) + self.row(False))
                    stream.write(message(b"C", b"SELECT 1\0"))
                else:
                    stream.write(message(b"C", body.split()[0].rstrip(b";\0").upper() + b"\0"))
                stream.write(ready)
            elif kind == b"P":
                stream.write(message(b"1"))
            elif kind == b"D":
                if body[:1] == b"S":
                    stream.write(message(b"t", struct.pack("!h", 0)))
                stream.write(self.description(binary))
            elif kind == b"B":
                binary = body.endswith(b"\0\1")
                stream.write(message(b"2"))
            elif kind == b"E":
                stream.write(self.row(binary) + message(b"C", b"SELECT 1\0"))
            elif kind == b"C":
                stream.write(message(b"3"))
            elif kind == b"S":
                stream.write(ready)
            stream.flush()

    def description(self, binary: bool) -> bytes:
        column = struct.pack("!ihihih", 0, 0, OID_INT4, 4, -1, binary)
        return message(b"T", struct.pack("!h", 1) + b"answer\0" + column)

    def row(self, binary: bool) -> bytes:
        value = struct.pack("!i", 42) if binary else b"42"
        return message(b"D", struct.pack("!hi", 1, len(value)) + value)
