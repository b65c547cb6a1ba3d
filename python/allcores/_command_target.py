"""What a target of `allcores serve` that leads nowhere may have meant. Nothing is imported here."""

from __future__ import annotations

import os

# Not from typing, whose import stays in a program that only serves; see _command_options.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# What applications are called, the likeliest first.
NAMES = ("app", "application", "api", "asgi", "wsgi", "handler", "router", "server")
MOST_FILES = 300
MOST_BYTES = 200_000
NOT_LOOKED_INTO = frozenset({"node_modules", "site-packages", "__pycache__", "tests", "test"})


def check_target(target: str, folder: str) -> str | None:
    """What is wrong with the form of a target, and what it may mean; None when it is good."""
    module, colon, name = target.partition(":")
    if module.endswith(".py") or "/" in module:
        return f"{target!r} is a file; did you mean {_of_file(module, name, folder)}?"
    if "(" in name:
        right = f"{module}:{name.partition('(')[0]}"
        return f"{target!r} is a call; did you mean '{right}' with --factory?"
    module, name = (".".join(part for part in text.split(".") if part) for text in (module, name))
    if not colon:
        outer, _, last = module.rpartition(".")
        if not any(map(os.path.exists, _files(module, folder))) and last in _all_names(
            outer, folder
        ):
            module, name = outer, last
    right = f"{module or 'main'}:{name or first_name(module, folder)}"
    if right != target:
        return f"{target!r} is not of the form MODULE:NAME; did you mean '{right}'?"
    return None


def _of_file(path: str, name: str, folder: str) -> str:
    """The target in quotes that a file's path means, with the option that it may need."""
    file = path.removesuffix(".py") + ".py"
    found = [each for each in (os.path.abspath(file), os.path.join(folder, file))]
    found = [each for each in found if os.path.exists(each)] or found[1:]
    parts = os.path.relpath(found[0], folder).removesuffix(".py").split(os.sep)
    option = ""
    if parts[0] == os.pardir:
        option = f" with --app-dir {os.path.dirname(found[0])}"
        folder, parts = os.path.dirname(found[0]), parts[-1:]
    if len(parts) > 1 and parts[-1] == "__init__":
        parts.pop()
    module = ".".join(parts)
    return f"'{module}:{name or first_name(module, folder)}'{option}"


def first_name(module: str, folder: str) -> str:
    """The likeliest name of the application in a module; "app" where nothing is known."""
    return next(iter(_all_names(module, folder)), "app")


def _all_names(module: str, folder: str) -> list[str]:
    return [name for file in _files(module, folder) for name in names_in(file)]


def _files(module: str, folder: str) -> tuple[str, str]:
    """Where a module may be."""
    path = os.path.join(folder, *module.split("."))
    return f"{path}.py", os.path.join(path, "__init__.py")


def near_by(target: str, folder: str) -> str:
    """The end of a message about a module that is not there: the nearest, or all candidates."""
    from difflib import get_close_matches

    found = list(candidates(folder))
    module, _, name = target.partition(":")
    by_module = {each.partition(":")[0]: each for each in reversed(found)}
    modules = {*by_module, *(module_name for module_name, _ in modules_in(folder))}
    by_lower = {each.lower(): each for each in sorted(modules)}
    near = get_close_matches(module.lower(), by_lower, 1)
    if near:
        return f"; did you mean '{by_lower[near[0]]}:{name}'?"
    if found:
        return f"; applications near by: {', '.join(found[:5])}"
    return f"; nothing in {os.path.abspath(folder)} looks like an application (see --app-dir)"


def candidates(folder: str) -> Iterator[str]:
    """Targets in a folder and its packages, by what their text says."""
    for module, path in modules_in(folder):
        for name in names_in(path):
            yield f"{module}:{name}"
            break


def modules_in(folder: str) -> Iterator[tuple[str, str]]:
    """Modules of a folder and of the packages in it, with their files."""
    count = 0
    for inner in ("", *_folders(folder)):
        for file in _python_files(os.path.join(folder, inner)):
            count += 1
            if count > MOST_FILES:
                return
            parts = [each for each in (inner, file.removesuffix(".py")) if each != "__init__"]
            module = ".".join(part for part in parts if part)
            if module:
                yield module, os.path.join(folder, inner, file)


def names_in(path: str) -> Iterator[str]:
    """Names of applications that a file gives a value at its top, the likeliest first."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read(MOST_BYTES).splitlines()
    except OSError:
        return
    heads = [line.split("(")[0] for line in lines]
    for name in NAMES:
        starts = (f"{name} =", f"{name}:", f"{name}=")
        if any(h.startswith(starts) or h in (f"def {name}", f"async def {name}") for h in heads):
            yield name


def _folders(folder: str) -> list[str]:
    try:
        with os.scandir(folder or ".") as entries:
            return sorted(
                each.name
                for each in entries
                if each.name.isidentifier() and each.name not in NOT_LOOKED_INTO and each.is_dir()
            )
    except OSError:
        return []


def _python_files(folder: str) -> list[str]:
    try:
        names = os.listdir(folder or ".")
    except OSError:
        return []
    return sorted(each for each in names if each.endswith(".py") and each[:-3].isidentifier())
