"""What modules' code is made of, once for all interpreters: the same modules as ever."""

from __future__ import annotations

import contextlib
import dis
import importlib.util
import io
import subprocess
import sys
from pathlib import Path

import pytest
import shared_modules
from shared_modules import MODULE, NAMES, in_interpreter

import allcores


@pytest.fixture(autouse=True, scope="module")
def some_interpreters():
    with shared_modules.some():
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
