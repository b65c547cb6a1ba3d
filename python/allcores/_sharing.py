"""Calling an object where it lives: share, host, and calls into the main interpreter.

The rest is src/bindings/proxy*.cpp and src/bindings/calling.cpp.
"""

from __future__ import annotations

import sys

from allcores import _bootstrap, _core, _functions

# Not from typing: what a program imports without need is memory that it lacks elsewhere.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class OwnerGone(RuntimeError):
    """The interpreter where the object lives has ended, or is ending, and the object with it."""


def share(obj: Any) -> Any:
    """A proxy of an object of this interpreter, for others to call it where it lives.

    A proxy goes to other interpreters as it is. Calls, attributes, items, operators, iteration,
    `len`, `in`, `with` and `await proxy.method()` are done in this interpreter, under its GIL, on
    the caller's thread. Arguments and results are copied as with `Interpreter.call`; what can't
    cross is a TypeError. The result is the proxy where it would be the object itself. Several
    threads may be in the object's methods at once, as threads of one interpreter may;
    `host` makes an object that is not so.

    A coroutine runs in the event loop that runs here now, else in one that this interpreter starts
    on a thread of its own.

    The object lives until its last proxy goes, wherever that is. After this interpreter's end its
    proxies raise OwnerGone. A proxy that is sent back here arrives as the object itself.

    Raises RuntimeError in an interpreter that is ending, or that allcores has not made.
    """
    events = sys.modules.get("asyncio.events")
    return _core._share(obj, events._get_running_loop() if events else None, False)


def host(factory: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Make an object in an interpreter that does nothing else, and return its proxy.

        cache = allcores.host(dict)
        with cache:
            cache["hits"] = cache.get("hits", 0) + 1

    The proxy is a monitor: one call at a time is in the object, and `with proxy:` keeps all other
    threads out for several calls. The thread that holds it may call it and hold it again.
    Two threads that would wait for each other's monitors for ever get a RuntimeError.

    `factory`, a function or class, and its arguments go to the new interpreter as with
    `Interpreter.call`, and raise what that raises. It ends when the last proxy goes.
    """
    from allcores._interpreter import Interpreter

    if not callable(factory):
        raise TypeError(f"host() needs a function or class, not a {type(factory).__name__}")
    home = Interpreter(f"home of {getattr(factory, '__qualname__', type(factory).__name__)}")
    try:
        try:
            proxy = home.call(_make_hosted, factory, args, kwargs)
        except TypeError as error:
            # What can't cross was said to be where it is for call().
            for number, place in enumerate(("factory", "args", "kwargs")):
                head, found, rest = str(error).partition(f"args[{number}]")
                if found and not head:
                    raise TypeError(place + rest) from error.__cause__
            raise
        _core._keep_home(proxy, home._handle)
    except BaseException:
        home.destroy()
        raise
    return proxy


def _make_hosted(factory: Callable[..., Any], args: tuple[Any, ...], kwargs: Any) -> Any:
    return _core._share(factory(*args, **kwargs), None, True)


def call_in_main(
    func: Callable[..., Any], /, *args: Any, on_main_thread: bool = False, **kwargs: Any
) -> Any:
    """Call a function in the main interpreter, and return its result.

    It runs on the calling thread, under the main interpreter's GIL; with `on_main_thread` on the
    main thread itself, and the caller waits for that. The main thread runs it where it would run
    a signal handler: between two bytecodes and in waits that signals interrupt (`time.sleep`,
    locks, `select`, `Interpreter.call`, `serve`), not while it is in other C code.

    Function, arguments and result cross as with `Interpreter.call`, and it raises what that raises;
    OwnerGone when the main interpreter is ending. In the main interpreter itself it is an ordinary
    call.
    """
    if not callable(func):
        raise TypeError(f"call_in_main() needs a function, not a {type(func).__name__}")
    if _bootstrap.is_main and (not on_main_thread or _core._is_main_thread()):
        return func(*args, **kwargs)
    return _core._call_in_main(_functions.callee(func), args, kwargs, on_main_thread)


def in_main(func: Any = None, /, *, on_main_thread: bool = False) -> Any:
    """A decorator: the function runs in the main interpreter, whichever interpreter calls it.

        @allcores.in_main
        def count(name): ...

        @allcores.in_main(on_main_thread=True)
        def draw(window): ...

    Calls are those of `call_in_main`.
    """
    if func is None:
        return lambda func: in_main(func, on_main_thread=on_main_thread)

    def call(*args: Any, **kwargs: Any) -> Any:
        if _bootstrap.is_main and (not on_main_thread or _core._is_main_thread()):
            return func(*args, **kwargs)
        # By this function, which has the other's name: that is what is found there.
        return _core._call_in_main(_functions.callee(call), args, kwargs, on_main_thread)

    # (functools costs each interpreter more than this.)
    for name in ("__module__", "__name__", "__qualname__", "__doc__", "__annotate__"):
        if hasattr(func, name):
            setattr(call, name, getattr(func, name))
    call.__dict__.update(func.__dict__)
    call.__dict__["__wrapped__"] = func
    return call


def _listen_for_jobs() -> None:
    """Let the main thread be interrupted for what is to run on it, by a signal nobody else uses."""
    import _signal  # type: ignore[import-not-found]

    for number in range(_signal.SIGRTMAX - 2, _signal.SIGRTMIN + 2, -1):
        if _signal.getsignal(number) == _signal.SIG_DFL:
            _signal.signal(number, lambda _number, _frame: _core._run_jobs())
            _core._use_signal(number)
            return


if _core._is_main_thread():
    _listen_for_jobs()
