"""Run in a child process: prints the documentation of the standard library's modules that are
written in C.

One JSON array a line: full name, kind, call, where, text. Imports are what this process is for: if
one of them fails, prints or crashes, nothing else is hurt.
"""

import contextlib
import importlib
import inspect
import io
import json
import os
import sys
import sysconfig
from pathlib import Path
from types import ModuleType
from typing import TextIO

# Made for CPython's own tests, or example code.
SKIPPED = ("_test", "_xx", "xx", "_ctypes_test", "__main__")


def modules() -> list[str]:
    """Names of the modules in C: those in the program and those in files of their own."""
    found = set(sys.builtin_module_names)
    folder = sysconfig.get_config_var("DESTSHARED") or ""
    if os.path.isdir(folder):
        found.update(path.name.partition(".")[0] for path in Path(folder).glob("*.so"))
    return sorted(name for name in found if not name.startswith(SKIPPED))


def signature(name: str, thing: object) -> str:
    """How it is called, as far as it says."""
    try:
        return f"{name}{inspect.signature(thing)}"  # type: ignore[arg-type]
    except TypeError, ValueError:
        return f"{name}(...)"


def describe(module: ModuleType, out: TextIO) -> None:
    """Print what one module documents: itself, its functions, its classes and their methods."""
    seen: set[str] = set()

    def put(name: str, kind: str, call: str, thing: object) -> None:
        text = (
            inspect.getdoc(thing)
            if kind in ("module", "class")
            else getattr(thing, "__doc__", None)
        )
        # As users know it: str, not builtins.str.
        name = name.removeprefix("builtins.")
        if isinstance(text, str) and text.strip() and name not in seen:
            seen.add(name)
            print(
                json.dumps([name, kind, call, f"{module.__name__}, written in C", text]), file=out
            )

    put(module.__name__ + "", "module", f"import {module.__name__}", module)
    for name, thing in sorted(vars(module).items()):
        if isinstance(thing, type):
            home = thing.__module__ if isinstance(thing.__module__, str) else module.__name__
            full = f"{home}.{thing.__qualname__}"
            own_text = vars(thing).get("__doc__")
            if own_text:
                put(full, "class", signature(f"class {thing.__name__}", thing), thing)
            for method_name, method in sorted(vars(thing).items()):
                if callable(method) or isinstance(method, classmethod | staticmethod):
                    if isinstance(method, type):
                        continue
                    function = (
                        method.__func__
                        if isinstance(method, classmethod | staticmethod)
                        else method
                    )
                    put(
                        f"{full}.{method_name}",
                        "method",
                        signature(method_name, function),
                        function,
                    )
                elif inspect.isdatadescriptor(method):
                    put(f"{full}.{method_name}", "attribute", method_name, method)
        elif inspect.isbuiltin(thing):
            put(f"{module.__name__}.{name}", "function", signature(name, thing), thing)


def main() -> None:
    out = sys.stdout
    for name in modules():
        with contextlib.suppress(Exception), contextlib.redirect_stdout(io.StringIO()):
            describe(importlib.import_module(name), out)
            out.flush()


if __name__ == "__main__":
    import warnings

    warnings.simplefilter("ignore")
    main()
