"""What runs in a new interpreter first and last. Called by src/interpreter/."""

from __future__ import annotations

import atexit
import io
import marshal
import os
import sys
from _thread import get_ident

from allcores import _compiled, _core, extensions

# Not from typing: its import costs every interpreter more than all of this package.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


is_main = _core._is_main_interpreter()


def set_up_process() -> None:
    """Once in the main interpreter: what happens at its end, and around a fork."""
    if not is_main:
        return
    _core._set_inherited(inherit())
    atexit.register(_core._end_all)
    os.register_at_fork(
        before=_core._before_fork,
        after_in_parent=_core._after_fork_in_parent,
        after_in_child=_core._after_fork_in_child,
    )


def inherit() -> bytes:
    """What a new interpreter takes over from this one, as marshalled bytes."""
    return marshal.dumps(
        {
            "path": [str(entry) for entry in sys.path],
            "argv": [str(argument) for argument in sys.argv],
            "orig_argv": [str(argument) for argument in sys.orig_argv],
            "switch_interval": sys.getswitchinterval(),
            "recursion_limit": sys.getrecursionlimit(),
            "int_max_str_digits": sys.get_int_max_str_digits(),
            "dont_write_bytecode": sys.dont_write_bytecode,
            "pycache_prefix": sys.pycache_prefix,
        }
    )


def start(inherited: dict[str, Any], name: str) -> None:
    """Make this new interpreter like the one that `inherited` is from."""
    if inherited:
        sys.path[:] = inherited["path"]
        sys.argv[:] = inherited["argv"]
        sys.orig_argv[:] = inherited["orig_argv"]
        sys.setswitchinterval(inherited["switch_interval"])
        sys.setrecursionlimit(inherited["recursion_limit"])
        sys.set_int_max_str_digits(inherited["int_max_str_digits"])
        sys.dont_write_bytecode = inherited["dont_write_bytecode"]
        sys.pycache_prefix = inherited["pycache_prefix"]
    extensions.install()
    _compiled.share()
    for stream_name in ("stdout", "stderr"):
        stream = getattr(sys, stream_name)
        if isinstance(stream, io.TextIOWrapper):
            lines = LineStream(stream)
            setattr(sys, stream_name, lines)
            setattr(sys, f"__{stream_name}__", lines)


def finish() -> None:
    """Python's own end of an interpreter, while it can still be interrupted.

    Py_EndInterpreter does the same again, and finds nothing left to do.
    """
    threading = sys.modules.get("threading")
    if threading is not None:
        threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:  # noqa: SIM105 (contextlib costs an import)
            stream.flush_all() if isinstance(stream, LineStream) else stream.flush()
        except OSError, ValueError, AttributeError:
            pass


class _LineBytes(io.RawIOBase):
    """The `buffer` of a LineStream: bytes that go out as they are, whole."""

    def __init__(self, descriptor: int, mode: str, name: str) -> None:
        self._descriptor = descriptor
        self.mode = mode
        self.name = name

    def fileno(self) -> int:
        return self._descriptor

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def write(self, data: Any, /) -> int:
        data = bytes(data)
        _core._write_whole(self._descriptor, data)
        return len(data)


class LineStream(io.TextIOBase):
    """Standard output or error of a worker: lines go out whole, whoever else is writing.

    Text is kept, per thread, until its line is complete or flush() is called; then it is written at
    once, under one lock for the whole process. Errors are those of writing: OSError.
    """

    def __init__(self, original: io.TextIOWrapper) -> None:
        self._encoding = original.encoding
        self._errors = original.errors or "strict"
        self._descriptor = original.fileno()
        self._bytes = _LineBytes(self._descriptor, "wb", original.name)
        self._parts: dict[int, list[str]] = {}
        self.mode = "w"
        self.name = original.name
        self.line_buffering = True
        self.write_through = False

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    @property
    def errors(self) -> str:  # type: ignore[override]
        return self._errors

    @property
    def buffer(self) -> _LineBytes:
        return self._bytes

    def reconfigure(
        self,
        *,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        line_buffering: bool | None = None,
        write_through: bool | None = None,
    ) -> None:
        """As TextIOWrapper.reconfigure; only the encoding and its errors can change."""
        self.flush()
        if encoding is not None:
            self._encoding = encoding
            self._errors = errors or "strict"
        elif errors is not None:
            self._errors = errors

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return self._bytes.isatty()

    def writable(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        thread = get_ident()
        parts = self._parts.get(thread)
        end = text.rfind("\n") + 1
        if end:
            whole = text[:end]
            if parts:
                whole = "".join(parts) + whole
                del self._parts[thread]
            if end < len(text):
                self._parts[thread] = [text[end:]]
            self._send(whole)
        elif text:
            if parts is None:
                self._parts[thread] = [text]
            else:
                parts.append(text)
        return len(text)

    def flush(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file.")
        parts = self._parts.pop(get_ident(), None)
        if parts:
            self._send("".join(parts))

    def flush_all(self) -> None:
        """Write the unfinished lines of all threads."""
        while self._parts:
            _, parts = self._parts.popitem()
            self._send("".join(parts))

    def _send(self, text: str) -> None:
        _core._write_whole(self._descriptor, text.encode(self._encoding, self._errors))
