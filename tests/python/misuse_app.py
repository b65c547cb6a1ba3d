"""Handlers that do what they should not, for test_serve_misuse.py."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

from allcores import http

router = http.Router()


class Own(BaseException):
    """Not even an Exception."""


class Speechless(Exception):
    """Its text fails too."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


RAISED: dict[str, Any] = {
    "exit": SystemExit(3),
    "interrupt": KeyboardInterrupt(),
    "generator-exit": GeneratorExit(),
    "own": Own("mine"),
    "speechless": Speechless(),
}


@router.get("/ok")
def ok(request: http.Request) -> str:
    return "ok"


@router.get("/raise/{what}")
def raises(request: http.Request, what: str) -> None:
    raise RAISED[what]


@router.get("/return/{what}")
def returns(request: http.Request, what: str) -> Any:
    def generator() -> Iterator[int]:
        yield 1

    deep: list[Any] = []
    for _ in range(200_000):
        deep = [deep]
    values = {
        "generator": generator(),
        "object": object(),
        "class": int,
        "set": {1},
        "deep": deep,
    }
    return values[what]


@router.get("/no-logging")
def no_logging(request: http.Request) -> None:
    sys.modules["logging"] = None  # type: ignore[assignment]
    raise ValueError("the handler's own")


@router.get("/processes")
def processes(request: http.Request) -> Any:
    try:
        os.fork()
    except RuntimeError as error:
        forked = str(error)
    echoed = subprocess.run(["echo", "hi"], capture_output=True, text=True, check=True).stdout
    import multiprocessing

    child = multiprocessing.get_context("spawn").Process(target=os._exit, args=(7,))
    child.start()
    child.join()
    return [forked, echoed, child.exitcode]


@router.get("/thread")
def thread(request: http.Request) -> str:
    """Starts one that outlives the request, and its interpreter if that waits for it."""
    threading.Thread(target=threading.Event().wait).start()
    return "started"


def no_argument() -> str:
    return "never"


def two_arguments(environ: Any, start_response: Any) -> str:
    return "never"


class Asynchronous:
    """As ASGI applications are."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Never called."""


class Method:
    """An object that is a handler."""

    def __call__(self, request: http.Request, more: int = 1, *, named: int = 2) -> str:
        return f"{more} {named}"

    def bound(self, request: http.Request) -> str:
        return "bound"


asynchronous, method = Asynchronous(), Method()
bound = method.bound
