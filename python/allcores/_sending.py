"""What the message codec does not write itself, by pickle; and what is said of what can't cross.

Called by src/data/message_pickle.cpp. All that one message has of such objects goes in one pickle
(protocol 5), with buffers out of band: what they share among each other stays shared.
"""

from __future__ import annotations

import _pickle
import builtins
import copyreg
import io
import types

from allcores import _core, _functions, _named

# Not from typing: its import costs every interpreter more than all of this package.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any


class _ByValue(Exception):
    """A function, class or module that the other side can't import: cloudpickle is needed."""


def _reduce_special(obj: Any) -> Any:
    if isinstance(obj, BaseException):
        return reduce_exception(obj)
    if _core._frozen_parts(obj) is not None:
        return reduce_frozen_array(obj)
    if isinstance(obj, type) and obj.__module__ == "builtins":
        return NotImplemented if hasattr(builtins, obj.__name__) else _reduce_nameless(obj)
    if _functions.goes_by_name(obj):
        return NotImplemented
    raise _ByValue


def _reduce_nameless(cls: type) -> Any:
    """Such as types.TracebackType, which says that it is `builtins.traceback`."""
    for name, found in vars(types).items():
        if found is cls:
            return _type_of_types, (name,)
    return NotImplemented


def _type_of_types(name: str) -> Any:
    return getattr(types, name)


def _reduce_named(obj: Any) -> str:
    if (name := _named.name_of(obj)) is not None:
        return name
    raise _ByValue


class _Pickler(_pickle.Pickler):
    """Without cloudpickle, which most messages don't need, and whose import costs 4 MiB."""

    # Called for functions, classes, modules and exceptions only.
    reducer_override: Any = _core._reducer(_reduce_special)

    def __init__(self, file: Any, protocol: int, **options: Any) -> None:
        # (Looked at when it is initialized.)
        self.dispatch_table = copyreg.dispatch_table | dict.fromkeys(_named.kinds(), _reduce_named)
        super().__init__(file, protocol, **options)


def pack(objects: list[Any], persistent_id: Callable[[Any], int | None]) -> list[Any]:
    """The pickle of a list, and its buffers. Raises whatever the objects' own methods raise."""
    try:
        return _pack(_Pickler, objects, persistent_id)
    except _ByValue:
        return _pack(_functions.by_value_pickler(), objects, persistent_id)


def _pack(pickler: Any, objects: list[Any], persistent_id: Any) -> list[Any]:
    file = io.BytesIO()
    buffers: list[Any] = []
    one = pickler(file, 5, buffer_callback=buffers.append)
    one.persistent_id = persistent_id
    one.dump(objects)
    return [file.getvalue(), [_content(buffer) for buffer in buffers]]


def _content(buffer: Any) -> bytes | bytearray:
    """A copy of a pickle.PickleBuffer's memory, which is handed over then."""
    with buffer.raw() as raw:
        return bytes(raw) if raw.readonly else bytearray(raw)


def unpack(parts: list[Any]) -> Any:
    """The list that pack() was given, made of its result and what persistent ids stand for."""
    data, buffers, crossing = parts
    unpickler: Any = _pickle.Unpickler(io.BytesIO(data), buffers=buffers)
    unpickler.persistent_load = crossing.__getitem__
    return unpickler.load()


class TakenArray:
    """A NumPy array whose memory goes with the message (src/data/numpy_memory.cpp)."""

    def __init__(self, view: Any, dtype: Any, shape: tuple[int, ...], by_rows: bool) -> None:
        self.parts = view, dtype, shape, by_rows

    def __reduce__(self) -> Any:
        return _array, self.parts


def make_proxy(mapping: dict[Any, Any]) -> Any:
    """A MappingProxyType, whose class pickle can't find."""
    return types.MappingProxyType(mapping)


def reduce_frozen_array(array: Any) -> Any:
    """A NumPy array over frozen memory, which is not copied."""
    parts = _core._frozen_parts(array)
    assert parts is not None
    # (One without elements may be anywhere.)
    offset = parts[2] if array.size else 0
    return _frozen_array, (parts[1], array.dtype, array.shape, array.strides, offset)


def _frozen_array(memory: Any, dtype: Any, shape: Any, strides: Any, offset: int) -> Any:
    import numpy

    return numpy.ndarray(shape, dtype, memory, offset, strides)


def names_of(array: Any) -> int:
    """How many variables of the functions that run, and of their modules, refer to an array.

    What else refers to it may be a view of its memory.
    """
    import sys

    found = 0
    modules: list[dict[str, Any]] = []
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_locals is not frame.f_globals:
            found += sum(value is array for value in frame.f_locals.values())
        if not any(frame.f_globals is each for each in modules):
            modules.append(frame.f_globals)
        frame = frame.f_back
    return found + sum(value is array for each in modules for value in each.values())


def _array(memory: memoryview, dtype: Any, shape: tuple[int, ...], by_rows: bool) -> Any:
    import numpy

    return numpy.frombuffer(memory, dtype).reshape(shape, order="C" if by_rows else "F")


# Exceptions: pickle leaves out what they were raised from, and a traceback can't be pickled.


def reduce_exception(error: BaseException) -> Any:
    """For a pickler's reducer_override."""
    parts = _functions.exception_parts(error)
    traceback = error.__traceback__
    if not isinstance(parts, tuple) or not (
        traceback or error.__cause__ or error.__context__ or error.__suppress_context__
    ):
        return parts
    make, arguments, state, items, pairs, set_state = (*parts, None, None, None, None)[:6]
    text = None
    if traceback is not None:
        from traceback import format_exception

        text = "".join(format_exception(error))
    links = (error.__cause__, error.__context__, error.__suppress_context__)
    return make, arguments, (state, set_state, *links, text), items, pairs, restore_exception


def restore_exception(error: BaseException, parts: tuple[Any, ...]) -> None:
    """What reduce_exception() put aside; a traceback becomes the text at the root of the causes."""
    state, set_state, cause, context, suppress, text = parts
    if set_state is not None:
        set_state(error, state)
    elif state is not None:
        error.__setstate__(state)
    error.__cause__, error.__context__ = cause, context
    error.__suppress_context__ = suppress
    if text is None:
        return
    first, seen = error, {id(error)}
    while first.__cause__ is not None and id(first.__cause__) not in seen:
        if isinstance(first.__cause__, _functions.RemoteTraceback):
            break
        first = first.__cause__
        seen.add(id(first))
    first.__cause__ = _functions.RemoteTraceback(text)


# What can't cross.


def refusal(error: BaseException, root: Any, objects: list[Any], place: str) -> BaseException:
    """The exception to raise instead of one that came out of pack()."""
    if not isinstance(error, Exception) or isinstance(error, MemoryError):
        return error
    culprit, reason = objects[0], error
    for obj in objects:
        failure = _failure(obj)
        if failure is not None:
            culprit, reason = obj, failure
            break
    steps: list[str] = []
    seen = [culprit]
    while len(seen) < 300 and not _is_too_deep(reason):
        for step, child in _every_part(culprit):
            failure = _failure(child)
            if failure is not None and not any(child is each for each in seen):
                steps.append(step)
                seen.append(child)
                culprit, reason = child, failure
                break
        else:
            break
    path = place + (_path_to(seen[0], root) or "") + _shortened(steps)
    if isinstance(culprit, types.FunctionType):
        text = _functions.blame(culprit, reason, set())
    elif _is_too_deep(reason):
        text = f"{_a(culprit)} cannot go to another interpreter: it is nested too deeply"
    else:
        text = f"{_a(culprit)} cannot go to another interpreter; {_advice(culprit)}"
    made = TypeError(f"{path}: {text}")
    # What pickle says is of use where the class has a say in it.
    made.__cause__ = None if type(reason) is TypeError else reason
    return made


def _is_too_deep(reason: Exception) -> bool:
    return isinstance(reason, RecursionError) or isinstance(reason.__cause__, RecursionError)


def _failure(obj: Any) -> Exception | None:
    try:
        pack([obj], _core._other_way)
    except Exception as error:
        return error
    return None


def _shortened(steps: list[str]) -> str:
    if len(steps) > 40:
        steps[20:-20] = ["..."]
    return "".join(steps)


def _path_to(wanted: Any, root: Any) -> str | None:
    """Where in what the codec writes itself an object is, as in "[0]['users'].file"."""
    stack: list[tuple[Any, Any]] = [(root, None)]
    seen: set[int] = set()
    while stack:
        obj, way = stack.pop()
        if obj is wanted:
            steps: list[str] = []
            while way is not None:
                way, step = way
                steps.append(step)
            return _shortened(steps[::-1])
        if id(obj) not in seen:
            seen.add(id(obj))
            inside = _elements(obj) + _attributes(obj) + _slots(obj) + _class_of(obj)
            stack += [(child, (way, step)) for step, child in reversed(inside)]
    return None


def _elements(obj: Any) -> list[tuple[str, Any]]:
    if isinstance(obj, (tuple, list)):
        return [(f"[{i}]", child) for i, child in enumerate(obj)]
    if isinstance(obj, (dict, types.MappingProxyType)):
        pairs = [(f"[{_short(key)}]", child) for key, child in obj.items()]
        return pairs + [(f"'s key {_short(key)}", key) for key in obj]
    if isinstance(obj, (set, frozenset)):
        return [("'s element", child) for child in obj]
    if isinstance(obj, slice):
        return [(f".{name}", getattr(obj, name)) for name in ("start", "stop", "step")]
    if isinstance(obj, _core.Move):
        import gc

        return [("", child) for child in gc.get_referents(obj) if child is not _core.Move]
    return []


def _attributes(obj: Any) -> list[tuple[str, Any]]:
    attributes = getattr(obj, "__dict__", None)
    if isinstance(obj, (type, types.ModuleType, types.FunctionType)) or not isinstance(
        attributes, dict
    ):
        return []
    return [(f".{name}", child) for name, child in attributes.items()]


def _class_of(obj: Any) -> list[tuple[str, Any]]:
    """An object's class, where that goes with it by value."""
    cls = type(obj)
    return [] if _functions.goes_by_name(cls) else [("'s class", cls)]


def _every_part(obj: Any) -> Iterator[tuple[str, Any]]:
    """What it is made of; then what pickle is given, which says less about where that is."""
    yield from _parts(obj)
    if isinstance(obj, (type, types.ModuleType, types.FunctionType)):
        return
    try:
        reduced = obj.__reduce_ex__(5)
    except Exception:
        return
    if isinstance(reduced, tuple) and len(reduced) in range(2, 7):
        _, arguments, state, items, pairs, _ = (*reduced, None, None, None, None)[:6]
        yield from [(f"[{i}]", child) for i, child in enumerate(items or ())]
        yield from [(f"[{_short(key)}]", child) for key, child in pairs or ()]
        yield from [("'s contents", child) for child in (arguments, state) if child is not None]


def _parts(obj: Any) -> list[tuple[str, Any]]:
    """What an object of any class is made of, as far as its class does not hide it."""
    if isinstance(obj, type):
        if _functions.goes_by_name(obj):
            return []
        hidden = (types.GetSetDescriptorType, types.MemberDescriptorType)
        inside = [(f".{name}", value) for name, value in vars(obj).items()]
        inside = [(step, value) for step, value in inside if not isinstance(value, hidden)]
        return [("'s base", base) for base in obj.__bases__] + inside
    if isinstance(obj, (types.ModuleType, types.FunctionType)):
        return []
    found = _elements(obj)
    if isinstance(obj, BaseException):
        found += [(f".args[{i}]", child) for i, child in enumerate(obj.args)]
        found += [(".__cause__", obj.__cause__), (".__context__", obj.__context__)]
    if isinstance(obj, types.MethodType):
        found.append((".__self__", obj.__self__))
    if isinstance(obj, property):
        found += [(".fget", obj.fget), (".fset", obj.fset), (".fdel", obj.fdel)]
    if isinstance(obj, (classmethod, staticmethod)):
        found.append((".__func__", obj.__func__))
    found += _attributes(obj) + _slots(obj) + _class_of(obj)
    return [(step, child) for step, child in found if child is not None]


def _slots(obj: Any) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for cls in type(obj).__mro__:
        slots = cls.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else tuple(slots):
            if not isinstance(name, str) or name in ("__dict__", "__weakref__"):
                continue
            if name.startswith("__") and not name.endswith("__"):
                name = f"_{cls.__name__.lstrip('_')}{name}"
            try:
                found.append((f".{name}", getattr(obj, name)))
            except Exception:  # not set
                continue
    return found


def _short(key: Any) -> str:
    try:
        text = repr(key)
    except Exception:
        text = f"<{type(key).__name__}>"
    return text if len(text) <= 60 else text[:57] + "..."


def _a(obj: Any) -> str:
    if isinstance(obj, type):
        return f"the class {_functions.type_name(obj)}"
    return f"a {_functions.type_name(type(obj))}"


def _advice(obj: Any) -> str:
    """Which other way would do for what can't be sent."""
    name = _functions.type_name(type(obj))
    if isinstance(obj, io.IOBase):
        return "pass its name, and open it there"
    if name == "socket.socket":
        return "pass its descriptor (socket.detach()), and make a socket of that there"
    if isinstance(obj, memoryview) or name == "mmap.mmap":
        return "pass bytes(...) of it to copy the memory, or allcores.view(...) of it to share it"
    if isinstance(obj, types.GeneratorType):
        return "pass list(...) of what it yields"
    if isinstance(obj, (types.CoroutineType, types.AsyncGeneratorType)):
        return "pass the function and its arguments, and run it there"
    if name.startswith(("_thread.", "threading.", "multiprocessing.")):
        return "locks and threads work in one interpreter only: make it in the one that uses it"
    if isinstance(obj, (types.FrameType, types.TracebackType)):
        return "pass it as text (traceback.format_tb)"
    return "pass the data it was made of, and make it there"
