"""Channels in coroutines of asyncio: apush, apop, `async for`, aselect."""

from __future__ import annotations

from weakref import WeakKeyDictionary, ref

from allcores import _core
from allcores._channels import ChannelClosed

# Not from typing: what a program imports without need is memory that it lacks elsewhere.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future
    from typing import Any

    from allcores._channels import Case
    from allcores._core import Channel


class _LoopBell:
    """What wakes the coroutines of one event loop: a descriptor that the loop watches."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        self.bell = _core._Bell()
        self.futures: dict[int, Future[None]] = {}
        self.next_token = 0
        loop.add_reader(self.bell.fileno(), self.rung)

    def rung(self) -> None:
        tokens = self.bell.take()
        if tokens is None:
            tokens = list(self.futures)
        for token in tokens:
            future = self.futures.get(token)
            if future is not None and not future.done():
                future.set_result(None)


# The loop keeps it, as it watches it. A reference from here would keep the loop, by the futures, so
# that coroutines that wait when their loop is closed would never end, and keep what they popped.
_bells: WeakKeyDictionary[AbstractEventLoop, ref[_LoopBell]] = WeakKeyDictionary()


async def _one_of(cases: tuple[Case, ...]) -> tuple[int, Any]:
    """Wait until one of the cases has happened: its number, and what was popped."""
    from asyncio import get_running_loop

    loop = get_running_loop()
    known = _bells.get(loop)
    bell = known() if known is not None else None
    if bell is None:
        bell = _LoopBell(loop)
        _bells[loop] = ref(bell)
    token = bell.next_token
    bell.next_token += 1
    waiting = bell.bell.wait(cases, token)
    if not waiting.begin():
        try:
            # Again if memory was too short to say who was meant.
            while not waiting.finished():
                future = bell.futures[token] = loop.create_future()
                await future
        except BaseException:
            waiting.give_up()
            raise
        finally:
            bell.futures.pop(token, None)
    return waiting.take()


async def apush(channel: Channel[Any], item: Any) -> None:
    await _one_of(((channel, item),))


async def apop(channel: Channel[Any]) -> Any:
    return (await _one_of((channel,)))[1]


async def anext(channel: Channel[Any]) -> Any:
    try:
        return (await _one_of((channel,)))[1]
    except ChannelClosed:
        raise StopAsyncIteration from None


async def aselect(*cases: Case) -> tuple[Any, Any]:
    """`select` for coroutines: wait until one of several channels is ready, do what its case says.

    A coroutine that is cancelled meanwhile has done none of them: an item that was on its way to
    it goes back to the front of its channel. (An item that it was pushing may be in already.)
    """
    index, item = await _one_of(cases)
    case = cases[index]
    return case if isinstance(case, tuple) else (case, item)
