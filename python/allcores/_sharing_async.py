"""Coroutines of shared objects: they run in an event loop of the object's interpreter, and the
caller awaits what comes of them at a channel."""

from __future__ import annotations

import _thread
import asyncio
import threading
import weakref

from allcores import _core, _functions
from allcores._channels import ChannelClosed
from allcores._sharing import OwnerGone

# Not from typing: what a program imports without need is memory that it lacks elsewhere.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Generator
    from typing import Any


# In the object's interpreter.


def start(awaitable: Awaitable[Any], loop: asyncio.AbstractEventLoop | None) -> tuple[Any, Any]:
    """Run an awaitable in a loop of this interpreter, from any thread.

    Returns the arguments for the caller's Awaiting. Called by src/data/crossing.cpp.
    """
    replies: _core.Channel[Any] = _core.Channel()
    work = _Work(awaitable, replies)
    if loop is None or loop.is_closed():
        loop = _own_loop()
    loop.call_soon_threadsafe(work.begin)
    return replies, _core._share(_Canceller(work, loop), None, False)


_under_way: set[_Work] = set()


class _Work:
    def __init__(self, awaitable: Awaitable[Any], replies: _core.Channel[Any]) -> None:
        self._awaitable = awaitable
        self._replies = replies
        self._task: asyncio.Task[None] | None = None
        self._is_cancelled = False

    def begin(self) -> None:
        # A loop does not keep its tasks alive.
        _under_way.add(self)
        self._task = asyncio.get_running_loop().create_task(self._run())
        if self._is_cancelled:
            self._task.cancel()

    def cancel(self) -> None:
        self._is_cancelled = True
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        try:
            value = await self._awaitable
            self._replies.push((True, value))
        except BaseException as error:
            self._replies.push((False, _functions.describe_exception(error)))
            if not isinstance(error, Exception):
                raise
        finally:
            _under_way.discard(self)
            self._replies.close()

    def __del__(self) -> None:
        # The loop ended before it came to this.
        self._replies.close()


class _Canceller:
    # Weakly: what nobody runs any more is to go, however long somebody waits for it.
    def __init__(self, work: _Work, loop: asyncio.AbstractEventLoop) -> None:
        self._work = weakref.ref(work)
        self._loop = loop

    def cancel(self) -> None:
        work = self._work()
        if work is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(work.cancel)


_lock = _thread.allocate_lock()
_loop: asyncio.AbstractEventLoop | None = None


def _own_loop() -> asyncio.AbstractEventLoop:
    """The loop of this interpreter that runs what no other loop does, on a thread of its own."""
    global _loop
    with _lock:
        if _loop is None or _loop.is_closed():
            started = threading.Event()
            running: list[Any] = []

            async def run() -> None:
                end = asyncio.Event()
                running.extend((asyncio.get_running_loop(), end))
                started.set()
                await end.wait()

            thread = threading.Thread(target=lambda: asyncio.run(run()), name="allcores.share")

            def stop() -> None:
                loop, end = running
                if not loop.is_closed():
                    loop.call_soon_threadsafe(end.set)
                thread.join()

            # Before threads are waited for at the interpreter's end.
            threading._register_atexit(stop)  # type: ignore[attr-defined]
            thread.start()
            started.wait()
            _loop = running[0]
        assert _loop is not None
        return _loop


# In the caller's.


class Awaiting:
    """What calling a coroutine function of a proxy gives: to be awaited, once.

    The coroutine runs whether it is awaited or not; cancelling the task that awaits it cancels it.
    """

    __slots__ = ("_canceller", "_is_awaited", "_replies")

    def __init__(self, replies: _core.Channel[Any], canceller: Any) -> None:
        self._replies = replies
        self._canceller = canceller
        self._is_awaited = False

    def __await__(self) -> Generator[Any, Any, Any]:
        if self._is_awaited:
            raise RuntimeError("this was awaited already")
        self._is_awaited = True
        return self._wait().__await__()

    async def _wait(self) -> Any:
        try:
            is_value, result = await self._replies.apop()
        except ChannelClosed:
            raise OwnerGone("the event loop that ran the coroutine has ended") from None
        except asyncio.CancelledError:
            try:  # noqa: SIM105 (contextlib costs an import)
                self._canceller.cancel()
            except OwnerGone:
                pass
            raise
        if is_value:
            return result
        raise _functions.arrived_exception(*result)
