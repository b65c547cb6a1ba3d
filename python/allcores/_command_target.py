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
        path = module.removesuffix(".py").strip("./").replace("/", ".")
        return f"{target!r} is a file; did you mean '{path}:{name or first_name(path, folder)}'?"
    if not colon or not module or not name:
        right = f"{module or 'main'}:{name or first_name(module, folder)}"
        return f"{target!r} is not of the form MODULE:NAME; did you mean '{right}'?"
    return None


def first_name(module: str, folder: str) -> str:
    """The likeliest name of the application in a module; "app" where nothing is known."""
    path = os.path.join(folder, *module.split("."))
    for each in (f"{path}.py", os.path.join(path, "__init__.py")):
        for name in names_in(each):
            return name
    return "app"


def near_by(target: str, folder: str) -> str:
    """The end of a message about a module that is not there: the nearest, or all candidates."""
    from difflib import get_close_matches

    found = list(candidates(folder))
    module, _, name = target.partition(":")
    by_module = {each.partition(":")[0]: each for each in reversed(found)}
    modules = {*by_module, *(module_name for module_name, _ in modules_in(folder))}
    near = get_close_matches(module, sorted(modules), 1)
    if near:
        return f"; did you mean '{near[0]}:{name}'?"
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
