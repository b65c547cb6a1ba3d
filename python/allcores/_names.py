"""`allcores.frozen`: frozen data that all interpreters of the process know by a name."""

from __future__ import annotations

from allcores._core import _put_frozen, _take_frozen, freeze

# Not from typing: its import costs every interpreter more than all of this package.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def frozen(name: str, factory: Callable[[], Any]) -> Any:
    """The frozen data of that name, in whichever interpreter this is called.

    The first to ask calls `factory` and freezes what it returns; all others, in any interpreter and
    thread of the process, wait for that and get the same object, read in place. So a module that
    every worker of a server imports can have its data once for all of them:

        RECORDS = allcores.frozen("records", load_records)

    Names are the process's: two libraries should not choose the same. The data stays until the
    process ends, also when the workers' code is loaded anew.

    Raises what `factory` raises, and then the next to ask calls it again; TypeError for what can't
    be frozen; RuntimeError when `factory` asks for the same name itself.
    """
    if not isinstance(name, str):
        raise TypeError(f"frozen: name must be a str, not {type(name).__name__}")
    if not callable(factory):
        raise TypeError(f"frozen: factory must be a function, not {type(factory).__name__}")
    found = _take_frozen(name)
    if found is not None:
        return found[0]
    try:
        made = freeze(factory())
        _put_frozen(name, made)
    except BaseException:
        _put_frozen(name)
        raise
    return made
