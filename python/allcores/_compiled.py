"""What interpreters share of modules' code.

A module without bytecode on disk is compiled by one interpreter, for all. Where bytecode can't be
written (PYTHONDONTWRITEBYTECODE, a read-only file system), every worker compiled every module anew;
the time is one thing, and what the compiler leaves behind half as much memory again as an
interpreter has.

However a module's code came: it is unmarshalled once for all interpreters, and its names,
documentation, tables of lines and the like are in memory once (src/data/module_code.h).
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
    """From now on look for code at the other interpreters before it is compiled or unmarshalled in
    this one.
    """
    machinery: Any = sys.modules["_frozen_importlib_external"]
    compile_here: Callable[..., CodeType] = machinery.SourceLoader.source_to_code
    load_here: Callable[..., CodeType] = machinery._compile_bytecode
    if getattr(compile_here, "__module__", None) == __name__:
        return

    interned = _core._interned_strings()
    code_type = type(compile_here.__code__)

    def load(data: Any) -> Any:
        code = None if interned is None else _core._load_code(data, interned)
        return marshal.loads(data) if code is None else code

    def source_to_code(
        self: Any, data: Any, path: Any, fullname: str | None = None, *, _optimize: int = -1
    ) -> CodeType:
        arguments = () if fullname is None else (fullname,)
        if type(data) is not bytes or type(path) is not str or _optimize != -1:
            return compile_here(self, data, path, *arguments, _optimize=_optimize)
        content = _imp.source_hash(0, data)
        key = marshal.dumps((content, len(data), path, fullname, sys.flags.optimize))
        found = _core._take_compiled(key)
        if found is not None:
            return load(found)  # type: ignore[no-any-return]
        made: bytes | None = None
        try:
            code = compile_here(self, data, path, *arguments)
            made = marshal.dumps(code)
        finally:
            _core._put_compiled(key, made)
        # A loader that writes bytecode marshals it too: as compiled, not as shared. Else nobody
        # reads it from a file: it is noted here, so that the next interpreter finds it known.
        return code if not sys.dont_write_bytecode else load(made)

    def _compile_bytecode(
        data: Any, name: Any = None, bytecode_path: Any = None, source_path: Any = None
    ) -> CodeType:
        code = None if interned is None else _core._load_code(data, interned)
        if type(code) is not code_type:
            return load_here(data, name, bytecode_path, source_path)
        machinery._bootstrap._verbose_message("code object from {!r}", bytecode_path)
        if source_path is not None:
            machinery._imp._fix_co_filename(code, source_path)
        return code

    # Tracebacks of errors in a module's source leave out the importer's own frames, which they know
    # by their file.
    file = compile_here.__code__.co_filename
    for function in (source_to_code, _compile_bytecode):
        function.__code__ = function.__code__.replace(co_filename=file)
    machinery.SourceLoader.source_to_code = source_to_code
    machinery._compile_bytecode = _compile_bytecode
