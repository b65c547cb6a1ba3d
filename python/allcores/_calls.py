"""What an interpreter needs to run what it is asked for. Every one that is called imports this.

Apart from allcores._functions, because the pickler there brings functools and collections along,
which cost an interpreter a quarter of what it starts with.
"""

from __future__ import annotations

import sys

from allcores import _core

# Not from typing: its import costs every interpreter more than all of this package.
TYPE_CHECKING = False
if TYPE_CHECKING:
    import types
    from typing import Any

# What follows is "module:qualified name" of any object; no pickle begins with it.
BY_NAME = b"="


def loads(data: bytes) -> Any:
    """What allcores._functions.dumps() was given, in this interpreter."""
    if not data.startswith(BY_NAME):
        from allcores import _functions

        return _functions.loads(data)
    module, _, name = data[len(BY_NAME) :].decode("utf-8", "surrogatepass").partition(":")
    __import__(module)
    found: Any = sys.modules[module]
    for part in name.split("."):
        found = getattr(found, part)
    return found


def callee(what: Any) -> Any:
    """What a call is to run: source text for None, what bytes name (BY_NAME), else itself."""
    if what is None:
        return run_source
    return loads(what) if type(what) is bytes else what


def run_source(source: str) -> Any:
    """Run source text in this interpreter's __main__.

    Returns the value of text that is one expression, else None.
    """
    namespace = sys.modules["__main__"].__dict__
    code: types.CodeType | None = None
    try:  # noqa: SIM105 (contextlib costs an import)
        code = _core._compile(source, True)
    except SyntaxError:
        pass
    if code is not None:
        return eval(code, namespace)
    exec(_core._compile(source, False), namespace)
    return None
