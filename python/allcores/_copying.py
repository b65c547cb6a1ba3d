"""Lets pickle and copy take the mappings of frozen data. Every interpreter imports this."""

from __future__ import annotations

import builtins
import copyreg
import sys

# Not from typing: its import costs every interpreter more than all of this package.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import MappingProxyType
    from typing import Any


def _reduce_proxy(
    proxy: MappingProxyType[Any, Any],
) -> tuple[type, tuple[()], None, None, Iterator[tuple[Any, Any]]]:
    # As pickle and copy do it with a dict: empty first, then its items, so that cycles work.
    return dict, (), None, None, iter(proxy.items())


def _reduce_frozendict(mapping: Any) -> tuple[type, tuple[dict[Any, Any]]]:
    return type(mapping), (dict(mapping),)


def register_copying() -> None:
    """Let pickle and copy take the mappings of frozen data, in this interpreter.

    They refuse a MappingProxyType, which is taken as a dict, and a frozendict in pickle's
    protocols 0 and 1.
    """
    copyreg.pickle(type(type.__dict__), _reduce_proxy)  # type: ignore[arg-type]
    if sys.version_info >= (3, 15):
        copyreg.pickle(vars(builtins)["frozendict"], _reduce_frozendict)
