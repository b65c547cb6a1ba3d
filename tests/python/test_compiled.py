"""Modules without bytecode on disk: compiled by one interpreter for all."""

import concurrent.futures
import sys
import traceback

import pytest

import allcores

WATCH = """
import sys
compiled = []
def watch(event, arguments):
    if event == "compile" and str(arguments[1]).endswith("a_module.py"):
        compiled.append(arguments[1])
sys.addaudithook(watch)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder on sys.path in which no bytecode is written."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_one_compiles_for_all(folder):
    source = "'''Its docstring.'''\ndef double(x):\n    return 2 * x\n"
    (folder / "a_module.py").write_text(source)
    interpreters = [allcores.Interpreter() for _ in range(4)]
    try:
        for one in interpreters:
            one.call(WATCH)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda one: one.call("import a_module"), interpreters))
        assert sum(one.call("len(compiled)") for one in interpreters) == 1
        for one in interpreters:
            assert one.call("a_module.double(21)") == 42
            assert one.call("a_module.__doc__") == "Its docstring."
            assert one.call("a_module.double.__code__.co_filename") == str(folder / "a_module.py")
        assert not (folder / "__pycache__").exists()
    finally:
        for one in interpreters:
            one.destroy()


def test_a_changed_module_is_compiled_anew(folder):
    for value in (1, 2):
        (folder / "a_module.py").write_text(f"value = {value}\n")
        with allcores.Interpreter() as one:
            one.call("import a_module")
            assert one.call("a_module.value") == value


def test_an_error_in_the_source_looks_as_always(folder):
    (folder / "a_module.py").write_text("def broken(:\n")
    with pytest.raises(SyntaxError) as error:
        import a_module  # noqa: F401
    expected = "".join(traceback.format_exception_only(error.value))
    for _ in range(2):  # nothing was kept of the first try
        with allcores.Interpreter() as one:
            text = one.call(
                "import traceback\n"
                "try: import a_module\n"
                "except SyntaxError: shown = traceback.format_exc()\n"
            ) or one.call("shown")
        assert text.endswith(expected)
        assert "_compiled" not in text
        assert "importlib" not in text


def test_one_that_never_finishes_is_not_waited_for(folder):
    (folder / "a_module.py").write_text("value = 3\n")
    with allcores.Interpreter() as one:
        one.call("from allcores import _core\n_core._put_compiled = lambda key, code: None")
        one.call("import a_module")
    with allcores.Interpreter() as other:
        other.call("import a_module")
        assert other.call("a_module.value") == 3
