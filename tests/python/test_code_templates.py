"""Code that is made from templates: what marshal.loads() would give."""

from __future__ import annotations

import marshal
import random
import subprocess
import sys
import types
from pathlib import Path

import pytest
import shared_modules
from shared_modules import MODULE

import allcores
from allcores import _core


@pytest.fixture(autouse=True, scope="module")
def some_interpreters():
    with shared_modules.some():
        yield


def load_again(data: bytes, interned: dict) -> types.CodeType:
    """From the template, which is made when the same bytes come for the second time."""
    _core._load_code(data, interned)
    return _core._load_code(data, interned)


def library() -> list[Path]:
    """Some of the standard library's modules, all of its bytecode where there is some."""
    folder = Path(types.__file__).parent
    found = [path for path in folder.rglob("*.py") if "test" not in path.parts]
    random.Random(5).shuffle(found)
    return sorted(found[:150])


SHARED = """
import marshal
from allcores import _core
interned = _core._interned_strings()
def shown(value):
    # CPython promises no order, and bytecode has another one than what was just compiled.
    if type(value) is frozenset:
        return "frozenset", sorted(map(repr, map(shown, value)))
    return [shown(each) for each in value] if type(value) is tuple else (type(value), repr(value))
def parts(code):
    yield code, code.co_linetable, code.co_exceptiontable, code.co_qualname, code.co_names
    yield code.co_varnames, code.co_freevars, code.co_cellvars, code.co_code, code._co_code_adaptive
    yield code.co_filename, list(code.co_positions()), code.co_stacksize, code.co_flags
    for each in code.co_consts:
        yield from parts(each) if hasattr(each, "co_consts") else [shown(each)]
def is_same(data):
    _core._load_code(data, interned)
    code = _core._load_code(data, interned)
    plain = marshal.loads(data)
    return plain == code and list(parts(plain)) == list(parts(code))
"""


def test_the_standard_library_stays_as_it_is():
    with (
        allcores.Interpreter() as first,  # makes the templates
        allcores.Interpreter() as one,
        allcores.Interpreter() as other,
    ):
        for each in (first, one, other):
            each.call(SHARED)
        for path in library():
            data = marshal.dumps(compile(path.read_bytes(), str(path), "exec", dont_inherit=True))
            for each in (first, one, other):
                assert each.call(is_same_there, data), path
        for each in (one, other):
            each.call("import gc; gc.collect()")
            # There is one interned string of each content. (CPython looks first among its static
            # ones, which are everybody's.)
            each.call("import sys; made = lambda text: ''.join(list(text))")
            others = each.call(
                "{text: id(sys.intern(made(text))) for text in interned"
                " if sys.intern(made(text)) is not text}"
            )
            assert others == {text: id(sys.intern("".join(list(text)))) for text in others}
            assert len(others) < 1000
            assert (
                each.call("sum(_core.frozen_address(text) is not None for text in interned)") > 9000
            )


def is_same_there(data: bytes) -> bool:
    import __main__

    return __main__.is_same(data)  # type: ignore[no-any-return]


def names_in(code: types.CodeType) -> set[str]:
    found = set(code.co_names) | set(code.co_varnames) | {code.co_name}
    for each in code.co_consts:
        if isinstance(each, types.CodeType):
            found |= names_in(each)
    return {name for name in found if name.isascii() and len(name) > 1}


# What makes marshal.loads() give up at once, and the search for names not.
WRONG = b"l\x01\x00\x00\x00\xff\xff"


def names_found(data: bytes) -> set[str]:
    """What the search for names enters, before anything is unmarshalled."""
    found: dict[str, str] = {}
    for _ in range(2):  # what comes once is only unmarshalled
        with pytest.raises(ValueError, match="bad marshal data"):
            _core._load_code(b")\x02" + WRONG + data, found)
    assert all(key is value and sys._is_interned(key) for key, value in found.items())
    return found.keys()


def test_the_names_of_marshalled_code_are_found():
    code = compile(MODULE, "file", "exec")
    found = names_found(marshal.dumps(code))
    assert names_in(code) <= found
    assert {"Another docstring.", "a constant"}.isdisjoint(found)
    values = (1, -1, 1 << 100, -(1 << 100), 1.5, 2j, b"x", [sys.intern("a_name_in_a_list")], {1: 2})
    values += (frozenset({3}), {4}, None, ..., True, StopIteration, sys.intern("a_last_name"))
    for version in range(2, marshal.version + 1):
        found = names_found(marshal.dumps(values, version))
        if version >= 4:  # before, ASCII has no type of its own
            assert {"a_name_in_a_list", "a_last_name"} <= found


def test_damaged_data_does_no_harm():
    data = marshal.dumps(compile(MODULE, "file", "exec"))
    rest = random.Random(7)
    for size in range(len(data)):
        names_found(data[:size])
        with pytest.raises((EOFError, ValueError, TypeError)) as error:
            load_again(data[:size], {})
        with pytest.raises(type(error.value)) as plain:
            marshal.loads(data[:size])
        assert str(plain.value) == str(error.value)
    for _ in range(2000):
        damaged = bytearray(data)
        for _ in range(rest.randrange(1, 6)):
            damaged[rest.randrange(len(data))] = rest.randrange(256)
        assert all(name.isascii() and len(name) > 1 for name in names_found(bytes(damaged)))
    names_found(b"(" + b"\xff\xff\xff\x7f" + b"N" * 1000)
    names_found(b")\x01" * 100_000)
    for wrong in (3, None, "text"):
        with pytest.raises(TypeError):
            _core._load_code(wrong, {})  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            _core._load_code(data, wrong)  # type: ignore[arg-type]


def deeper(value: object, levels: int) -> object:
    for _ in range(levels):
        value = (value,)
    return value


SETS = (frozenset(range(0, 1000, 7)), frozenset({"a b", 2.5, (1, "x")}), "text")


def test_all_kinds_of_constants_are_what_they_were():
    code = compile("def f(): return 'text'", "file", "exec")
    constants = (
        *(1 << 70, -(1 << 70), 12345, 1.5, -0.0, float("inf"), 3j, -0j, True, 1, None, ...),
        *(b"some bytes", b"", b"b", "", "x", "\xe9", "\u4e2d text", "\ud800", "<module>", "utf-8"),
        *(
            (),
            (1, "text"),
            (True, "text"),
            (1.0, "text"),
            frozenset(),
            frozenset({("a b", b"bytes")}),
        ),
        *(frozenset({frozenset({2.5})}), slice("from", 2, None)),
        *(slice(None), (slice(1, (2, "z")), "after"), deeper("deep down", 900)),
    )
    data = marshal.dumps(code.replace(co_consts=constants))
    for _ in range(3):
        made = _core._load_code(data, {})
        assert repr(made.co_consts) == repr(constants)
        assert [type(each) for each in made.co_consts] == [type(each) for each in constants]
        assert made.co_consts[-4] == constants[-4] and made.co_consts == constants
        assert hash(made) == hash(code.replace(co_consts=constants))
        sets = _core._load_code(marshal.dumps(code.replace(co_consts=SETS)), {}).co_consts
        assert sets == SETS  # their order is nobody's
    nan = load_again(marshal.dumps(code.replace(co_consts=(float("nan"), 1))), {})
    assert repr(nan.co_consts) == "(nan, 1)"


def test_what_is_no_code_or_has_more_in_it_is_as_unmarshalled():
    code = compile("def f(): return 'text'", "file", "exec")
    with_more = code.replace(co_consts=(*code.co_consts, ["a list"], {"a": "dict"}, {1}))
    for _ in range(3):
        made = _core._load_code(marshal.dumps(with_more), {})
        assert repr(made.co_consts[1:]) == repr(with_more.co_consts[1:])
        for value in ([code], {"a": 1}, "text", None, StopIteration):
            assert _core._load_code(marshal.dumps(value), {}) == value


def test_one_object_stays_one():
    code = compile(MODULE, "the_file_of_it", "exec")
    plain = marshal.loads(marshal.dumps(code))
    for _ in range(2):
        made = load_again(marshal.dumps(code), {})
        for whole in (plain, made):
            (inner,) = (each for each in whole.co_consts if getattr(each, "co_name", "") == "kinds")
            assert inner.co_filename is whole.co_filename
        assert made.co_consts[0] is not None and made is not plain


MANY = """
import marshal
import allcores
from allcores import _core
some = [allcores.Interpreter() for _ in range(4)]

def is_shared(text):
    data = marshal.dumps(compile(f"def f(): '{text}'; return g + 1", text, "exec"))
    for _ in range(2):
        assert _core._load_code(data, {}) == marshal.loads(data)
    return _core.frozen_address(_core._load_code(data, {}).co_linetable) is not None

assert is_shared("before")
large = compile("f(b'x')", "file", "exec").replace(co_consts=(bytes(65 << 20), None))
data = marshal.dumps(large)
for _ in range(3):
    assert _core._load_code(data, {}) == large
assert is_shared("before")
assert not is_shared("after")
print("done")
"""


def test_there_are_only_so_many_templates():
    done = subprocess.run([sys.executable, "-c", MANY], capture_output=True, text=True, timeout=120)
    assert done.stdout == "done\n", done.stderr


FEW = """
import marshal
import allcores
from allcores import _core

def is_shared(text):
    data = marshal.dumps(compile(f"def f(): return '{text} of a few'", text, "exec"))
    for _ in range(3):
        code = _core._load_code(data, {})
    return _core.frozen_address(code.co_linetable) is not None

found = [is_shared("0")]
some = []
for i in range(1, 5):
    some.append(allcores.Interpreter())
    found.append(is_shared(str(i)))
print(found)
"""


def test_few_interpreters_unmarshal_for_themselves():
    done = subprocess.run([sys.executable, "-c", FEW], capture_output=True, text=True, timeout=120)
    assert done.stdout == f"{[False] * 4 + [True]}\n", done.stderr
