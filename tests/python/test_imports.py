"""What importing and using allcores brings into an interpreter: memory that each one pays."""

import os
import re
import subprocess
import sys

import pytest

import allcores

# Each of these costs an interpreter from a tenth to a whole of what it starts with.
COSTLY = {"typing", "re", "enum", "functools", "_pickle", "pathlib", "threading", "json", "logging"}


def imported_by(code: str) -> set[str]:
    """The modules that a fresh Python has after `code`, and not before."""
    program = f"import sys\nbefore = set(sys.modules)\n{code}\nprint(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_the_main_interpreter():
    found = imported_by("import allcores")
    assert "allcores._serve" in found  # eager here, because of os.fork
    assert not found & {"typing", "re", "pathlib", "threading", "signal", "contextlib"}


def test_a_handlers_name_needs_no_pickler():
    code = (
        "import allcores._serve as serve\n"
        "try: serve.serve('no_such_module:handler', workers=1, port=0)\n"
        "except serve.ServeError as error: assert 'no_such_module' in str(error), error"
    )
    assert "cloudpickle" not in imported_by(code)


def test_an_interpreter_that_is_called():
    with allcores.Interpreter() as interpreter:
        assert interpreter.call("1 + 1") == 2
        assert interpreter.call(abs, -3) == 3  # by name
        modules = interpreter.call("','.join(__import__('sys').modules)").split(",")
    assert "allcores._calls" in modules
    assert not COSTLY & set(modules)


def test_a_servers_worker():
    code = "__import__('allcores._worker', fromlist=[''])"
    with allcores.Interpreter() as interpreter:
        interpreter.call(f"worker = {code}")
        interpreter.call("import allcores.http, allcores._http_support")
        interpreter.call("data = worker.payload('os:getpid', {'interface': 'auto'})")
        assert interpreter.call("worker.load(data).target()") > 0
        modules = interpreter.call("','.join(__import__('sys').modules)").split(",")
    assert not COSTLY & set(modules)


def test_source_text_makes_no_syntax_tree_types(tmp_path):
    """The builtin compile() does: 120 types, a tenth of what an interpreter starts with."""
    program = """
import allcores
with allcores.Interpreter() as interpreter:
    interpreter.call("x = 20")
    assert interpreter.call("x + 1") == 21
    print(interpreter.call("any(kind.__name__ == 'AST' for kind in object.__subclasses__())"))
"""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(tmp_path)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    for _ in range(2):  # the first time all modules are compiled, by the builtin
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, env=environment
        )
        assert done.returncode == 0, done.stderr
    assert done.stdout == "False\n"


@pytest.mark.parametrize("source", ["1 +", "1\0", "def f(:", "'\ud800'"])
def test_source_text_that_is_none_fails_as_with_compile(source):
    with pytest.raises((ValueError, SyntaxError)) as expected:
        compile(source, "<allcores>", "exec")
    with (
        allcores.Interpreter() as interpreter,
        pytest.raises(type(expected.value), match=re.escape(str(expected.value))),
    ):
        interpreter.call(source)
