"""What a server's worker runs before its first request."""

from __future__ import annotations

import marshal
import sys

from allcores._calls import loads
from allcores._collector import Collector
from allcores._core import _server_stops
from allcores._interfaces import WrongInterface, detect

# Not from typing: its import costs every interpreter more than all of this package.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class HandlerNotFound(ImportError):
    """The handler's name leads nowhere, or to nothing to call; the message says which."""


class Loaded:
    """What one worker serves: `target`, called as `kind` says, and the collector of its garbage."""

    __slots__ = ("collector", "kind", "target")

    def __init__(self, kind: str, target: Any, collector: Collector) -> None:
        self.kind = kind
        self.target = target
        self.collector = collector


class NoLongerWanted(Exception):
    """The server stops: what is left of loading is not begun."""


class ModuleNotThere(HandlerNotFound):
    """The same, because the handler's own module is not there."""


COPY_NOTE = (
    "Each worker was to have a copy of the application. "
    "One that can't be copied is served by its name: allcores.serve('module:name')."
)

# What applications are called, where nothing is like the name that was asked for.
USUAL_NAMES = ("app", "application", "api", "asgi", "wsgi", "handler", "router", "create_app")


def find_handler(name: str) -> Any:
    """The object that "module:name" names; "name" may have dots."""
    module_name, colon, attribute = name.partition(":")
    if not (colon and attribute and all(module_name.split("."))):
        raise HandlerNotFound(f"{name!r} is not of the form 'module:name'")
    try:
        __import__(module_name)
    except ModuleNotFoundError as error:
        # A module that the handler's own module misses is another mistake, with a traceback worth
        # reading.
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise ModuleNotThere(f"there is no module named {error.name!r} on sys.path") from None
    found: Any = sys.modules[module_name]
    for index, part in enumerate(attribute.split(".")):
        try:
            found = getattr(found, part)
        except AttributeError:
            from difflib import get_close_matches

            near = get_close_matches(part, [n for n in dir(found) if not n.startswith("_")], 1)
            near = near or [name for name in USUAL_NAMES if hasattr(found, name)][:1]
            right = ".".join([*attribute.split(".")[:index], *near])
            hint = f"; did you mean '{module_name}:{right}'?" if near else ""
            raise HandlerNotFound(f"{module_name!r} has no {attribute!r}{hint}") from None
    return found


def payload(handler: Any, options: dict[str, Any]) -> bytes:
    """What load() takes: a handler as a name or as a pickle, and how it is to be served."""
    return marshal.dumps((handler, options))


def load(data: bytes) -> Loaded:
    """What `serve` was given, in this interpreter, ready to serve.

    Raises HandlerNotFound and WrongInterface, whatever the import raises, and for an ASGI
    application LifespanFailed. A server that stops meanwhile waits for the step that is under way,
    an import, a factory's call, a lifespan's start, and then this raises NoLongerWanted.
    """
    collector = Collector()
    collector.load()
    handler, options = marshal.loads(data)
    if options.get("log_level", "info") != "info":
        from logging import getLogger

        getLogger("allcores").setLevel(options["log_level"].upper())
    if isinstance(handler, str):
        name, found = handler, find_handler(handler)
    else:
        try:
            found = loads(handler)
        except Exception as error:
            if options.get("is_copy"):
                error.add_note(COPY_NOTE)
            raise
        name = getattr(found, "__qualname__", type(found).__name__)
    _go_on()
    try:
        if options.get("factory"):
            found = _made(found, name)
            name += "()"
            _go_on()
        kind = options["interface"]
        if kind == "auto":
            kind = detect(found, name)
        elif not callable(found):
            raise WrongInterface(f"{name!r} is not callable: it is a {type(found).__name__}")
        elif kind == "handler" and detect(found, name) != "handler":
            raise WrongInterface(f"{name!r} is not a handler: a function request -> response")
    except WrongInterface as error:
        raise HandlerNotFound(str(error)) from None
    if kind == "asgi":
        from allcores._asgi import Worker

        _go_on()
        found = Worker(found, options)
    elif kind == "wsgi":
        from allcores._wsgi import Worker as WsgiWorker

        found = WsgiWorker(found, options)
    collector.start()
    return Loaded(kind, found, collector)


def _go_on() -> None:
    """Raises NoLongerWanted when the next step of loading need not begin."""
    if _server_stops():
        raise NoLongerWanted


def _made(factory: Any, name: str) -> Any:
    if not callable(factory):
        raise WrongInterface(f"{name!r} is no factory: it is a {type(factory).__name__}")
    made = factory()
    if hasattr(made, "cr_code"):  # a coroutine: nobody will wait for it
        made.close()
        raise WrongInterface(f"{name!r} is an async function, which is no factory")
    return made


def stack() -> str:
    """What this interpreter's threads are doing, but for the one that asks."""
    from _thread import get_ident
    from traceback import format_stack

    own = get_ident()
    frames = [frame for ident, frame in sys._current_frames().items() if ident != own]
    return "\n".join("".join(format_stack(frame)) for frame in frames)


def flush() -> None:
    """The worker ends: write out what it printed."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
