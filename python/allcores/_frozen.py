"""The Python half of freezing: what a class's instances become, and how they are made again.

Called by the extension module only, for objects that are not exactly of a built-in type.
"""

import builtins
import dataclasses
import enum
import functools
import importlib
import sys
import types
import weakref
from collections.abc import Iterable, Mapping
from typing import Any

from allcores import _core

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
    if _is_buffer(obj):
        raise HoldsBuffer
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
    name = _full_name(cls)
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
    if any(base.__module__ == "numpy" and base.__name__ == "ndarray" for base in cls.__mro__):
        return "it is of a subclass of numpy.ndarray; freeze numpy.asarray(it)"
    if cls.__module__.partition(".")[0] == "pandas":
        return "freeze what it is made of, as the arrays that to_numpy() gives"
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


# Buffers.


class HoldsBuffer(Exception):
    """What is to be frozen is a buffer or has one in it: an arena can't hold that."""


_ATOMS = {str, int, float, bytes, bool, complex, type(None)}
# Of which each interpreter has objects of its own over one memory.
_BUFFERS = {"memoryview", "array.array", "mmap.mmap", "numpy.ndarray", "numpy.memmap"}


def _is_buffer(obj: Any) -> bool:
    return isinstance(obj, memoryview) or _full_name(type(obj)) in _BUFFERS


def _full_name(cls: type) -> str:
    return (
        cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
    )


def _freeze_buffer(obj: Any, path: str) -> Any:
    """A read-only memoryview or NumPy array over a copy of the memory that everybody can have."""
    if _core.is_frozen(obj):
        return obj
    name = _full_name(type(obj))
    try:
        if name.startswith("numpy."):
            return _freeze_array(obj)
        kinds = {"memoryview": "m", "array.array": "a"}
        return _core._freeze_buffer(obj, kinds.get(name, "b"))
    except (TypeError, ValueError) as error:
        raise TypeError(f"freeze: {path}: {name} cannot be frozen: {error}") from None


def _freeze_array(array: Any) -> Any:
    import numpy

    if array.dtype.hasobject:
        raise TypeError("it holds Python objects; use its tolist()")
    array = numpy.asarray(array)  # of a memmap
    order: Any = "F" if array.flags.fnc else "C"
    rows = numpy.ascontiguousarray(array.T if order == "F" else array)
    # As bytes: not every dtype has a buffer (dates have none), nor can every one be empty.
    content: Any = rows.reshape(-1).view(numpy.uint8) if rows.nbytes else b""
    memory = _core._freeze_buffer(content, "b")
    return numpy.ndarray(array.shape, array.dtype, memory, 0, None, order)


def _parts(obj: Any) -> Iterable[tuple[Any, Any]] | None:
    """What a container is made of, with places; None for what is none, or needs no look inside."""
    cls = type(obj)
    if cls is list or cls is tuple or (isinstance(obj, tuple) and hasattr(cls, "_fields")):
        return None if _core.is_frozen(obj) else enumerate(obj)
    if _is_mapping(cls):
        return None if _core.is_frozen(obj) else obj.items()
    if dataclasses.is_dataclass(cls) and _is_plain(cls):
        return [(name, getattr(obj, name)) for name in _field_names(cls)]
    return None


def _step(obj: Any, place: Any) -> str:
    """A place in a container as it is written in a program."""
    return f".{place}" if dataclasses.is_dataclass(type(obj)) else f"[{place!r}]"


def _is_mapping(cls: type) -> bool:
    return cls is dict or cls is types.MappingProxyType or cls is getattr(builtins, "frozendict", 0)


class _Around:
    """One freeze of what has buffers in it.

    The containers from the root down to the buffers become ordinary ones that can't be changed; all
    that has no buffer in it is frozen at once, so that what is shared stays shared.
    """

    def __init__(self) -> None:
        self.holds: dict[int, bool | None] = {}  # by id; None: being looked at
        self.kept: list[Any] = []  # so that no id is used twice
        self.trail: list[tuple[Any, Any]] = []  # the containers that look() is in, with places
        self.plain: list[Any] = []
        self.places: dict[int, int] = {}  # of those in `plain`, by id
        self.paths: list[str] = []
        self.frozen: Any = ()
        self.made: dict[int, Any] = {}

    def look(self, obj: Any) -> bool:
        """Whether it has a buffer in it."""
        if id(obj) in self.holds:
            known = self.holds[id(obj)]
            if known is None:
                raise self.refusal("data with buffers can't have a cycle in it")
            return known
        self.kept.append(obj)
        found = _is_buffer(obj)
        parts = None if found else _parts(obj)
        if parts is not None:
            self.holds[id(obj)] = None
            for place, each in parts:
                if type(each) in _ATOMS:
                    continue
                self.trail.append((obj, place))
                found = self.look(each) or found
                self.trail.pop()
        elif isinstance(obj, (set, frozenset)) and any(_is_buffer(each) for each in obj):
            raise self.refusal("a set can't be frozen with a buffer in it")
        self.holds[id(obj)] = found
        return found

    def refusal(self, text: str) -> TypeError:
        path = "".join(_step(*each) for each in self.trail)
        return TypeError(f"freeze: data{path}: {text}")

    def collect(self, obj: Any, path: str) -> None:
        if _is_buffer(obj) or id(obj) in self.places:
            return
        if not self.holds.get(id(obj)):
            self.places[id(obj)] = len(self.plain)
            self.plain.append(obj)
            self.paths.append(path)
            return
        if _is_mapping(type(obj)):
            for key in obj:
                self.collect(key, f"{path}.keys()")
        for place, each in _parts(obj) or ():
            self.collect(each, path + _step(obj, place))

    def freeze_plain(self) -> None:
        if not self.plain:
            return  # even an empty list would take a page
        try:
            self.frozen = _core.freeze(self.plain)
        except TypeError as error:
            # It says where in the list it is.
            start, found, rest = str(error).partition("freeze: data[")
            number, end, rest = rest.partition("]")
            if not (found and end and number.isdigit()) or start:
                raise
            raise TypeError(f"freeze: {self.paths[int(number)]}{rest}") from None

    def build(self, obj: Any, path: str) -> Any:
        if id(obj) in self.made:
            return self.made[id(obj)]
        place = self.places.get(id(obj))
        if place is not None:
            return self.frozen[place]
        if _is_buffer(obj):
            made = _freeze_buffer(obj, path)
        else:
            parts = [
                self.build(each, path + _step(obj, place)) for place, each in _parts(obj) or ()
            ]
            if isinstance(obj, (list, tuple)):
                made = tuple(parts)
            else:
                keys: Any
                if _is_mapping(type(obj)):
                    keys = [self.build(key, path) for key in obj]
                else:
                    cls: Any = type(obj)
                    keys = _field_names(cls)
                made = _mapping(dict(zip(keys, parts, strict=True)))
        self.made[id(obj)] = made
        return made


def _mapping(content: dict[Any, Any]) -> Any:
    # (Not for type checkers, which know frozendict only for 3.15.)
    frozendict: Any = getattr(builtins, "frozendict", types.MappingProxyType)
    return frozendict(content)


def freeze_around(obj: Any) -> Any:
    """The frozen form of a buffer, or of something that has some in it."""
    around = _Around()
    around.look(obj)
    around.collect(obj, "data")
    around.freeze_plain()
    return around.build(obj, "data")


def thaw_around(obj: Any) -> Any:
    """An ordinary copy of what freeze_around() made. Raises TypeError for anything else."""
    if _core.is_frozen(obj):
        return _thaw_buffer(obj) if _is_buffer(obj) else _core.thaw(obj)
    if not _holds_frozen(obj):
        raise TypeError(f"thaw: {_full_name(type(obj))} is not frozen")
    parts = [
        thaw_around(each) if _core.is_frozen(each) or _parts(each) else each
        for _, each in _parts(obj) or ()
    ]
    if type(obj) is tuple:
        return tuple(parts)
    return dict(zip((_core.thaw(key) for key in obj), parts, strict=True))


def _holds_frozen(obj: Any) -> bool:
    if type(obj) is not tuple and not _is_mapping(type(obj)):
        return False
    parts = _parts(obj) or ()
    return any(_core._frozen_parts(each) or _holds_frozen(each) for _, each in parts)


def _thaw_buffer(obj: Any) -> Any:
    if not isinstance(obj, memoryview):
        return obj.copy(order="K")
    parts = _core._frozen_parts(obj)
    if parts is not None and parts[0] == "a" and obj.ndim == 1:
        import array

        return array.array(obj.format, obj.tobytes())
    view: Any = memoryview(bytearray(obj.tobytes()))
    if obj.format == "B" and obj.ndim == 1:
        return view
    try:
        return view.cast(obj.format, obj.shape)
    except TypeError, ValueError:
        text = f"a memoryview of format {obj.format!r} and shape {obj.shape}"
        raise TypeError(f"thaw: {text} can't be made anew; use bytearray(it)") from None
