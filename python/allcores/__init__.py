"""Plain CPython on every core of one process."""

from __future__ import annotations

import sys

if sys.version_info < (3, 14):
    raise ImportError(
        "allcores needs CPython 3.14 or later; this is "
        f"{sys.implementation.name} {sys.version_info.major}.{sys.version_info.minor}"
    )

from allcores import _bootstrap, _copying, _lazy
from allcores._core import (
    Channel,
    Counter,
    Dict,
    Proxy,
    __version__,
    freeze,
    is_frozen,
    move,
    thaw,
    view,
)

# Not from typing: its import costs every interpreter more than all of this package.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from allcores._channels import ChannelClosed, ChannelPoisoned, WouldBlock, select
    from allcores._channels_async import aselect
    from allcores._cpus import cpu_count
    from allcores._functions import RemoteError
    from allcores._interpreter import Interpreter
    from allcores._names import frozen
    from allcores._queues import LifoQueue, PriorityQueue, Queue
    from allcores._serve import ServeError, serve
    from allcores._sharing import OwnerGone, call_in_main, host, in_main, share

__all__ = [
    "Channel",
    "ChannelClosed",
    "ChannelPoisoned",
    "Counter",
    "Dict",
    "Interpreter",
    "LifoQueue",
    "OwnerGone",
    "PriorityQueue",
    "Proxy",
    "Queue",
    "RemoteError",
    "ServeError",
    "WouldBlock",
    "__version__",
    "aselect",
    "call_in_main",
    "cpu_count",
    "freeze",
    "frozen",
    "host",
    "in_main",
    "is_frozen",
    "move",
    "select",
    "serve",
    "share",
    "thaw",
    "view",
]

_bootstrap.set_up_process()
_copying.register_copying()

# Imported when they are first used. Not so in the main interpreter: a child of os.fork hangs in an
# import that another thread was in.
_modules = {
    "ChannelClosed": "_channels",
    "ChannelPoisoned": "_channels",
    "Interpreter": "_interpreter",
    "LifoQueue": "_queues",
    "OwnerGone": "_sharing",
    "PriorityQueue": "_queues",
    "Queue": "_queues",
    "RemoteError": "_functions",
    "ServeError": "_serve",
    "WouldBlock": "_channels",
    "aselect": "_channels_async",
    "call_in_main": "_sharing",
    "cpu_count": "_cpus",
    "frozen": "_names",
    "host": "_sharing",
    "in_main": "_sharing",
    "select": "_channels",
    "serve": "_serve",
    "share": "_sharing",
}


# Type checkers know all names, and would take any other for one with this function.
if not TYPE_CHECKING:
    __getattr__ = _lazy.importer(globals(), _modules)


def __dir__() -> list[str]:
    return sorted({*globals(), *_modules} - {"TYPE_CHECKING"})


if _bootstrap.is_main:
    for _name in _modules:
        getattr(sys.modules[__name__], _name)
