"""What freeze refuses, and how it says where that is."""

import gc
import sys
import types
from typing import Any

import freeze_classes as classes
import pytest

from allcores import _core, freeze


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: {"users": [0, 1, 2, {"socket": object()}]},
            r"data\['users'\]\[3\]\['socket'\]: object cannot",
        ),
        (lambda: [lambda: 1], r"data\[0\]: function cannot be frozen: name it"),
        (lambda: sys, r"^freeze: data: module cannot"),
        (lambda: classes.User("a", [sys]), r"^freeze: data\.tags\[0\]: module"),
        (
            lambda: {1: {2: classes.User("a", friend=print)}},
            r"data\[1\]\[2\]\.friend: builtin_function",
        ),
        (lambda: {("k", print): 1}, r"data\.keys\(\)\[0\]\[1\]: builtin"),
        (lambda: {"a": 1, print: 1}, r"data\.keys\(\)\[1\]: builtin"),
        (lambda: {print}, r"data\{\d\}: builtin"),
        (lambda: (i for i in ()), "generator cannot be frozen: freeze the list"),
        (
            lambda: __import__("io").TextIOWrapper(__import__("io").BytesIO()),
            "_io.TextIOWrapper cannot",
        ),
        (lambda: [__import__("threading").Lock()], r"_thread.lock cannot"),
        (lambda: __import__("collections").OrderedDict(), r"use dict\(it\)"),
        (lambda: __import__("collections").Counter("ab"), r"use dict\(it\)"),
        (
            lambda: __import__("os").stat("."),
            r"os.stat_result cannot be frozen: .* use tuple\(it\)",
        ),
        (lambda: types.MappingProxyType(__import__("collections").UserDict()), "view of a mapping"),
        (lambda: classes.Wrong(), "subclass of a built-in type"),
        (lambda: type("S", (str,), {})("x"), r"subclass of str; use str\(it\)"),
        (lambda: type("L", (list,), {})(), r"subclass of list; use list\(it\)"),
        (lambda: int, "name it instead, as 'module:Class'"),
        (lambda: classes.Hostile(), "make the class a dataclass"),
        (lambda: __import__("datetime").datetime(2026, 1, 1), r"isoformat\(\)"),
        (lambda: {"a\n" * 100: print}, r"data\['a\\na.*\.\.\.\]: "),
        (lambda: ..., "ellipsis cannot"),
    ],
)
def test_what_cannot_be_frozen_is_named(make, message):
    used = _core.frozen_bytes()
    with pytest.raises(TypeError, match=message):
        freeze(make())
    gc.collect()
    assert _core.frozen_bytes() == used


def test_a_class_that_cannot_be_imported():
    import dataclasses

    @dataclasses.dataclass
    class Hidden:
        x: int = 1

    with pytest.raises(TypeError, match=r"can't be imported as .*<locals>.Hidden"):
        freeze(Hidden())
    Shadow = type("User", (classes.User,), {"__module__": classes.__name__})
    with pytest.raises(TypeError, match="another class"):
        freeze(dataclasses.dataclass(Shadow)("a"))


def test_a_deep_path_is_shortened():
    deep: Any = print
    for _ in range(1000):
        deep = [deep]
    with pytest.raises(TypeError) as caught:
        freeze(deep)
    text = str(caught.value)
    assert text.startswith("freeze: data[0][0]") and "[...]" in text and len(text) < 300
