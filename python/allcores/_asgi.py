"""ASGI in one worker: its event loop, the application's lifespan, and what failures look like.

The worker serves from inside the loop's wait for events (src/http/worker_turn.cpp): the loop's
selector calls the server, which answers requests until the loop itself has something to do. An
application that never suspends never leaves that call.
"""

from __future__ import annotations

import asyncio
import collections.abc
import selectors
import sys

from allcores._core import AsgiAwaitable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

# create_task() takes what is a Coroutine by its methods.
collections.abc.Coroutine.register(AsgiAwaitable)

# What `receive` and `send` of the server's own tasks are for: nothing of a request.
LIFESPAN_VERSION = {"version": "3.0", "spec_version": "2.0"}


# What applications raise at once for a scope that they don't know: many have an assertion, look for
# what a request's scope has, or say so, below any number of layers around them. One that has asked
# for a message knows what it has been called for.
IGNORANCE = (
    AssertionError,
    AttributeError,
    LookupError,
    NotImplementedError,
    TypeError,
    ValueError,
    RuntimeError,
)


# How long a lifespan's start or end waits, when nothing happens, until it can be interrupted.
INTERRUPTIBLE_SECONDS = 0.05


class LifespanFailed(Exception):
    """The application said that its start-up failed, or raised in it."""


class Selector(selectors.EpollSelector):
    """The loop's selector: while it waits, the server serves."""

    # (seconds; negative: without limit) -> whether a descriptor of this selector may be ready.
    turn: Callable[[float], bool] | None = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        turn = self.turn
        if turn is None:
            return super().select(timeout)
        if turn(-1.0 if timeout is None else timeout):
            return super().select(0)
        return []


class LoopMissing(ImportError):
    """The event loop that was asked for is not installed."""


class Worker:
    """One worker's application with its loop. Made and used on the worker's thread."""

    def __init__(self, application: Any, options: dict[str, Any]) -> None:
        self.application = application
        self.root_path: str = options.get("root_path", "")
        # As asgi_application.cpp reads it: bytes of a message, messages that wait, seconds until a
        # ping and for its answer (0: none), whether to compress.
        self.websockets: tuple[int, int, float, float, bool] = options["websockets"]
        self.selector: Selector | None = None
        self.loop: asyncio.BaseEventLoop
        self.reports_callbacks = bool(options.get("worker_timeout"))
        if options.get("loop", "auto") == "uvloop":
            self.loop = _uvloop()
        else:
            self.selector = Selector()
            self.loop = asyncio.SelectorEventLoop(self.selector)
            # What the server looks at to know whether the loop has work.
            self.ready = self.loop._ready  # type: ignore[attr-defined]
            self.scheduled = self.loop._scheduled  # type: ignore[attr-defined]
            self.watched = self.selector._fd_to_key  # type: ignore[attr-defined]
        asyncio.set_event_loop(self.loop)
        self.state: dict[str, Any] = {}
        self._lifespan = Lifespan(self)
        if options.get("lifespan", "auto") != "off":
            try:
                self._run(self._lifespan.start(must=options.get("lifespan") == "on"))
            except BaseException:  # also of who ends this interpreter: no more is begun in it
                self._give_up()
                raise
        # A request gets a copy of it where the application has a lifespan.
        self.scope_state = self.state if self._lifespan.task is not None else None

    def run(self, turn: Callable[[float], bool]) -> None:
        """Serve until `turn` stops the loop."""
        assert self.selector is not None
        self.selector.turn = turn
        try:
            self.loop.run_forever()
        except BaseException as error:
            _left(error)
        finally:
            self.selector.turn = None

    def run_watching(
        self, look: Callable[[], None], rest: Callable[[], None], descriptors: tuple[int, ...]
    ) -> None:
        """Serve until `look` stops the loop, which is one that waits by itself.

        It watches the server's descriptors (src/http/worker_look.cpp).
        """
        loop = self.loop

        def serve() -> None:
            look()
            # How long a worker is busy is of interest only to who replaces it then.
            if self.reports_callbacks:
                loop.call_soon(rest)
            else:
                rest()

        for each in descriptors:
            loop.add_reader(each, serve)
        loop.call_soon(serve)
        try:
            loop.run_forever()
        except BaseException as error:
            _left(error)
        finally:
            for each in descriptors:
                loop.remove_reader(each)

    def close(self) -> None:
        """End what is left of the requests, then the application's lifespan, then the loop."""
        try:
            lifespan = self._lifespan.task
            self._wait_for(lambda task: task is not lifespan, 0.1)  # to hear of their disconnects
            self._cancel(lambda task: task is not lifespan)
            self._run(self._lifespan.stop())
            self._cancel(lambda task: True)
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.run_until_complete(self.loop.shutdown_default_executor(5))
        except SystemExit:  # who ends this interpreter waits no longer
            # asyncio is not to say of each that it did not come to its end.
            for task in asyncio.all_tasks(self.loop):
                task._log_destroy_pending = False  # type: ignore[attr-defined]
            self._cancel(lambda task: True)
            raise
        except BaseException as error:
            report("the end of the application failed", error)
        finally:
            asyncio.set_event_loop(None)
            self.loop.close()

    def _give_up(self) -> None:
        """The start-up has come to nothing: end what it has begun."""
        try:
            self._cancel(lambda task: True)
        finally:
            asyncio.set_event_loop(None)
            self.loop.close()

    def _run(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Run the loop to the coroutine's end; whoever ends this interpreter can interrupt that.

        Only Python code can be interrupted, so the loop wakes up now and then.
        """
        self._wake_up()
        try:
            self.loop.run_until_complete(coroutine)
        finally:
            self._waking.cancel()

    def _wake_up(self) -> None:
        self._waking = self.loop.call_later(INTERRUPTIBLE_SECONDS, self._wake_up)

    def _wait_for(self, which: Callable[[asyncio.Task[Any]], bool], seconds: float) -> None:
        left = [task for task in asyncio.all_tasks(self.loop) if which(task)]
        if left:
            self._run(asyncio.wait(left, timeout=seconds))

    def _cancel(self, which: Callable[[asyncio.Task[Any]], bool]) -> None:
        for task in asyncio.all_tasks(self.loop):
            if which(task):
                task.cancel()
        self._wait_for(which, 5)


def _uvloop() -> asyncio.BaseEventLoop:
    try:
        import uvloop  # type: ignore[import-not-found, unused-ignore]
    except ModuleNotFoundError as error:
        if error.name != "uvloop":
            raise
        raise LoopMissing("uvloop is not installed: pip install uvloop") from None
    loop: asyncio.BaseEventLoop = uvloop.new_event_loop()  # which it is but for its type
    return loop


class Lifespan:
    """The application's lifespan in one worker (the specification's "Lifespan Protocol")."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._started = asyncio.Event()
        self._stopped = asyncio.Event()
        self._failure: str | None = None
        self._error: BaseException | None = None
        self._knows = False  # whether the application has asked for a message of its lifespan
        self.task: asyncio.Task[None] | None = None

    async def start(self, must: bool) -> None:
        """Wait for the application's start-up. Raises LifespanFailed, from what it raised."""
        worker = self._worker
        self.task = worker.loop.create_task(self._run())
        self._messages.put_nowait({"type": "lifespan.startup"})
        await self._started.wait()
        if self._failure is not None:
            raise LifespanFailed(self._failure)
        if self._error is not None:
            # Raised before it said that it has started: it knows no lifespan, or that failed. With
            # a message of its own it would have said so, as the specification wants it.
            if must or self._knows or not isinstance(self._error, IGNORANCE):
                raise LifespanFailed("the application's start-up failed") from self._error
            self.task = None

    async def stop(self) -> None:
        """Wait for the application's end."""
        if self.task is None or self.task.done():
            return
        self._messages.put_nowait({"type": "lifespan.shutdown"})
        await self._stopped.wait()
        if self._failure is not None:
            report(f"the application's shutdown failed: {self._failure}", None)
        elif self._error is not None:
            report("the application's shutdown failed", self._error)

    async def _run(self) -> None:
        scope = {
            "type": "lifespan",
            "asgi": dict(LIFESPAN_VERSION),
            "state": self._worker.state,
        }
        try:
            await self._worker.application(scope, self._receive, self._send)
        except BaseException as error:
            self._error = error
            if not isinstance(error, (Exception, asyncio.CancelledError)):
                self._error = RuntimeError(f"{type(error).__name__} in the application's lifespan")
                self._error.__cause__ = error
        finally:
            self._started.set()
            self._stopped.set()

    async def _receive(self) -> dict[str, Any]:
        self._knows = True
        return await self._messages.get()

    async def _send(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "lifespan.startup.complete":
            self._started.set()
        elif kind == "lifespan.startup.failed":
            self._failure = message.get("message") or "lifespan.startup.failed"
            self._started.set()
        elif kind == "lifespan.shutdown.complete":
            self._stopped.set()
        elif kind == "lifespan.shutdown.failed":
            self._failure = message.get("message") or "lifespan.shutdown.failed"
            self._stopped.set()
        else:
            self._knows = False  # it answers without a look at what it is called for
            raise RuntimeError(f"ASGI: {kind!r} can't be sent in a lifespan")


async def as_coroutine(awaitable: Any) -> None:
    """What an application returned that is no coroutine. Called by asgi_application.cpp."""
    await awaitable


def label(scope: Any) -> str:
    """What a request is called in the log."""
    if scope is None:
        return "a request"
    return f"{scope.get('method', scope['type'])} {scope['path']}"


def failed(scope: Any, error: BaseException, gone: bool) -> None:
    """A request's application raised: one traceback in the log, unless it did since its client has
    `gone`. Called by asgi_application.cpp.
    """
    if gone and _is_of_departure(error):
        return
    if isinstance(error, (SystemExit, KeyboardInterrupt)):  # asyncio logs their traceback
        report(f"{label(scope)} failed: {error!r}", None)
    else:
        report(f"{label(scope)} failed", error)
    if error is not None:
        error.__traceback__ = None


def _is_of_departure(error: BaseException | None) -> bool:
    """Whether an OSError of `send` led to this one. Frameworks raise one of their own because of it
    (Starlette's ClientDisconnect), and task groups put it into a group.
    """
    left, seen = [error], set()
    while left:
        each = left.pop()
        if isinstance(each, OSError):
            return True
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            left += (each.__cause__, each.__context__)
            if isinstance(each, BaseExceptionGroup):
                left += each.exceptions
    return False


def _left(error: BaseException) -> None:
    """What asyncio lets end a program, SystemExit and KeyboardInterrupt: raised by a task or a
    callback, or by who interrupts this worker because it is stuck. The loop is run again.
    """
    traceback = error.__traceback__
    is_ours = traceback is None or traceback.tb_next is None
    while traceback is not None and not is_ours:
        code = traceback.tb_frame.f_code
        is_ours = code.co_filename == __file__ and code.co_name in ("select", "serve")
        traceback = traceback.tb_next
    # In the server's own turn of the loop nothing of the application's has been interrupted.
    if not is_ours:
        report(f"{error!r} in the application's event loop, which goes on", error)
    error.__traceback__ = None


def incomplete(scope: Any, started: bool) -> None:
    """The application returned too early. Called by asgi_application.cpp."""
    part = "without completing its response" if started else "without starting a response"
    report(f"{label(scope)}: the ASGI application returned {part}", None)


def report(text: str, error: BaseException | None) -> None:
    """Log an error of the application."""
    import logging

    logging.getLogger("allcores.http").error("%s", text, exc_info=error)
    for stream in (sys.stderr,):
        if stream is not None:
            stream.flush()
