"""Names of a module that are imported when they are first used.

Most interpreters never use most of them, and each interpreter pays for what it imports.
"""

from __future__ import annotations

# Not from typing: its import costs every interpreter more than all of this package.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def importer(namespace: dict[str, Any], modules: dict[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of the module with this namespace: `modules` says where each name is from.

    A name that was found once is an ordinary one of the module.
    """

    def get(name: str) -> Any:
        module = modules.get(name)
        if module is None:
            raise AttributeError(f"module {namespace['__name__']!r} has no attribute {name!r}")
        from importlib import import_module

        value = getattr(import_module(f"allcores.{module}"), name)
        namespace[name] = value
        return value

    return get
