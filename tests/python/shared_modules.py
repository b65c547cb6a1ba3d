"""What the tests of code that interpreters share have in common: a module, imported in one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import allcores

MODULE = '''"""A docstring of the module, which is not a name."""

class Zygomorphic:
    """Documentation with other letters: \xe9 \u4e2d \U0001f600."""

    def quixotic_method(self, zephyr_argument, *, jocund_keyword=("a constant", b"of bytes")):
        """Another docstring."""
        try:
            return zephyr_argument.flummoxed_attribute + jocund_keyword[0]
        except AttributeError as quizzical_error:
            raise ValueError("something is wrong") from quizzical_error

def only_names():
    return flummoxed_global.zany_attribute

def numbers():
    return (1, "one and one"), (True, "one and one"), (0.0, -0.0, 1 << 70, 3j, ..., None)

def kinds():
    return "the same text", b"the same text", {"x", "y"} & {"a b", "c d"}, ("\\ud800 alone", ())
'''
NAMES = (
    "import {0}; method = {0}.Zygomorphic.quixotic_method; code = method.__code__; "
    "parts = {{'doc': method.__doc__, 'other letters': {0}.Zygomorphic.__doc__,"
    " 'module': {0}.__doc__, 'lines': code.co_linetable, 'errors': code.co_exceptiontable,"
    " 'names': {0}.only_names.__code__.co_names, 'name': code.co_names[0],"
    " 'qualified': code.co_qualname,"
    " 'default': method.__kwdefaults__['jocund_keyword'][0]}}"
)


@contextlib.contextmanager
def some() -> Iterator[None]:
    """So many interpreters that templates are made."""
    with contextlib.ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(allcores.Interpreter())
        yield


def in_interpreter(source: str, result: str) -> object:
    with allcores.Interpreter() as one:
        one.call(source)
        return one.call(result)
