"""The page of wsgi_app.py that answers with files, real and others."""

import gzip
import io
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wsgi_pages import LARGE, TEXT, Environ, StartResponse, at, say

folder = Path(tempfile.gettempdir())


def make_file(name: str, content: bytes) -> str:
    path = str(folder / f"allcores-wsgi-{os.getpid()}-{threading.get_ident()}-{name}")
    with open(path, "wb") as file:
        file.write(content)
    return path


def zipped() -> Any:
    path = make_file("zipped", gzip.compress(LARGE))
    file = gzip.open(path)  # noqa: SIM115 (closed by the server)
    os.unlink(path)
    return file


def plain(kind: Callable[..., Any] = open, position: int = 0) -> Any:
    path = make_file("plain", LARGE)
    file = kind(path, "rb" if kind is open else "r")
    os.unlink(path)
    file.read(position)
    return file


def closing() -> Any:
    """As Django does it: whoever closes the file ends the response."""
    file = plain()
    close = file.close

    def close_all() -> None:
        say("the file was closed")
        close()

    file.close = close_all
    return file


def temporary() -> Any:
    file = tempfile.NamedTemporaryFile()  # noqa: SIM115 (closed by the server)
    file.write(LARGE)
    file.seek(1000)
    return file


def pipe() -> Any:
    reader, writer = os.pipe()
    os.write(writer, b"through a pipe")
    os.close(writer)
    return open(reader, "rb")


class Shouting:
    """Reads otherwise than the file that it has."""

    def __init__(self) -> None:
        self.file = plain()
        self.fileno = self.file.fileno

    def read(self, size: int) -> bytes:
        return bytes(reversed(self.file.read(size)))


FILES: dict[str, Callable[[], Any]] = {
    "plain": plain,
    "raw": lambda: plain(io.FileIO),
    "position": lambda: plain(position=1000),
    "temporary": temporary,
    "zipped": zipped,
    "memory": lambda: io.BytesIO(LARGE),
    "pipe": pipe,
    "empty": lambda: io.BytesIO(),
    "other": Shouting,
    "closing": closing,
}


@at("/file")
def file(environ: Environ, start_response: StartResponse) -> Any:
    name, _, length = environ["QUERY_STRING"].partition("&")
    start_response("200 OK", [*TEXT, ("Content-Length", length)] if length else TEXT)
    return environ["wsgi.file_wrapper"](FILES[name](), 4096)
