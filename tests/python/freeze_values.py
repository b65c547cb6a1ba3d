"""What the tests of frozen data compare with."""

import sys
import types
from typing import Any

HAS_FROZENDICT = sys.version_info >= (3, 15)
MAPPING = frozendict if HAS_FROZENDICT else types.MappingProxyType  # type: ignore[name-defined] # noqa: F821


def as_frozen(value: Any) -> Any:
    """What freezing makes of ordinary data, made of ordinary objects."""
    if isinstance(value, (list, tuple)):
        return tuple(map(as_frozen, value))
    if isinstance(value, (set, frozenset)):
        return frozenset(map(as_frozen, value))
    if isinstance(value, dict):
        return MAPPING({as_frozen(k): as_frozen(v) for k, v in value.items()})
    if isinstance(value, bytearray):
        return bytes(value)
    return value


def same(a: Any, b: Any) -> bool:
    """Equal, of the same types all the way down, mappings in the same order."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return a.hex() == b.hex()
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b, strict=True))
    if isinstance(a, (dict, types.MappingProxyType, MAPPING)):
        return same(list(a), list(b)) and same(list(a.values()), list(b.values()))
    if isinstance(a, (set, frozenset)):
        return a == b and sorted(type(x).__name__ for x in a) == sorted(type(x).__name__ for x in b)
    return bool(a == b)
