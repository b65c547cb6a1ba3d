"""How packages bring libraries, and how those find each other and come back to Python."""

import pathlib
import sys
import textwrap

import pytest
from extension_files import at_once, compile_extension

import allcores

# docs/extensions.md, Limits
ctypes_is_a_file = pytest.mark.skipif(
    "_ctypes" in sys.builtin_module_names, reason="what is built in can't have an image"
)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A library in a package's folder, with threads of its own."""
    package = tmp_path_factory.mktemp("caller")
    (package / "__init__.py").touch()
    compile_extension("threads_caller.c", package / "libcaller.so", "-pthread")
    return package / "libcaller.so"


@ctypes_is_a_file
def test_ctypes_callbacks_from_a_library_s_threads(library: pathlib.Path) -> None:
    """They run where the function is, not in main, whose heap and GIL are others (V8's do that)."""

    def work(interpreter: allcores.Interpreter) -> object:
        interpreter.call(
            textwrap.dedent(f"""
            import collections, ctypes, _interpreters
            library = ctypes.CDLL({str(library)!r})
            seen = collections.Counter()

            @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)
            def note(number):
                seen[_interpreters.get_current()[0]] += 1
                return len([object() for _ in range(number)])
            """)
        )
        for _ in range(5):
            assert interpreter.call("library.call_from_threads(note, 4, 50)") == 4 * 49 * 50 // 2
        assert interpreter.call("set(seen) == {_interpreters.get_current()[0]}")
        return interpreter.call("seen.total()")

    for _ in range(2):
        assert at_once(3, work) == [1000] * 3


@ctypes_is_a_file
def test_the_python_of_ctypes_is_the_owner_s(library: pathlib.Path) -> None:
    """What finds CPython's functions through ctypes.pythonapi finds those of an image."""
    with allcores.Interpreter() as interpreter:
        interpreter.call("import ctypes")
        interpreter.call("main = ctypes.pythonapi.PyInterpreterState_Main")
        interpreter.call("here = ctypes.pythonapi.PyInterpreterState_Get")
        interpreter.call("main.restype = here.restype = ctypes.c_void_p")
        assert interpreter.call("main() == here()")
