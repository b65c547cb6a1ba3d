"""Plain CPython on every core of one process."""

import sys

if sys.version_info < (3, 14):
    raise ImportError(
        "allcores needs CPython 3.14 or later; this is "
        f"{sys.implementation.name} {sys.version_info.major}.{sys.version_info.minor}"
    )

from allcores._core import __version__, freeze, is_frozen, thaw
from allcores._cpus import cpu_count
from allcores._frozen import register_copying
from allcores._functions import RemoteError
from allcores._interpreter import Interpreter
from allcores._serve import ServeError, serve

__all__ = [
    "Interpreter",
    "RemoteError",
    "ServeError",
    "__version__",
    "cpu_count",
    "freeze",
    "is_frozen",
    "serve",
    "thaw",
]

register_copying()
del register_copying
