"""The Python half of freezing: what a class's instances become, and how they are made again.

Called by the extension module only, for objects that are not exactly of a built-in type.
"""

import dataclasses
import enum
import functools
import importlib
import sys
import types
import weakref
from collections.abc import Mapping
from typing import Any

# As in src/data/frozen_layout.h.
NAMED_TUPLE, DATACLASS, ENUMERATION = 6, 7, 8

type Description = tuple[int, str, str, str | None, bool, Any]

_HINTS: dict[str, str] = {
    "function": "name it instead, as 'module:function'",
    "builtin_function_or_method": "name it instead, as 'module:function'",
    "method": "name it instead, as 'module:function'",
    "module": "import it where it is used",
    "type": "name it instead, as 'module:Class'",
    "generator": "freeze the list of what it yields",
    "_io.TextIOWrapper": "freeze what it holds, or its path",
    "_io.BufferedReader": "freeze what it holds, or its path",
    "_thread.lock": "frozen data needs no lock",
    "_thread.RLock": "frozen data needs no lock",
    "collections.OrderedDict": "use dict(it)",
    "collections.defaultdict": "use dict(it)",
    "collections.Counter": "use dict(it)",
    "collections.deque": "use list(it)",
    "array.array": "use its tobytes() or tolist()",
    "memoryview": "use bytes(it)",
    "datetime.datetime": "use its isoformat() or timestamp()",
    "datetime.date": "use its isoformat()",
    "decimal.Decimal": "use str(it) or float(it)",
    "dict_keys": "use list(it)",
    "dict_values": "use list(it)",
    "dict_items": "use list(it)",
}


def describe(obj: Any) -> Description | str:
    """Say what an object becomes, or in words why it can't be frozen.

    What it becomes: kind, module, class, member's name, whether its hash changes, content.
    """
    cls = type(obj)
    if isinstance(obj, enum.Enum):
        kind, member, content = ENUMERATION, obj._name_, obj._value_
        changes_hash = True
    elif isinstance(obj, tuple) and hasattr(cls, "_fields"):
        kind, member, content = NAMED_TUPLE, None, None
        changes_hash = any(_found(cls, name) is not _found(tuple, name) for name in _EQUALITY)
    elif dataclasses.is_dataclass(cls):
        if not _is_plain(cls):
            return "it is a dataclass that is also a subclass of a built-in type"
        names = _field_names(cls)
        kind, member, content = DATACLASS, None, {name: getattr(obj, name) for name in names}
        changes_hash = True
    else:
        return _why_not(obj)
    why = _why_not_importable(cls)
    if why is not None:
        return why
    return kind, cls.__module__, cls.__qualname__, member, changes_hash, content


_EQUALITY = ("__hash__", "__eq__")


def _found(cls: type, name: str) -> Any:
    return getattr(cls, name)


def _why_not(obj: Any) -> str:
    cls = type(obj)
    name = (
        cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
    )
    if name in _HINTS:
        return _HINTS[name]
    for base in (dict, list, set, frozenset, str, bytes, bytearray, int, float, complex, tuple):
        if isinstance(obj, base):
            return f"it is of a subclass of {base.__name__}; use {base.__name__}(it)"
    if isinstance(obj, type):
        return _HINTS["type"]
    if isinstance(obj, types.MappingProxyType):
        return "it is a view of a mapping that is not a dict; use dict(it)"
    if isinstance(obj, Mapping):
        return "use dict(it)"
    if cls.__flags__ & (1 << 9):  # a class made by Python code
        return "make the class a dataclass, or freeze vars(it)"
    return ""


def _is_plain(cls: type) -> bool:
    """Whether all of an instance is in its attributes."""
    base: type | None = cls
    while base is not None and base.__flags__ & (1 << 9):
        base = base.__base__
    return base is object


@functools.cache
def _field_names(cls: type) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(cls))


_importable: weakref.WeakSet[Any] = weakref.WeakSet()


def _why_not_importable(cls: Any) -> str | None:
    if cls in _importable:
        return None
    where = f"{cls.__module__}.{cls.__qualname__}"
    try:
        found = find_class(cls.__module__, cls.__qualname__)
    except ImportError, AttributeError:
        return f"its class can't be imported as {where}"
    if found is not cls:
        return f"{where} is another class than its own"
    _importable.add(cls)
    return None


def find_class(module: str, qualified_name: str) -> Any:
    """Import a class by its names. Raises ImportError or AttributeError."""
    if module not in sys.modules:
        importlib.import_module(module)
    found: Any = sys.modules[module]
    for name in qualified_name.split("."):
        found = getattr(found, name)
    return found


def tuple_class(module: str, qualified_name: str) -> type:
    """The class of a frozen named tuple, to be filled by the caller."""
    cls = find_class(module, qualified_name)
    if not (isinstance(cls, type) and issubclass(cls, tuple)):
        raise TypeError(f"thaw: {module}.{qualified_name} is no named tuple here")
    return cls


def member(module: str, qualified_name: str, name: str | None, value: Any) -> Any:
    """The member of an enumeration, by its name; a combination of flags by its value."""
    cls = find_class(module, qualified_name)
    if name is not None and name in cls.__members__:
        return cls.__members__[name]
    return cls(value)


def instance(module: str, qualified_name: str) -> Any:
    """An instance of a dataclass without its fields; no __init__ runs."""
    return object.__new__(find_class(module, qualified_name))


def set_fields(obj: Any, fields: dict[str, Any]) -> None:
    """Give an instance its fields, also one of a frozen dataclass."""
    for name, value in fields.items():
        object.__setattr__(obj, name, value)
