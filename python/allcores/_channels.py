"""Channels: what of them is written in Python. The rest is src/bindings/channel*.cpp."""

from __future__ import annotations

from allcores import _core

# Not from typing: what a program imports without need is memory that it lacks elsewhere.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from allcores._core import Channel
    from allcores._queues import Queue

    type Case = Channel[Any] | Queue | tuple[Channel[Any] | Queue, Any]


class ChannelClosed(Exception):
    """Nothing more goes into this channel, or comes out: it is closed.

    From `select`, `case` is the number of the case whose channel it is.
    """

    case: int


class ChannelPoisoned(Exception):
    """This channel was poisoned: whoever works at it should poison the next one, and end.

    From `select`, `case` is the number of the case whose channel it is.
    """

    case: int


class WouldBlock(Exception):
    """A push or pop that was not to wait would have to."""


_nothing = object()


def select(*cases: Case, timeout: float | None = None, default: Any = _nothing) -> tuple[Any, Any]:
    """Wait until one of several channels is ready, and do what its case says.

    A case is a channel, to pop from it, or a tuple `(channel, item)`, to push. Exactly one of them
    happens, chosen at random among those that are ready; the result is its channel, and the item
    that was popped or pushed. A queue may stand for a channel: to get from it, or to put into it.

        channel, item = allcores.select(requests, (replies, answer))

    With `default`, nothing is waited for: when no case is ready the result is `(None, default)`.

    Raises TimeoutError after `timeout` seconds; ChannelClosed and ChannelPoisoned of the first
    channel that is, with the case's number as the error's `case`; and TypeError for what is no case
    or can't cross, ValueError for no cases at all. After an error no case has happened.
    """
    found = _core._select(cases, timeout, default is _nothing)
    if found is None:
        return None, default
    index, item = found
    case = cases[index]
    return case if isinstance(case, tuple) else (case, item)


def checkpoint() -> None:
    """Called now and then by a call that waits.

    The start of any Python function is where a thread handles signals, and gets exceptions that
    another thread has raised in it.
    """
