"""The cache folder: files that take long to make, each made once, whole or not at all.

`$XDG_CACHE_HOME/allcores/search`, by default under `~/.cache`. Whoever makes a file holds a lock
that ends with the process, writes under another name and renames it when it is whole; so two at
once don't disturb each other, and one that was interrupted leaves at most a part that the next one
deletes.
"""

import fcntl
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from trouble import Trouble, reason


def folder() -> Path:
    """The cache folder, made when there is none."""
    configured = os.environ.get("XDG_CACHE_HOME", "")
    # The specification: a relative path is to be ignored.
    base = Path(configured) if os.path.isabs(configured) else Path.home() / ".cache"
    path = base / "allcores" / "search"
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Trouble(f"the cache folder {path} cannot be made: {reason(error)}") from error
    return path


def locked_now(file: int) -> bool:
    """Take the lock of an open file, if nobody else has it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One at a time for this path, over all processes."""
    with path.with_name(path.name + ".lock").open("w") as file:
        told = False
        while not locked_now(file.fileno()):
            if not told:
                print(f"search: waiting for another process that makes {path}", file=sys.stderr)
                told = True
            # Not one long wait in the kernel: a Ctrl-C that came just before it would not end that.
            time.sleep(0.1)
        yield


def made(name: str, make: Callable[[Path], None]) -> Path:
    """The file or folder of that name in the cache; `make(path)` makes it, at another path, when
    there is none.
    """
    final = folder() / name
    if final.exists():
        return final
    try:
        with locked(final):
            if final.exists():
                return final
            part = final.with_name(name + ".part")
            remove(part)
            try:
                make(part)
                part.rename(final)
            except BaseException:
                remove(part)
                raise
    except OSError as error:
        raise Trouble(f"{final} cannot be written: {reason(error)}") from error
    return final


def remove(path: Path) -> None:
    """Delete a file, or a folder of files, if it is there."""
    if path.is_dir():
        for file in path.iterdir():
            file.unlink()
        path.rmdir()
    else:
        path.unlink(missing_ok=True)
