"""How functions and exceptions go from one interpreter to another, as bytes.

A function that the other side can import goes by its name; any other goes by value (cloudpickle):
its code, and copies of the variables it uses. Frozen objects in it go by their address and are read
in place.
"""

from __future__ import annotations

import _pickle
import io
import sys
import types

from allcores import _core
from allcores._calls import BY_NAME

# Not from typing: its import costs every interpreter more than all of this package. For the same
# reason the pickler is the C one by itself, and others are imported where they are needed.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class RemoteError(Exception):
    """An exception of another interpreter that has no counterpart here.

    `type_name` is its type, `message` its text, and `traceback` what Python would have printed
    there.
    """

    def __init__(self, type_name: str, message: str, traceback: str) -> None:
        super().__init__(type_name, message, traceback)
        self.type_name = type_name
        self.message = message
        self.traceback = traceback

    def __str__(self) -> str:
        return f"{self.type_name}: {self.message}" if self.message else self.type_name


class RemoteTraceback(Exception):
    """The cause of an exception that came from another interpreter: its traceback as text."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f'\n"""\n{self.text}"""'


def type_name(cls: type) -> str:
    """A type's name as tracebacks have it."""
    if cls.__module__ in ("builtins", "__main__"):
        return cls.__qualname__
    return f"{cls.__module__}.{cls.__qualname__}"


def describe_exception(error: BaseException) -> tuple[str, str, str, bytes]:
    """Type, message, traceback and, where it can be had, a pickle of an exception.

    Called by src/data/remote_error.cpp.
    """
    try:
        message = str(error)
    except Exception:
        message = "<the exception's str() failed>"
    try:
        import traceback

        text = "".join(traceback.format_exception(error))
    except Exception:
        text = f"{type_name(type(error))}: {message}\n"
    return type_name(type(error)), message, text, _pickle_of(error)


def _pickle_of(error: BaseException) -> bytes:
    if not isinstance(error, Exception):
        return b""
    try:
        # (In the main interpreter pickle finds __main__'s classes, which nobody else does.)
        if type(error).__module__ != "__main__":
            if type(error).__module__ == "builtins" and not hasattr(error, "exceptions"):
                return _pickle.dumps(error, protocol=5)  # (with next to no stack)
            file = io.BytesIO()
            _ErrorPickler(file, 5).dump(error)
            return file.getvalue()
    except Exception:
        pass
    # A class that came here by value, or went from here, is one and the same on both sides.
    if "cloudpickle.cloudpickle" not in sys.modules:
        return b""
    file = io.BytesIO()
    try:
        pickler = by_value_pickler()(file, 5)
        pickler.arriving = error
        pickler.dump(error)
    except Exception:
        return b""
    return file.getvalue()


class _ErrorPickler(_pickle.Pickler):
    def reducer_override(self, obj: Any) -> Any:
        return exception_parts(obj) if isinstance(obj, BaseException) else NotImplemented


def exception_parts(error: BaseException) -> Any:
    """An exception's __reduce_ex__, for those too whose __init__ takes something else than what
    it gives to Exception's: pickle would call it with `args`, and fail.
    """
    parts = error.__reduce_ex__(5)
    cls = type(error)
    if (
        isinstance(parts, tuple)
        and parts[0] is cls
        and isinstance(cls.__init__, types.FunctionType)
    ):
        return make_exception, (cls, *parts[1]), *parts[2:]
    return parts


def make_exception(cls: type[BaseException], *args: Any) -> BaseException:
    """What exception_parts() says."""
    try:
        return cls(*args)
    except Exception:
        made = cls.__new__(cls, *args)
        for base in cls.__mro__:
            init: Any = base.__dict__.get("__init__")
            if init is not None and not isinstance(init, types.FunctionType):
                init(made, *args)
                break
        return made


def arrived_exception(name: str, message: str, text: str, pickled: bytes) -> BaseException:
    """The exception to raise here for one that was described there.

    Only an Exception arrives as what it is: SystemExit, KeyboardInterrupt and the like become a
    RemoteError, so that code in another interpreter can't end this one. Called by
    src/data/remote_error.cpp.
    """
    error: BaseException | None = None
    if pickled:
        try:
            error = _pickle.loads(pickled)
        except Exception:
            error = None
        if not isinstance(error, Exception) or type_name(type(error)) != name:
            error = None
    if error is None:
        error = RemoteError(name, message, text)
    error.__cause__ = RemoteTraceback(text)
    return error


_importable: dict[str, bool] = {}


def is_importable(module: str) -> bool:
    """Whether another interpreter finds a module of this name, and the same file behind it."""
    if module == "__main__" or module not in sys.modules:  # it may be imported later
        return False
    known = _importable.get(module)
    if known is None:
        known = _importable[module] = _find(module)
    return known


def _find(module: str) -> bool:
    loaded: Any = sys.modules[module]
    if module in sys.builtin_module_names or getattr(loaded, "__spec__", None) is None:
        return module in sys.builtin_module_names
    parent, _, last = module.rpartition(".")
    path: Any = None
    if parent:
        if not is_importable(parent):
            return False
        path = getattr(sys.modules.get(parent), "__path__", None)
        if path is None:
            return True  # os.path and the like: set up by the parent
        # So is collections.abc, beside a file of that name.
        name = loaded.__spec__.name
        if name != module and getattr(sys.modules[parent], last, None) is loaded:
            return is_importable(name)
    import importlib.machinery

    finders: list[Any] = [importlib.machinery.FrozenImporter, importlib.machinery.PathFinder]
    for finder in finders + sys.meta_path:
        try:
            spec = finder.find_spec(module, path, None)
        except Exception:
            continue
        if spec is not None:
            file = getattr(loaded, "__file__", None)
            return file is None or not spec.has_location or spec.origin == file
    return False


def _is_global(obj: Any) -> bool:
    """Whether the other side gets this very function or class by importing it."""
    module = getattr(obj, "__module__", None)
    if not isinstance(module, str) or not is_importable(module):
        return False
    found: Any = sys.modules.get(module)
    for part in obj.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is obj


def goes_by_name(obj: Any) -> bool:
    """Whether a function, class or module goes by reference, as pickle does it."""
    if isinstance(obj, types.ModuleType):
        return False
    if isinstance(obj, type) and obj.__module__ == "builtins":
        return True
    return _is_global(obj)


def names(code: types.CodeType) -> set[str]:
    """All names in a function's code, and in that of functions inside."""
    names: set[str] = set()
    codes = [code]
    while codes:
        code = codes.pop()
        names.update(code.co_names)
        codes += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return names


_by_value: Any = None


def by_value_pickler() -> Any:
    """A class of picklers that write functions and classes by value where they have to."""
    global _by_value
    if _by_value is not None:
        return _by_value
    import copyreg
    import enum
    import functools
    import typing
    import weakref

    import cloudpickle
    import cloudpickle.cloudpickle as inside

    from allcores import _by_value as by_value
    from allcores import _enums, _named

    def refuse(obj: Any) -> Any:
        raise TypeError(f"cannot pickle {type(obj).__name__!r} object")

    of_cloudpickle = dict(cloudpickle.Pickler._dispatch_table)
    # cloudpickle makes something else of the first two, and nothing of what singledispatch has.
    others: dict[type, Any] = {io.TextIOWrapper: refuse, memoryview: refuse}
    others[weakref.WeakKeyDictionary] = lambda table: (type(table), (dict(table),))
    # (Pickle would make one of nothing.)
    others[functools.partialmethod] = lambda method: (
        by_value.partial_method,
        (method.func, method.args, method.keywords),
    )
    if by_value.LazyImport is not None:
        others[by_value.LazyImport] = by_value.reduce_lazy
    # (It has a way of its own for a TypeVar.)
    others |= {kind: _named.reduce for kind in _named.kinds() if kind is not typing.TypeVar}

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
        # A Python function that is called for each object would take longer than all else: the
        # table is a dict (not cloudpickle's ChainMap), and reduce_special is called for functions,
        # classes, modules and exceptions only.

        # An exception that is raised on the other side: its causes are not wanted, nor copies of
        # classes that are not there already.
        arriving: Any = None

        def __init__(self, file: Any, protocol: int, **options: Any) -> None:
            # (Looked at when it is initialized.)
            self.dispatch_table = copyreg.dispatch_table | of_cloudpickle | others
            super().__init__(file, protocol, **options)

        def dump(self, obj: Any) -> None:
            self.reducer_override = _core._reducer(self.reduce_special)
            try:
                super().dump(obj)
            finally:
                del self.reducer_override

        def reduce_special(self, obj: Any) -> Any:
            if isinstance(obj, types.FunctionType) and not _is_global(obj):
                if by_value.LazyImport is not None:
                    by_value.import_what_is_lazy(obj)
                annotations, are_its_own = by_value.annotations_of(obj)
                if are_its_own:
                    return self._dynamic_function_reduce(obj)
                annotate, obj.__annotations__ = obj.__annotate__, annotations
                try:
                    return self._dynamic_function_reduce(obj)
                finally:
                    obj.__annotate__ = annotate
            if isinstance(obj, type) and obj.__module__ != "builtins" and not _is_global(obj):
                if self.arriving and obj not in inside._DYNAMIC_CLASS_TRACKER_BY_CLASS:
                    refuse(obj)
                if isinstance(obj, enum.EnumType):
                    return _enums.reduce_enum(obj, inside)
                return by_value.keep_the_rest(obj, inside._dynamic_class_reduce(obj))
            if isinstance(obj, BaseException):
                if obj is self.arriving:
                    return exception_parts(obj)
                from allcores import _sending

                return _sending.reduce_exception(obj)
            if _core._frozen_parts(obj) is not None:
                from allcores import _sending

                return _sending.reduce_frozen_array(obj)
            return cloudpickle.Pickler.reducer_override(self, obj)

    _by_value = Pickler
    return Pickler


class Kept:
    """Numbers of what is kept outside of all interpreters, for as long as this is there."""

    def __init__(self) -> None:
        self.numbers: list[int] = []

    def add(self, obj: Any) -> int:
        self.numbers.append(_core._keep(obj))
        return self.numbers[-1]

    def __del__(self) -> None:
        for number in self.numbers:
            _core._forget(number)


def _pickler(file: io.BytesIO, kept: Kept) -> Any:
    pickler = by_value_pickler()(file, 5)

    def persistent_id(obj: Any) -> int | tuple[int] | None:
        address = _core.frozen_address(obj)
        if address is not None:
            return address
        if not _core._other_way(obj):
            return None
        return (kept.add(obj),)

    pickler.persistent_id = persistent_id
    return pickler


def _by_name(obj: Any) -> bytes | None:
    if isinstance(obj, types.FunctionType | types.BuiltinFunctionType) and _is_global(obj):
        return BY_NAME + f"{obj.__module__}:{obj.__qualname__}".encode("utf-8", "surrogatepass")
    return None


def callee(function: Any) -> Any:
    """A function as _calls.callee() takes it: its name where that does, which is the quickest."""
    return _by_name(function) or function


def dumps(obj: Any, kept: Kept) -> bytes:
    """A function (or anything picklable) as bytes for _calls.loads() in other interpreters.

    What it uses that crosses by pointer is there for them while the caller has `kept`.

    Raises TypeError for what can't cross; it names the variable of the function that is to blame.
    """
    named = _by_name(obj)
    if named is not None:
        return named
    file = io.BytesIO()
    try:
        _pickler(file, kept).dump(obj)
    except RecursionError:
        raise TypeError(
            f"{_name(obj)} cannot go to another interpreter: nested too deeply"
        ) from None
    except Exception as error:
        raise TypeError(blame(obj, error, set())) from None
    return file.getvalue()


def loads(data: bytes) -> Any:
    """What was pickled by dumps(), in this interpreter. Called by _calls.loads()."""
    unpickler: Any = _pickle.Unpickler(io.BytesIO(data))

    def persistent_load(pid: int | tuple[int]) -> Any:
        return _core.frozen_at(pid) if isinstance(pid, int) else _core._kept(pid[0])

    unpickler.persistent_load = persistent_load
    return unpickler.load()


def _name(obj: Any) -> str:
    name = getattr(obj, "__qualname__", None)
    return (
        f"{name}()"
        if isinstance(obj, types.FunctionType)
        else str(name or f"a {type_name(type(obj))}")
    )


def failure(obj: Any) -> Exception | None:
    try:
        pickler = by_value_pickler()(io.BytesIO(), 5)
        pickler.persistent_id = _core._other_way
        pickler.dump(obj)
    except Exception as error:
        return error
    return None


def blame(obj: Any, error: Exception, seen: set[int]) -> str:
    """Which variable of a function can't cross, in words."""
    seen.add(id(obj))
    if isinstance(obj, types.FunctionType):
        for variable, value in _variables(obj):
            if id(value) in seen:
                continue
            reason = failure(value)
            if reason is None:
                continue
            if isinstance(value, types.FunctionType):
                return f"{_name(obj)} uses {variable}, and {blame(value, reason, seen)}"
            return (
                f"{_name(obj)} uses the variable {variable!r}, a {type_name(type(value))}, which "
                f"cannot go to another interpreter ({reason}); make it inside the function, or "
                "pass data that allcores.freeze accepts"
            )
    return f"{_name(obj)} cannot go to another interpreter: {error}"


def _variables(function: types.FunctionType) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:  # noqa: SIM105 (contextlib costs an import)
            found.append((name, cell.cell_contents))
        except ValueError:  # an empty cell
            pass
    variables = function.__globals__
    used = sorted(names(function.__code__))
    found += [(name, variables[name]) for name in used if name in variables]
    defaults: tuple[Any, ...] = function.__defaults__ or ()
    arguments = function.__code__.co_varnames[: function.__code__.co_argcount]
    found += list(zip(arguments[len(arguments) - len(defaults) :], defaults, strict=True))
    found += list((function.__kwdefaults__ or {}).items())
    return found
