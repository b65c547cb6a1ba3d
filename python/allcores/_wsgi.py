"""WSGI in one worker: what all its requests have in common, files, and what failures look like."""

from __future__ import annotations

import sys

# Not from typing: its import costs every interpreter more than all of this package.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


class Worker:
    """One worker's application, and what wsgi_application.cpp copies into every environ."""

    def __init__(self, application: Any, options: dict[str, Any]) -> None:
        self.application = application
        self.environ: dict[str, Any] = {
            "GATEWAY_INTERFACE": "CGI/1.1",
            "SCRIPT_NAME": options.get("root_path", ""),
            "SERVER_SOFTWARE": options.get("server_name") or "allcores",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.errors": sys.stderr if sys.stderr is not None else NoErrors(),
            "wsgi.file_wrapper": FileWrapper,
            "wsgi.input_terminated": True,
            # An interpreter calls the application once at a time. The others are to it what other
            # processes are: they have objects of their own.
            "wsgi.multithread": False,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        }


class NoErrors:
    """wsgi.errors of a program without stderr: what is written goes nowhere."""

    def write(self, text: str) -> int:
        """Write text."""
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write several."""

    def flush(self) -> None:
        """Hand on what was written."""


class FileWrapper:
    """wsgi.file_wrapper: a file as an iterable. A real one is sent by the kernel instead."""

    def __init__(self, filelike: Any, blksize: int = 8192) -> None:
        self.filelike = filelike
        self.blksize = blksize

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        data: bytes = self.filelike.read(self.blksize)
        if data:
            return data
        raise StopIteration

    def close(self) -> None:
        """Close the file, if it can be closed."""
        close = getattr(self.filelike, "close", None)
        if close is not None:
            close()

    def region(self) -> tuple[int, int] | None:
        """A descriptor of its own and the position in it of what is a file of the system, byte by
        byte; None for everything else, as what unpacks one. Called by wsgi_application.cpp.
        """
        from io import BufferedRandom, BufferedReader, FileIO

        # Wrappers that read as their file does (tempfile's, Django's) have its very method. What
        # reads in another way (gzip) may have a descriptor too, of other bytes than it gives.
        read = getattr(self.filelike, "read", None)
        file: Any = getattr(getattr(read, "__wrapped__", read), "__self__", None)
        raw = file.raw if type(file) in (BufferedReader, BufferedRandom) else file
        if type(raw) is not FileIO:
            return None
        import os

        try:
            if not raw.readable():
                return None
            if raw is not file and raw.writable():
                file.flush()
            position = file.tell()
            return os.dup(raw.fileno()), position
        except OSError, ValueError:  # a pipe, or closed
            return None


def failed(what: str, error: BaseException) -> None:
    """A request's application raised: one traceback in the log. Called by wsgi_application.cpp."""
    report(f"{what} failed", error)
    # Don't keep the frames of the application alive in a cycle with the traceback.
    error.__traceback__ = None


def misused(what: str, problem: str) -> None:
    """The application breaks a rule of PEP 3333. Called by wsgi_application.cpp."""
    report(f"{what}: the WSGI application {problem}", None)


def report(text: str, error: BaseException | None) -> None:
    """Log an error of the application."""
    import logging

    logging.getLogger("allcores.http").error("%s", text, exc_info=error)
