"""What modules' code is made of, once for all interpreters: the same code as ever."""

from __future__ import annotations

import contextlib
import dis
import importlib.util
import io
import marshal
import random
import subprocess
import sys
import types
from pathlib import Path

import pytest

import allcores
from allcores import _core

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


@pytest.fixture(autouse=True, scope="module")
def some_interpreters():
    """So many that templates are made."""
    with contextlib.ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(allcores.Interpreter())
        yield


@pytest.fixture(params=["bytecode", "none"])
def module(request, tmp_path, monkeypatch):
    """The name of a module, with or without bytecode beside it."""
    monkeypatch.setattr(sys, "dont_write_bytecode", request.param == "none")
    monkeypatch.syspath_prepend(str(tmp_path))
    name = f"constants_with_{request.param}"
    monkeypatch.delitem(sys.modules, name, raising=False)
    (tmp_path / f"{name}.py").write_text(MODULE, encoding="utf-8")
    if request.param == "bytecode":
        __import__(name)
    return name


def load_again(data: bytes, interned: dict) -> types.CodeType:
    """From the template, which is made when the same bytes come for the second time."""
    _core._load_code(data, interned)
    return _core._load_code(data, interned)


def in_interpreter(source: str, result: str) -> object:
    with allcores.Interpreter() as one:
        one.call(source)
        return one.call(result)


def test_interpreters_have_the_same_objects(module):
    addresses = "{key: id(value) for key, value in parts.items()}"
    in_interpreter(NAMES.format(module), "parts")  # compiles, where there is no bytecode
    one, other = (in_interpreter(NAMES.format(module), addresses) for _ in range(2))
    assert one == other
    here = {}
    exec(NAMES.format(module), here)
    assert in_interpreter(NAMES.format(module), "parts") == here["parts"]
    assert eval(addresses, here) != one  # main is left alone


def test_names_are_the_interpreters_own_interned_strings(module):
    with allcores.Interpreter() as before:
        before.call(NAMES.format(module))
    with allcores.Interpreter() as one:
        # What it has interned first stays its own.
        one.call("import sys\nfirst = sys.intern('flummoxed_' + 'attribute'.lower())")
        one.call(NAMES.format(module))
        assert one.call("code.co_names[0] is first")
        one.call("import gc; made = lambda text: sys.intern(''.join(list(text)))")
        for found in (
            "code.co_varnames[1]",
            "code.co_names[0]",
            f"{module}.only_names.__code__.co_names[1]",
            f"{module}.Zygomorphic.__name__",
            "code.co_name",
            "next(iter(method.__kwdefaults__))",
        ):
            assert one.call(f"made({found}) is {found}"), found


def test_intern_gives_one_string_for_each_content(module):
    in_interpreter(NAMES.format(module), "parts")
    with allcores.Interpreter() as one:
        one.call(NAMES.format(module))
        one.call("import sys\nmade = lambda text: ''.join(list(text))")
        for key in ("doc", "other letters", "module", "qualified", "name"):
            text = f"parts[{key!r}]"
            assert one.call(f"sys.intern({text}) is sys.intern(made({text})) == {text}"), key
            assert one.call(f"sys.intern(made({text})) is sys.intern({text})"), key
        one.call("import ctypes; intern = ctypes.pythonapi.PyUnicode_InternFromString")
        one.call("intern.restype = ctypes.py_object")
        for key in ("doc", "other letters", "module"):
            assert one.call(f"intern(parts[{key!r}].encode()) is parts[{key!r}]"), key


def test_text_that_was_interned_before_stays_the_one(module):
    in_interpreter(NAMES.format(module), "parts")
    with allcores.Interpreter() as one:
        one.call("import sys; first = sys.intern('Another '.lower().capitalize() + 'docstring.')")
        one.call(NAMES.format(module))
        assert one.call("parts['doc'] is first")


def test_constants_that_are_equal_are_not_mixed_up(module):
    in_interpreter(NAMES.format(module), "parts")
    with allcores.Interpreter() as one:
        shown = one.call(f"import {module}") or one.call(
            f"repr(({module}.numbers(), {module}.kinds()[:2], ascii({module}.kinds()[3])))"
        )
    expected = (
        ((1, "one and one"), (True, "one and one"), (0.0, -0.0, 1 << 70, 3j, ..., None)),
        ("the same text", b"the same text"),
        ascii(("\ud800 alone", ())),
    )
    assert shown == repr(expected)


LOOK = """
import dis, inspect, io, marshal, pickle, traceback, contextlib, copy
def everything(module):
    method = module.Zygomorphic.quixotic_method
    code = method.__code__
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        dis.dis(module)
    try:
        method(None, 3)
    except ValueError:
        trace = traceback.format_exc()
    replaced = code.replace(co_name="other", co_consts=(*code.co_consts, "more"))
    lines = []
    import sys
    def tracer(frame, event, argument):
        if frame.f_code is code:
            lines.append((event, frame.f_lineno))
        return tracer
    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        method(None, 3)
    except ValueError:
        pass
    finally:
        sys.settrace(before)
    return (
        marshal.loads(marshal.dumps(code)) == code, hash(code) == hash(code.replace()),
        code.replace() == code, replaced.co_consts[:-1] == code.co_consts, replaced.co_varnames,
        list(code.co_positions()), list(code.co_lines()), lines, inspect.getsource(method),
        inspect.getdoc(method), str(inspect.signature(method)), text.getvalue().count(chr(10)),
        trace, pickle.loads(pickle.dumps(method)) is method, copy.deepcopy(code.co_names),
        code.co_varnames, code.co_freevars, code.co_cellvars, code.co_flags, code.co_code,
    )
"""


def test_everything_that_looks_at_code_sees_the_same(module):
    in_interpreter(NAMES.format(module), "parts")
    here: dict = {}
    exec(compile(LOOK, "<allcores>", "exec"), here)
    expected = here["everything"](importlib.import_module(module))
    seen = in_interpreter(f"{LOOK}\nimport {module}", f"everything({module})")
    assert seen == expected


def test_a_reloaded_module_has_its_new_constants(module):
    spec = importlib.util.find_spec(module)
    in_interpreter(NAMES.format(module), "parts")
    with allcores.Interpreter() as one:
        one.call(f"import importlib, {module}")
        source = Path(spec.origin)
        source.write_text(MODULE.replace("Another docstring", "A new docstring"), encoding="utf-8")
        one.call(f"importlib.reload({module})")
        doc = one.call(f"{module}.Zygomorphic.quixotic_method.__doc__")
        assert doc == "A new docstring."


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
    with allcores.Interpreter() as one, allcores.Interpreter() as other:
        one.call(SHARED)
        other.call(SHARED)
        for path in library():
            data = marshal.dumps(compile(path.read_bytes(), str(path), "exec", dont_inherit=True))
            for each in (one, other):
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


def test_a_file_that_has_no_code_is_an_error(tmp_path, monkeypatch):
    machinery = sys.modules["_frozen_importlib_external"]
    with allcores.Interpreter() as one:
        one.call("import sys; machinery = sys.modules['_frozen_importlib_external']")
        for data in (b"i\x01\x00\x00\x00", b"", b"\xff"):
            with pytest.raises((ImportError, EOFError, ValueError)) as here:
                machinery._compile_bytecode(data, "name", "path")
            with pytest.raises(type(here.value)) as there:
                one.call(f"machinery._compile_bytecode({data!r}, 'name', 'path')")
            assert str(here.value) in str(there.value)


def test_audit_hooks_are_asked(module):
    for _ in range(2):
        in_interpreter(NAMES.format(module), "parts")
    with allcores.Interpreter() as one:
        one.call(
            "import sys\nseen = []\ndef hook(event, arguments):\n"
            "    if event == 'marshal.loads': seen.append(arguments)\nsys.addaudithook(hook)"
        )
        one.call(f"import {module}")
        assert one.call("sum(b'quixotic_method' in each for each, in seen)") == 1
        one.call(
            "def no(event, arguments):\n"
            "    if event == 'marshal.loads': raise OSError('not this')\n"
            f"sys.addaudithook(no); del sys.modules[{module!r}]"
        )
        with pytest.raises(allcores.RemoteError, match="not this"):
            one.call(f"import {module}")


WATCH = """
import ctypes, sys
from allcores import _core
python, seen = ctypes.pythonapi, []
python.PyCode_AddWatcher.argtypes = [ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p)]
def see(event, code):
    if event == 0:
        seen.append(code)
    return 0
callback = python.PyCode_AddWatcher.argtypes[0](see)
"""


def test_who_watches_code_sees_all_of_it(module):
    for _ in range(2):
        in_interpreter(NAMES.format(module), "parts")
    with allcores.Interpreter() as one:
        one.call(WATCH)
        one.call("number = python.PyCode_AddWatcher(callback)")
        one.call(NAMES.format(module))
        assert one.call("id(code) in seen")
        one.call("python.PyCode_ClearWatcher(number)")
        one.call(f"seen.clear(); del sys.modules[{module!r}]")
        one.call(NAMES.format(module))
        assert one.call("seen") == []
        assert one.call("_core.frozen_address(code.co_linetable) is not None")


def test_calls_are_specialized_as_ever(module):
    in_interpreter(NAMES.format(module), "parts")
    source = (
        "import dis, marshal\nfrom allcores import _core\n"
        "data = marshal.dumps(compile('def g(x): return x\\ndef h(x): return x\\n'"
        " 'def f():\\n for i in range(200): g(i); h(i)', 'file', 'exec'))\n"
        "def used(load):\n"
        "    space = {}\n    exec(load(data), space)\n    space['f']()\n"
        "    return [each.baseopname for each in dis.get_instructions(space['f'], adaptive=True)], "
        "[each.opname for each in dis.get_instructions(space['f'], adaptive=True)]\n"
    )
    with allcores.Interpreter() as one:
        one.call(source)
        for _ in range(3):
            made = one.call("used(lambda data: _core._load_code(data, _core._interned_strings()))")
            assert made == one.call("used(marshal.loads)")
        assert "CALL_PY_EXACT_ARGS" in made[1]


MONITOR = """
import sys
def lines(module):
    seen, tool = [], 4
    sys.monitoring.use_tool_id(tool, "test")
    events = sys.monitoring.events
    for event in (events.LINE, events.PY_START, events.BRANCH_LEFT):
        sys.monitoring.register_callback(
            tool, event, lambda code, *rest: seen.append((code.co_name, rest)))
    sys.monitoring.set_events(tool, events.LINE | events.PY_START | events.BRANCH_LEFT)
    __import__(module).numbers()
    sys.modules[module].kinds()
    sys.monitoring.set_events(tool, 0)
    sys.monitoring.free_tool_id(tool)
    return [each for each in seen if each[0] in ("<module>", "numbers", "kinds", "Zygomorphic")]
"""


def test_monitoring_sees_the_same(module):
    for _ in range(2):
        in_interpreter(NAMES.format(module), "parts")
    here: dict = {}
    exec(compile(MONITOR, "file", "exec"), here)
    importlib.import_module(module)
    expected = here["lines"](module)
    with allcores.Interpreter() as one:
        one.call(f"{MONITOR}\nimport {module}")
        assert one.call(f"lines({module!r})") == expected != []


def test_interpreters_end_in_any_order(module):
    for order in ((0, 1, 2), (2, 1, 0), (1, 0, 2)):
        running: list = [allcores.Interpreter() for _ in range(3)]
        for one in running:
            one.call(NAMES.format(module))
        for which in order:
            running[which] = None
            for one in filter(None, running):
                assert one.call("parts['doc']") == "Another docstring."
                one.call(f"import importlib, {module}; importlib.reload({module})")


def test_what_is_shared_outlives_its_first_interpreter(module):
    for _ in range(5):
        with allcores.Interpreter() as one:
            one.call(NAMES.format(module))
            one.call("import gc; gc.collect()")
            assert one.call("parts['doc']") == "Another docstring."


FORK = """
import marshal, os, threading
import allcores

source = "def f(a_name, other_name): 'A docstring.'; return a_name + 'a constant'"
code = compile(source, "file", "exec")
data = marshal.dumps(code)

def share(data):
    import marshal
    from allcores import _core
    code = marshal.loads(data)
    for i in range(300):
        more = f"constant {i} of these"
        data = marshal.dumps(code.replace(co_consts=(*code.co_consts, more)))
        for _ in range(3):
            assert _core._load_code(data, {}).co_consts[-1] == more

workers = [allcores.Interpreter() for _ in range(4)]
stop = False

def keep_busy(one):
    while not stop:
        one.call(share, data)

threads = [threading.Thread(target=keep_busy, args=(one,)) for one in workers]
for thread in threads:
    thread.start()
for _ in range(15):
    pid = os.fork()
    if pid == 0:
        share(data)
        with allcores.Interpreter() as one:
            one.call("import fractions")
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
stop = True
for thread in threads:
    thread.join()
print("done")
"""


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


def test_a_forked_child_shares_too():
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORK],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout == "done\n", done.stderr


def test_disassembling_shows_the_same(module):
    source = f"import io, contextlib, dis\nimport {module}\ntext = io.StringIO()\n"
    source += f"with contextlib.redirect_stdout(text): dis.dis({module}.numbers)"
    here = io.StringIO()
    with contextlib.redirect_stdout(here):
        dis.dis(importlib.import_module(module).numbers)
    assert in_interpreter(source, "text.getvalue()") == here.getvalue()


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
