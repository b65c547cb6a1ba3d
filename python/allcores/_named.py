"""What pickle knows by its name only, and the other side can't import: it goes by value.

Functions with a cache (functools.lru_cache) and what typing makes for annotations, in a __main__ or
in a function. Used by the picklers of allcores._sending and allcores._functions.
"""

from __future__ import annotations

import sys
from _functools import _lru_cache_wrapper  # type: ignore[import-not-found]
from _typing import (  # type: ignore[import-not-found]
    ParamSpec,
    TypeAliasType,
    TypeVar,
    TypeVarTuple,
)

from allcores import _functions

# Not from typing: its import costs every interpreter more than all of this package.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def kinds() -> list[type]:
    found: list[type] = [_lru_cache_wrapper, ParamSpec, TypeAliasType, TypeVar, TypeVarTuple]
    # (Another thread may be importing it: then there is none of its objects yet.)
    new_type = getattr(sys.modules.get("typing"), "NewType", None)
    if new_type is not None:
        found.append(new_type)
    return found


def name_of(obj: Any) -> str | None:
    """Where the other side finds this very object in its module; None: nowhere."""
    module = obj.__module__
    if not isinstance(module, str) or not _functions.is_importable(module):
        return None
    name: str = getattr(obj, "__qualname__", obj.__name__)
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return name if found is obj else None


def reduce(obj: Any) -> Any:
    """Its name, or how to make another one."""
    if (name := name_of(obj)) is not None:
        return name
    if isinstance(obj, _lru_cache_wrapper):
        # Its function may refer to it, so it is there before that.
        how = obj.cache_parameters()
        return _make_cached, (how["maxsize"], how["typed"]), obj.__wrapped__, None, None, _fill
    if isinstance(obj, TypeAliasType):
        value, parameters = obj.__value__, obj.__type_params__
        return _make, ("TypeAliasType", obj.__name__, {"value": value, "type_params": parameters})
    if isinstance(obj, (ParamSpec, TypeVarTuple)):
        options = {"default": obj.__default__} if obj.has_default() else {}
        return _make, (type(obj).__name__, obj.__name__, options)
    return type(obj), (obj.__name__, obj.__supertype__), {"__module__": obj.__module__}


def _make(kind: str, name: str, options: dict[str, Any]) -> Any:
    import typing

    return getattr(typing, kind)(name, **options)


class _Cached:
    """The function of a cache that is being made."""

    __slots__ = ("function",)
    function: Any

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)


def _make_cached(maxsize: int | None, typed: bool) -> Any:
    import functools

    return functools.lru_cache(maxsize, typed)(_Cached())


def _fill(cache: Any, function: Any) -> None:
    import functools

    cache.__wrapped__.function = function
    functools.update_wrapper(cache, function)
