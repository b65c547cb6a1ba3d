"""A module without bytecode on disk is compiled by one interpreter, for all.

Where bytecode can't be written (PYTHONDONTWRITEBYTECODE, a read-only file system), every worker
compiled every module anew; the time is one thing, and what the compiler leaves behind half as much
memory again as an interpreter has.
"""

from __future__ import annotations

import _imp
import marshal
import sys

from allcores import _core

# Not from typing: its import costs every interpreter more than all of this package.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType
    from typing import Any


def share() -> None:
    """From now on look for code at the other interpreters before it is compiled in this one."""
    machinery: Any = sys.modules["_frozen_importlib_external"]
    compile_here: Callable[..., CodeType] = machinery.SourceLoader.source_to_code
    if getattr(compile_here, "__module__", None) == __name__:
        return

    def source_to_code(
        self: Any, data: Any, path: Any, fullname: str | None = None, *, _optimize: int = -1
    ) -> CodeType:
        arguments = () if fullname is None else (fullname,)
        if type(data) is not bytes or type(path) is not str or _optimize != -1:
            return compile_here(self, data, path, *arguments, _optimize=_optimize)
        content = _imp.source_hash(0, data)
        key = marshal.dumps((content, len(data), path, fullname, sys.flags.optimize))
        code = _core._take_compiled(key)
        if code is not None:
            return marshal.loads(code)  # type: ignore[no-any-return]
        made: bytes | None = None
        try:
            compiled = compile_here(self, data, path, *arguments)
            made = marshal.dumps(compiled)
        finally:
            _core._put_compiled(key, made)
        return compiled

    # Tracebacks of errors in a module's source leave out the importer's own frames, which they know
    # by their file.
    source_to_code.__code__ = source_to_code.__code__.replace(
        co_filename=compile_here.__code__.co_filename
    )
    machinery.SourceLoader.source_to_code = source_to_code
