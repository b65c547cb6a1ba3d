"""Which of the interfaces an application has: ASGI 3, WSGI, or a handler request -> response."""

from __future__ import annotations

# Not from typing: its import costs every interpreter more than all of this package.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

INTERFACES = ("auto", "asgi", "wsgi", "handler")

CO_VARARGS = 0x04  # as the inspect module has it, and these
CO_GENERATOR, CO_COROUTINE, CO_ASYNC_GENERATOR = 0x20, 0x80, 0x200


class WrongInterface(ImportError):
    """What was named can't be called as any of the interfaces; the message says why."""


def detect(application: Any, name: str) -> str:
    """Its interface, by how it can be called: one argument is a handler's, two are WSGI's, and
    three of an async function ASGI's.

    Raises WrongInterface for what fits none.
    """
    if not callable(application):
        raise WrongInterface(f"{name!r} is not callable: it is a {type(application).__name__}")
    code, bound, defaults, kwdefaults = _signature(application)
    if code is None:  # of C, or wrapped in C (functools.partial), which does not tell
        return "handler"
    positional = code.co_argcount - bound
    takes_any = bool(code.co_flags & CO_VARARGS)
    needed = positional - defaults
    needs_names = code.co_kwonlyargcount - kwdefaults > 0
    if code.co_flags & CO_COROUTINE:
        if (needed <= 3 <= positional or takes_any) and not needs_names:
            return "asgi"
        raise WrongInterface(
            f"{name!r} is an async function that can't be called with three arguments; "
            "an ASGI application is async (scope, receive, send), a handler is not async"
        )
    if code.co_flags & (CO_GENERATOR | CO_ASYNC_GENERATOR) and not needed == 2:
        raise WrongInterface(
            f"{name!r} is an async function or a generator; "
            "a handler is a function request -> response"
        )
    if needs_names:
        pass
    elif needed <= 1 and (positional >= 1 or takes_any):
        return "handler"
    elif needed == 2:
        return "wsgi"
    elif needed == 3:  # returns an awaitable: a decorated one
        return "asgi"
    factory = (
        "; a function that makes the application needs --factory (factory=True)"
        if positional == 0
        else ""
    )
    raise WrongInterface(
        f"{name!r} can't be called with one argument; a handler is a function request -> response, "
        "a WSGI application takes (environ, start_response), an ASGI application is "
        f"async (scope, receive, send){factory}"
    )


def _signature(application: Any) -> tuple[Any, int, int, int]:
    function = application
    if not hasattr(application, "__code__") and not isinstance(application, type):
        function = application.__call__  # an object with such a method
    bound = hasattr(function, "__self__")
    seen = 0
    # functools.wraps() leaves the way to what is decorated. A bound method's is the function's.
    while hasattr(function, "__wrapped__") and seen < 32:
        if not getattr(getattr(function, "__code__", None), "co_flags", 0) & CO_VARARGS:
            break
        function = function.__wrapped__
        seen += 1
    code = getattr(function, "__code__", None)
    if type(code) is not type(detect.__code__):
        return None, 0, 0, 0
    defaults = len(function.__defaults__ or ())
    return code, int(bound), defaults, len(function.__kwdefaults__ or ())
