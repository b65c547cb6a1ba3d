"""Memory that code in images allocates: a heap of each interpreter's, and its borders."""

import pathlib
import sys
import textwrap
from collections.abc import Iterator

import pytest
from extension_files import at_once, compile_extension, run_python

import allcores

PACKAGE = """
    import ctypes, os

    library = ctypes.PyDLL(os.path.join(os.path.dirname(__file__), "libborders.so"))
    library.ways.argtypes = [ctypes.c_size_t]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pathlib.Path]:
    """A folder on sys.path with a package of two libraries, one of which all interpreters share."""
    top = tmp_path_factory.mktemp("site")
    package = top / "borders"
    package.mkdir()
    (package / "__init__.py").write_text(textwrap.dedent(PACKAGE))
    # By its name it is a run-time of a language.
    soname = "libquadmath-other.so.1"
    compile_extension("other_side.c", package / soname, f"-Wl,-soname,{soname}", "-Wl,-z,lazy")
    compile_extension(
        *("borders.cpp", package / "libborders.so", "-std=c++20", "-w", f"-L{package}"),
        *("-Wl,-rpath,$ORIGIN", f"-l:{soname}"),
    )
    sys.path.insert(0, str(top))
    yield top
    sys.path.remove(str(top))


# What each returns: in the main interpreter, without images, it is the same.
EXPECTED = {
    "tuple(library.ways(n) for n in (1, 8, 100, 1000, 5000, 32768, 32769, 200_000))": (10,) * 8,
    "library.growing()": 0,
    "library.crossing()": 0,
    "library.strings()": 0,
    "library.lines()": 601,
    "library.failures()": 7,
    "library.threads()": 0,
}


@pytest.mark.parametrize("call", EXPECTED)
def test_blocks_cross_the_border(folder: pathlib.Path, call: str) -> None:
    def work(interpreter: allcores.Interpreter) -> object:
        interpreter.call("from borders import library")
        return tuple(interpreter.call(call) for _ in range(3))

    assert at_once(3, work) == [(EXPECTED[call],) * 3] * 3
    in_main = f"from borders import library; print({call})"
    assert run_python(in_main, folder).stdout == f"{EXPECTED[call]}\n"


def test_a_library_that_is_bound_lazily(folder: pathlib.Path) -> None:
    """Main has loaded it, and nobody has called anything in it yet."""
    code = """
        import allcores, ctypes, os
        path = os.path.join(os.environ["FOLDER"], "borders", "libquadmath-other.so.1")
        assert ctypes.CDLL(None).dlopen(path.encode(), os.RTLD_LAZY) != 0
        with allcores.Interpreter() as interpreter:
            interpreter.call("from borders import library")
            assert interpreter.call("(library.crossing(), library.growing())") == (0, 0)
        print("done")
    """
    assert run_python(code, folder, FOLDER=str(folder)).stdout == "done\n"


def test_with_another_allocator(folder: pathlib.Path) -> None:
    """One that Python was told to use: then it is all malloc's."""
    code = f"""
        import allcores
        with allcores.Interpreter() as interpreter:
            interpreter.call("from borders import library")
            for call, expected in {EXPECTED!r}.items():
                assert interpreter.call(call) == expected, call
        print("done")
    """
    assert run_python(code, folder, PYTHONMALLOC="malloc").stdout == "done\n"


def test_what_outlives_the_interpreter(folder: pathlib.Path) -> None:
    code = """
        import allcores, ctypes
        for _ in range(3):
            with allcores.Interpreter() as interpreter:
                interpreter.call("from borders import library; library.environment()\\npass")
        # Whatever has its memory now has other contents.
        with allcores.Interpreter() as interpreter:
            interpreter.call("from borders import library; library.leave_behind(10_000)\\npass")
            libc = ctypes.CDLL(None)
            libc.getenv.restype = ctypes.c_char_p
            assert libc.getenv(b"ALLCORES_TEST_KEPT") == b"value"
            libc.puts(b"done")
    """
    assert run_python(code, folder).stdout == "done\n"


def test_what_is_left_behind_goes_with_the_interpreter(folder: pathlib.Path) -> None:
    """50,000 times 440 bytes in five kinds of blocks, and 500 locks, each time."""
    code = """
        import allcores, re
        def one():
            with allcores.Interpreter() as interpreter:
                interpreter.call("from borders import library; library.leave_behind(50_000)\\npass")
        def pss():
            with open("/proc/self/smaps_rollup") as file:
                return int(re.search(r"^Pss: *(\\d+)", file.read(), re.M)[1]) / 1024
        for _ in range(3):
            one()
        before = pss()
        for _ in range(10):
            one()
        print(pss() - before)
    """
    assert float(run_python(code, folder).stdout) < 30
