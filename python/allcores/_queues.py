"""Queues with the interface of the standard library's `queue`, for all interpreters."""

from __future__ import annotations

from _operator import index

from allcores import _core
from allcores._channels import ChannelClosed, ChannelPoisoned, WouldBlock

# Not from typing: what a program imports without need is memory that it lacks elsewhere.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def _error(name: str) -> Exception:
    # When it is needed: `queue` brings threading along.
    import queue

    made: Exception = getattr(queue, name)()
    return made


class Queue:
    """A `queue.Queue` that goes to other interpreters as it is; items are copied.

    First in, first out. It raises what `queue.Queue` raises: `queue.Empty`, `queue.Full` and
    `queue.ShutDown`.
    """

    __slots__ = ("_channel",)
    _order = 0

    # (types.GenericAlias)
    __class_getitem__: Any = classmethod(type(list[int]))

    def __init__(self, maxsize: int = 0) -> None:
        self._channel: _core.Channel[Any] = _core._make_queue(max(index(maxsize), 0), self._order)

    @property
    def maxsize(self) -> int:
        """How many items fit in; 0: any number."""
        return self._channel.maxsize

    @maxsize.setter
    def maxsize(self, maxsize: int) -> None:
        self._channel._set_maxsize(maxsize)

    @property
    def unfinished_tasks(self) -> int:
        """How many items were put for which nobody has called task_done() yet."""
        return self._channel._unfinished()

    @property
    def is_shutdown(self) -> bool:
        """Whether shutdown() was called."""
        return bool(self._channel.statistics()["is_closed"])

    def qsize(self) -> int:
        """How many items are in; others may change that at any time."""
        return len(self._channel)

    def empty(self) -> bool:
        """Whether nothing is in; others may change that at any time."""
        return not len(self._channel)

    def full(self) -> bool:
        """Whether nothing more fits in; others may change that at any time."""
        return 0 < self.maxsize <= len(self._channel)

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Put a copy of an item in.

        When the queue is full, wait for room, `timeout` seconds at most; or, without `block`, don't
        wait. Raises Full, ShutDown, and TypeError for what can't cross.
        """
        try:
            if block:
                self._channel.push(item, timeout)
            else:
                self._channel.push_nowait(item)
        except TimeoutError, WouldBlock:
            raise _error("Full") from None
        except ChannelClosed, ChannelPoisoned:
            raise _error("ShutDown") from None

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Take an item out.

        When the queue is empty, wait for one, `timeout` seconds at most; or, without `block`, don't
        wait. Raises Empty and ShutDown.
        """
        try:
            return self._channel.pop(timeout) if block else self._channel.pop_nowait()
        except TimeoutError, WouldBlock:
            raise _error("Empty") from None
        except ChannelClosed, ChannelPoisoned:
            raise _error("ShutDown") from None

    def put_nowait(self, item: Any) -> None:
        """put() that does not wait."""
        self.put(item, block=False)

    def get_nowait(self) -> Any:
        """get() that does not wait."""
        return self.get(block=False)

    def task_done(self) -> None:
        """Say that one of the items that were got has been worked on.

        Raises ValueError when that was said of all that were put.
        """
        if not self._channel._task_done():
            raise ValueError("task_done() called too many times")

    def join(self) -> None:
        """Wait until task_done() was called for every item that was put."""
        self._channel._join()

    def shutdown(self, immediate: bool = False) -> None:
        """Let nothing more in; what is in can still be got, or, with `immediate`, is dropped.

        Every put, and every get when nothing is in, raises ShutDown, also those that wait.
        """
        if immediate:
            self._channel.poison()
        else:
            self._channel.close()

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other._channel == self._channel

    def __hash__(self) -> int:
        return hash(self._channel)

    def __repr__(self) -> str:
        ended = ", shut down" if self.is_shutdown else ""
        size = f" of {self.maxsize}" if self.maxsize else ""
        return f"<allcores.{type(self).__name__}, {self.qsize()}{size} inside{ended}>"

    def __reduce__(self) -> Any:
        # The channel goes to other interpreters by pointer, and nowhere else.
        return _of, (type(self), self._channel)


def _of(kind: type[Queue], channel: _core.Channel[Any]) -> Queue:
    made = kind.__new__(kind)
    made._channel = channel
    return made


class LifoQueue(Queue):
    """A Queue of which the item that was put last comes out first."""

    __slots__ = ()
    _order = 1


class PriorityQueue(Queue):
    """A Queue of which the smallest item comes out first, and of equal ones the one put first.

    Items are ordered without an interpreter, so they are int, float, str, bytes, or tuples of
    these; a tuple is ordered by what comes before the first other thing in it, as in
    `(priority, {"job": 1})`. Between kinds, numbers come first, then str, bytes and tuples. put()
    raises TypeError for anything else, ValueError for NaN, OverflowError for an int of more than
    64 bits.
    """

    __slots__ = ()
    _order = 2
