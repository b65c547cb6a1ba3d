"""What goes by value and cloudpickle leaves out, or can't do: lazy imports, annotations, slots.

Used by the pickler of allcores._functions, in the interpreters that need cloudpickle.
"""

from __future__ import annotations

import types

from allcores import _functions

# Not from typing: its import costs every interpreter more than all of this package.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# PEP 810, from 3.15 on: what a global variable is until it is used.
LazyImport: Any = getattr(types, "LazyImportType", None)


def import_what_is_lazy(function: types.FunctionType) -> None:
    """What a function uses of `lazy import` is imported, as if it were used."""
    import importlib

    variables = function.__globals__
    for name in _functions.names(function.__code__):
        found: Any = variables.get(name)
        if type(found) is LazyImport:
            try:
                made = variables[name] = found.resolve()
                wanted = _lazy_name(found)
                # `import xml.dom.minidom` is `xml`, and the rest as soon as it is looked for.
                if isinstance(made, types.ModuleType) and wanted.startswith(made.__name__ + "."):
                    importlib.import_module(wanted)
            except ImportError:
                continue  # it may never be used


def _lazy_name(found: Any) -> str:
    # "<lazy_import 'module'>"
    return repr(found).partition("'")[2].rpartition("'")[0]


def reduce_lazy(found: Any) -> Any:
    return _lazily, (_lazy_name(found),)


def _lazily(name: str) -> Any:
    variables: dict[str, Any] = {}
    exec(f"lazy import {name} as found", variables)  # (as in a module: not allowed elsewhere)
    return variables["found"]


def annotations_of(obj: Any) -> tuple[dict[str, Any], bool]:
    """Those of a function or class, and whether that is what Python says too.

    They are evaluated when they are read (PEP 649). Where they name what only type checkers import,
    they become text, as with `from __future__ import annotations`.
    """
    try:
        return obj.__annotations__, True
    except Exception:
        import annotationlib

        return annotationlib.get_annotations(obj, format=annotationlib.Format.STRING), False


def keep_the_rest(cls: type, parts: tuple[Any, ...]) -> tuple[Any, ...]:
    """What cloudpickle makes of a class, with its annotations and slots, and where it was defined:
    it leaves that out, gives the copy a __dict__ instead of slots, and fails where these have
    private names.
    """
    inside = cls.__dict__
    make, arguments, (attributes, members), *rest = parts
    attributes = {**attributes, "__qualname__": cls.__qualname__}
    if inside.get("__annotate_func__") is not None:
        attributes["__annotations_cache__"] = annotations_of(cls)[0]
    parts = make, arguments, (attributes, members), *rest
    # (typing.NamedTuple lets nobody set __slots__.)
    if "__slots__" not in inside or issubclass(cls, tuple):
        return parts
    slots = [
        name
        for name, found in inside.items()
        if (isinstance(found, types.MemberDescriptorType) and found.__name__ == name)
        or (isinstance(found, types.GetSetDescriptorType) and name in ("__dict__", "__weakref__"))
    ]
    make, (kind, name, bases, variables, *others), (attributes, members), *rest = parts
    variables = {**variables, "__slots__": tuple(slots)}
    attributes = {name: value for name, value in attributes.items() if name not in slots}
    return make, (kind, name, bases, variables, *others), (attributes, members), *rest


def partial_method(function: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    import functools

    return functools.partialmethod(function, *args, **keywords)
