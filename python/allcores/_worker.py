"""What a server's worker runs before its first request."""

from __future__ import annotations

import sys

from allcores._calls import HANDLER, loads
from allcores._collector import Collector

# Not from typing: its import costs every interpreter more than all of this package.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

CO_VARARGS = 0x04  # as the inspect module has it, and these
CO_GENERATOR, CO_COROUTINE, CO_ASYNC_GENERATOR = 0x20, 0x80, 0x200


class HandlerNotFound(ImportError):
    """The handler's name leads nowhere, or to nothing to call; the message says which."""


def find_handler(name: str) -> Callable[..., Any]:
    """The object that "module:name" names; "name" may have dots."""
    module_name, colon, attribute = name.partition(":")
    if not (module_name and colon and attribute):
        raise HandlerNotFound(f"{name!r} is not of the form 'module:name'")
    try:
        __import__(module_name)
    except ModuleNotFoundError as error:
        # A module that the handler's own module misses is another mistake, with a traceback worth
        # reading.
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise HandlerNotFound(f"there is no module named {error.name!r} on sys.path") from None
    found: Any = sys.modules[module_name]
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            from difflib import get_close_matches

            near = get_close_matches(part, [n for n in dir(found) if not n.startswith("_")], 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise HandlerNotFound(f"{module_name!r} has no {attribute!r}{hint}") from None
    return checked(found, name)


def checked(handler: Any, name: str) -> Callable[..., Any]:
    """The handler, if it is one that the server can call."""
    if not callable(handler):
        raise HandlerNotFound(f"{name!r} is not callable: it is a {type(handler).__name__}")
    function = handler
    if not hasattr(handler, "__code__") and not isinstance(handler, type):
        function = handler.__call__  # an object with such a method
    code: Any = getattr(function, "__code__", None)
    if type(code) is not type(checked.__code__):  # of C, which does not tell
        return handler  # type: ignore[no-any-return]
    if code.co_flags & (CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR):
        raise HandlerNotFound(
            f"{name!r} is an async function or a generator; "
            "a handler is a function request -> response"
        )
    positional = code.co_argcount - hasattr(function, "__self__")
    optional = len(function.__defaults__ or ())
    takes_one = positional >= 1 or code.co_flags & CO_VARARGS
    named = code.co_kwonlyargcount - len(function.__kwdefaults__ or ())
    if positional - optional > 1 or not takes_one or named > 0:
        raise HandlerNotFound(
            f"{name!r} can't be called with one argument; "
            "a handler is a function request -> response"
        )
    return handler  # type: ignore[no-any-return]


def load(payload: bytes) -> tuple[Callable[..., Any], Collector]:
    """The handler that `serve` was given, in this interpreter, and what collects its garbage."""
    if payload.startswith(HANDLER):
        handler = find_handler(payload[len(HANDLER) :].decode("utf-8", "surrogatepass"))
    else:
        handler = loads(payload)
        handler = checked(handler, getattr(handler, "__qualname__", type(handler).__name__))
    collector = Collector()
    collector.start()
    return handler, collector


def flush() -> None:
    """The worker ends: write out what it printed."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
