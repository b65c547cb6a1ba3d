"""An ASGI application between what asgiref says of ASGI's types, and what the server does.

`checked(application)` checks each scope and each message that the server gives against the typed
dictionaries of asgiref.typing: no key is missing or unknown, and each value has its type.
"""

import collections.abc
import types
import typing

from asgiref import typing as asgi

SCOPES = {"http": asgi.HTTPScope, "websocket": asgi.WebSocketScope, "lifespan": asgi.LifespanScope}
MESSAGES = {
    "http.request": asgi.HTTPRequestEvent,
    "http.disconnect": asgi.HTTPDisconnectEvent,
    "websocket.connect": asgi.WebSocketConnectEvent,
    "websocket.receive": asgi.WebSocketReceiveEvent,
    "websocket.disconnect": asgi.WebSocketDisconnectEvent,
    "lifespan.startup": asgi.LifespanStartupEvent,
    "lifespan.shutdown": asgi.LifespanShutdownEvent,
}
# What the specification lets a server leave out.
OPTIONAL = {"state", "extensions", "reason", "bytes", "text", "body", "more_body"}


class WrongMessage(AssertionError):
    pass


def fits(value: object, hint: object) -> bool:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is typing.Any or hint is object:
        return True
    if origin in (typing.NotRequired, typing.Required):
        return fits(value, arguments[0])
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, each) for each in arguments)
    if origin is typing.Literal:
        return any(type(value) is type(each) and value == each for each in arguments)
    if origin is tuple:
        return (
            isinstance(value, (tuple, list))
            and len(value) == len(arguments)
            and all(fits(each, kind) for each, kind in zip(value, arguments, strict=True))
        )
    if origin is collections.abc.Iterable:
        return not isinstance(value, (str, bytes)) and all(
            fits(each, arguments[0]) for each in value
        )
    if origin is dict:
        return isinstance(value, dict)
    if hint is None:
        return value is None
    if typing.is_typeddict(hint):
        return isinstance(value, dict) and all(
            key in value and fits(value[key], kind)
            for key, kind in typing.get_type_hints(hint).items()
        )
    return origin is None and type(value) is hint


def check(found: dict, kind: type, name: str) -> None:
    hints = typing.get_type_hints(kind)
    missing = hints.keys() - found.keys() - OPTIONAL
    unknown = found.keys() - hints.keys()
    if missing or unknown:
        raise WrongMessage(f"{name}: missing {sorted(missing)}, unknown {sorted(unknown)}")
    for key, value in found.items():
        good = fits(value, hints[key])
        if key == "headers":
            good = good and all(name == name.lower() for name, _ in value)
        if not good:
            raise WrongMessage(f"{name}: {key} is {value!r}, not {hints[key]}")


def checked(application):
    async def app(scope, receive, send):
        check(scope, SCOPES[scope["type"]], f"scope {scope['type']}")
        ended = False

        async def checked_receive():
            nonlocal ended
            message = await receive()
            if message["type"] not in MESSAGES or not message["type"].startswith(scope["type"]):
                raise WrongMessage(f"{message['type']} for {scope['type']}")
            check(message, MESSAGES[message["type"]], message["type"])
            if ended and message["type"] == "http.request":
                raise WrongMessage("a part of the body after its last")
            ended = ended or not message.get("more_body", False)
            return message

        await application(scope, checked_receive, send)

    return app
