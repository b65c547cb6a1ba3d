"""Extension modules, unchanged, in interpreters of their own.

Most extension modules refuse to be imported in an interpreter with its own GIL, as their C globals
would be shared. With `install()` each interpreter gets a private image of such a module and of the
libraries that come with it. Interpreters that allcores makes have it from the start; in others call
it before the first import:

    with InterpreterPoolExecutor(initializer=allcores.extensions.install) as executor: ...

See docs/extensions.md for how it works and what its limits are.
"""

from __future__ import annotations

import _imp
import atexit
import os
import sys

from allcores import _core

# Not from typing: its import costs every interpreter more than all of this package.
TYPE_CHECKING = False
if TYPE_CHECKING:
    import types
    from collections.abc import Callable
    from typing import Any

__all__ = ["install", "is_installed"]

# How long the end of an interpreter waits for libraries' threads that run Python, in seconds.
_PATIENCE = 5.0

ModuleType = type(sys)  # the types module has it too, and costs an import

_create_dynamic: Callable[..., types.ModuleType] = _imp.create_dynamic
_exec_dynamic = _imp.exec_dynamic
_create_builtin: Callable[..., types.ModuleType] = _imp.create_builtin
_installed = False

# By path and name: the contents of single-phase modules that can only be initialized once.
_initialized: dict[tuple[str, str], dict[str, Any]] = {}


def install() -> None:
    """Load extension modules as images in this interpreter from now on.

    Does nothing in the main interpreter, which loads every module as always, nor when the
    environment variable ALLCORES_EXTENSIONS is "native". Doing it twice is fine.

    Raises ValueError when ALLCORES_EXTENSIONS is anything else but "image" or empty.
    """
    global _installed
    choice = os.environ.get("ALLCORES_EXTENSIONS", "")
    if choice not in ("", "image", "native"):
        raise ValueError(f"ALLCORES_EXTENSIONS must be 'image' or 'native', not {choice!r}")
    if _installed or choice == "native" or _core._is_main_interpreter():
        return
    _core._enable_images()
    # After all other functions: threads may come in until CPython itself would refuse them.
    atexit.register(_core._close_images, _PATIENCE)
    # Every way to import an extension module ends at these two.
    _imp.create_dynamic = create_dynamic
    _imp.exec_dynamic = exec_dynamic
    _imp.create_builtin = create_builtin
    if "_ctypes" in sys.builtin_module_names:
        import _ctypes  # noqa: F401
    for name in ("_ctypes", "ctypes"):
        if name in sys.modules:
            _privatize_ctypes(sys.modules[name])
    _installed = True


def is_installed() -> bool:
    """Whether this interpreter loads extension modules as images."""
    return _installed


def create_dynamic(spec: Any, file: Any = None, /) -> types.ModuleType:
    """As _imp.create_dynamic: the module that a spec describes, not executed yet."""
    name, path = spec.name, spec.origin
    if not isinstance(path, str) or not _has_image(name, path):
        return _create_dynamic(spec, file)
    contents = _initialized.get((path, name))
    if contents is not None:
        module = ModuleType(name)
        module.__dict__.update(contents)
        return module
    try:
        loaded = _core._load_extension(spec, name, path, _init_suffix(name))
    except ImportError:
        if not is_standard(path):
            raise
        loaded = None
    if loaded is None:
        return _create_dynamic(spec, file)
    sys.audit("import", name, path, None, None, None)
    made: types.ModuleType = loaded[0]
    single_phase, has_state = loaded[1:]
    if single_phase:
        made.__file__ = path
        if not has_state:
            _initialized[path, name] = made.__dict__.copy()
    return made


def exec_dynamic(module: types.ModuleType, /) -> int:
    """As _imp.exec_dynamic: run the second phase of a module's initialization."""
    try:
        result = _exec_dynamic(module)
    except BaseException:
        spec = getattr(module, "__spec__", None)
        if spec is not None and isinstance(spec.origin, str) and _has_image(spec.name, spec.origin):
            _core._forget_image(spec.origin)
        raise
    if module.__name__ == "_ctypes":
        _privatize_ctypes(module)
    return result


def create_builtin(spec: Any, /) -> types.ModuleType:
    """As _imp.create_builtin, and some modules come without what is the main interpreter's.

    CPython refuses them in other interpreters, as they keep objects in C globals. Packages import
    them all the same: joblib, and with it scikit-learn, faulthandler; Ray tracemalloc.
    """
    values = _STAND_INS.get(spec.name)
    if values is None:
        return _create_builtin(spec)
    module = ModuleType(spec.name, f"{spec.name}, of which only the main interpreter has all")

    def refused(*arguments: Any, **keywords: Any) -> None:
        raise RuntimeError(f"{spec.name.lstrip('_')} belongs to the main interpreter")

    for function, value in values.items():
        module.__dict__[function] = refused if value is _REFUSED else _returning(value)
    return module


def _returning(value: Any) -> Callable[..., Any]:
    return lambda *arguments, **keywords: value


# What the functions of such modules return where they are not refused.
_REFUSED = object()
_STAND_INS: dict[str, dict[str, Any]] = {
    "faulthandler": {
        "is_enabled": False,
        "enable": _REFUSED,
        "disable": _REFUSED,
        "register": _REFUSED,
        "unregister": _REFUSED,
        "dump_traceback": _REFUSED,
        "dump_traceback_later": _REFUSED,
        "cancel_dump_traceback_later": _REFUSED,
    },
    # As when it is not tracing.
    "_tracemalloc": {
        "is_tracing": False,
        "get_traceback_limit": 1,
        "get_traced_memory": (0, 0),
        "get_tracemalloc_memory": 0,
        "clear_traces": None,
        "reset_peak": None,
        "start": _REFUSED,
        "stop": None,
        "_get_object_traceback": None,
        "_get_traces": (),
    },
}


def _init_suffix(name: str) -> str:
    """What follows PyInit in the name of a module's init function (PEP 489)."""
    last = name.rpartition(".")[2]
    if last.isascii():
        return "_" + last
    return "U_" + last.encode("punycode").decode("ascii").replace("-", "_")


def _folders_of_standard_modules() -> frozenset[str]:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    libraries = (
        os.path.dirname(os.__file__),
        os.path.join(sys.base_exec_prefix, sys.platlibdir, version),
    )
    folders = {os.path.join(library, "lib-dynload") for library in libraries}
    return frozenset(folders | {os.path.realpath(folder) for folder in folders})


_standard_folders = _folders_of_standard_modules()


def is_standard(path: str) -> bool:
    """Whether a file is one of the standard library's extension modules."""
    return os.path.dirname(path) in _standard_folders


# The standard library's modules are made for many interpreters and load as always, but for:
#   _ctypes: a library's own thread that calls a Python function through it would come to main.
_STANDARD_WITH_IMAGES = frozenset({"_ctypes"})


def _has_image(name: str, path: str) -> bool:
    """Whether the extension module of a file is loaded as an image."""
    if is_standard(path):
        return name in _STANDARD_WITH_IMAGES
    return name != _core.__name__


def _privatize_ctypes(module: types.ModuleType) -> None:
    """Let ctypes open a package's own libraries as images too."""
    attribute = "dlopen" if module.__name__ == "_ctypes" else "_dlopen"
    plain = getattr(module, attribute, None)
    if plain is None or getattr(plain, "__module__", None) == __name__:
        return

    def dlopen(name: Any, mode: int = 0, /) -> int:
        if isinstance(name, str):
            handle = _core._open_library(name, mode)
            if handle is not None:
                return handle
        result: int = plain(name, mode)
        return result

    setattr(module, attribute, dlopen)
