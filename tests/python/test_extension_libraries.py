"""How packages bring libraries, and how those find each other and come back to Python."""

import _tracemalloc
import pathlib
import re
import sys
import textwrap

import pytest
from extension_files import at_once, compile_extension, run_python

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


def test_tracemalloc_can_be_imported() -> None:
    """CPython refuses it, as its tables are main's. Ray imports it."""
    with allcores.Interpreter() as interpreter:
        interpreter.call("import _tracemalloc, tracemalloc")
        assert interpreter.call("tracemalloc.is_tracing()") is False
        assert interpreter.call("tracemalloc.get_object_traceback(tracemalloc)") is None
        with pytest.raises(RuntimeError, match="tracemalloc belongs to the main interpreter"):
            interpreter.call("tracemalloc.start()")
        interpreter.call(f"had = set(dir(_tracemalloc)) >= set({dir(_tracemalloc)!r})")
        assert interpreter.call("had")


@ctypes_is_a_file
def test_the_python_of_ctypes_is_the_owner_s(library: pathlib.Path) -> None:
    """What finds CPython's functions through ctypes.pythonapi finds those of an image."""
    with allcores.Interpreter() as interpreter:
        interpreter.call("import ctypes")
        interpreter.call("main = ctypes.pythonapi.PyInterpreterState_Main")
        interpreter.call("here = ctypes.pythonapi.PyInterpreterState_Get")
        interpreter.call("main.restype = here.restype = ctypes.c_void_p")
        assert interpreter.call("main() == here()")


def test_a_library_known_only_by_its_file(tmp_path: pathlib.Path) -> None:
    """Cython modules that are linked with each other (pysam's) have no soname, or another's."""
    (tmp_path / "__init__.py").touch()
    bare, renamed = "libbare.a-long-name.so", "librenamed.a-long-name.so"
    compile_extension("library.c", tmp_path / bare, "-DNAME=bare_count")
    compile_extension(
        "library.c", tmp_path / renamed, "-DNAME=renamed_count", "-Wl,-soname,libother.so.1"
    )
    needs = ["-Wl,--no-as-needed", f"-l:{bare}", "-Wl,-rpath,$ORIGIN", f"-L{tmp_path}"]
    compile_extension("library.c", tmp_path / "libuser.so", "-DNAME=user_count", *needs)
    # The linker writes the soname down, so it is taken away for this, as patchelf would.
    (tmp_path / "renamed").mkdir()
    compile_extension("library.c", tmp_path / "renamed" / renamed, "-DNAME=renamed_count")
    needs[1:3] = [f"-l:{renamed}", "-Wl,-rpath,$ORIGIN"]
    needs[3] = f"-L{tmp_path / 'renamed'}"
    compile_extension("library.c", tmp_path / "libsecond.so", "-DNAME=second_count", *needs)

    def work(interpreter: allcores.Interpreter) -> object:
        interpreter.call("import ctypes")
        # One is loaded before it is needed, as by an import, and one when it is needed.
        interpreter.call(f"bare = ctypes.CDLL({str(tmp_path / bare)!r})")
        interpreter.call("for _ in range(5): bare.bare_count()")
        interpreter.call(f"user = ctypes.CDLL({str(tmp_path / 'libuser.so')!r})")
        interpreter.call(f"second = ctypes.CDLL({str(tmp_path / 'libsecond.so')!r})")
        interpreter.call(f"renamed = ctypes.CDLL({str(tmp_path / renamed)!r})")
        return interpreter.call(
            "(user.bare_count(), user.user_count(), second.renamed_count(), "
            "renamed.renamed_count())"
        )

    for _ in range(2):
        assert at_once(3, work) == [(6, 1, 1, 2)] * 3


def test_what_a_shared_library_needs(tmp_path: pathlib.Path) -> None:
    """It may find that only through the RPATH of those who need it (in older wheels)."""
    package, libraries = tmp_path / "package", tmp_path / "package.libs"
    package.mkdir()
    libraries.mkdir()
    (package / "__init__.py").touch()
    soname = "libinner-5678.so.1"
    compile_extension(
        "library.c", libraries / soname, "-DNAME=inner_count", f"-Wl,-soname,{soname}"
    )
    needs = ["-Wl,--no-as-needed", f"-L{libraries}"]
    shared = "libtbb-5678.so.1"
    compile_extension(
        *("library.c", libraries / shared, "-DNAME=shared_count", f"-Wl,-soname,{shared}"),
        *(*needs, f"-l:{soname}"),
    )
    compile_extension(
        *("library.c", package / "libuser.so", "-DNAME=user_count", *needs, f"-l:{shared}"),
        *("-Wl,--disable-new-dtags,-rpath,$ORIGIN/../package.libs", f"-Wl,-rpath-link,{libraries}"),
    )

    def work(interpreter: allcores.Interpreter) -> object:
        interpreter.call(f"import ctypes; user = ctypes.CDLL({str(package / 'libuser.so')!r})")
        return interpreter.call("(user.user_count(), user.shared_count(), user.inner_count())")

    assert sorted(at_once(2, work)) == [(1, 1, 1), (1, 2, 2)]


def test_what_only_the_user_of_a_library_needs(tmp_path: pathlib.Path) -> None:
    """PyTorch's CUDA libraries call one that they don't name, which their user does."""
    (tmp_path / "__init__.py").touch()
    needs = ["-Wl,--no-as-needed,-rpath,$ORIGIN", f"-L{tmp_path}"]
    for name, *options in (
        ("defines", "-Wl,-z,defs"),
        ("leans", "-DCALLS=defines_count"),
        ("user", "-DCALLS=leans_count", *needs, "-lleans-1234", "-ldefines-1234"),
        ("top", "-DCALLS=user_count", *needs, "-luser-1234", "-lleans-1234"),
    ):
        options = [f"-DNAME={name}_count", f"-Wl,-soname,lib{name}-1234.so", *options]
        compile_extension("library.c", tmp_path / f"lib{name}-1234.so", *options)

    def work(interpreter: allcores.Interpreter) -> object:
        interpreter.call("import ctypes")
        path = str(tmp_path / "libleans-1234.so")
        with pytest.raises(OSError, match=re.escape(f"{path}: undefined symbol: defines_count")):
            interpreter.call(f"ctypes.CDLL({path!r})")
        interpreter.call(f"top = ctypes.CDLL({str(tmp_path / 'libtop-1234.so')!r})")
        interpreter.call(f"defines = ctypes.CDLL({str(tmp_path / 'libdefines-1234.so')!r})")
        assert interpreter.call("defines.defines_count()") == 1
        assert interpreter.call("top.top_count()") == 2111
        interpreter.call(f"leans = ctypes.CDLL({path!r})")
        return interpreter.call("leans.leans_count()")

    for _ in range(2):
        assert at_once(3, work) == [32] * 3


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A package with libuser.so, which needs libneeded-1234.so.1."""
    package = tmp_path_factory.mktemp("names")
    (package / "__init__.py").touch()
    soname = "libneeded-1234.so.1"
    compile_extension(
        "names.cpp", package / soname, "-std=c++17", "-DNAME=needed", f"-Wl,-soname,{soname}"
    )
    compile_extension(
        *("names.cpp", package / "libuser.so", "-std=c++17", "-DNAME=user"),
        *("-Wl,--no-as-needed,-rpath,$ORIGIN", f"-L{package}", f"-l:{soname}"),
    )
    return package


OPEN = """
    import ctypes
    user = ctypes.CDLL({user!r}, {mode})
    needed = ctypes.CDLL({needed!r}, {mode})
"""


def test_unique_symbols_of_an_extension_and_its_libraries(names: pathlib.Path) -> None:
    """They are one in each interpreter: QuantLib's settings, of both its parts, are such."""
    paths = {"user": str(names / "libuser.so"), "needed": str(names / "libneeded-1234.so.1")}

    def work(interpreter: allcores.Interpreter) -> object:
        interpreter.call(textwrap.dedent(OPEN.format(**paths, mode=0)))
        return interpreter.call("tuple(f() // 100 for f in (user.user, needed.needed) * 2)")

    for _ in range(2):
        assert at_once(3, work) == [(1, 2, 3, 4)] * 3


def test_what_main_has_loaded_for_all(names: pathlib.Path) -> None:
    """With RTLD_GLOBAL, as Kuzu does: its names come first in every later library, but no image."""
    paths = {"user": str(names / "libuser.so"), "needed": str(names / "libneeded-1234.so.1")}
    code = (
        textwrap.dedent(OPEN.format(**paths, mode="ctypes.RTLD_GLOBAL"))
        + f"""
import allcores
assert user.user() == 101
for _ in range(3):
    with allcores.Interpreter() as interpreter:
        interpreter.call({textwrap.dedent(OPEN.format(**paths, mode=0))!r})
        print(interpreter.call("(user.user(), needed.needed(), user.user())"))
assert user.user() == 202
"""
    )

    assert run_python(code, names).stdout == "(101, 201, 302)\n" * 3


def test_only_who_has_the_gil_is_told_so(names: pathlib.Path) -> None:
    """CPython says yes to all threads once there are interpreters (rapidgzip asks)."""
    with allcores.Interpreter() as interpreter:
        interpreter.call("import ctypes")
        interpreter.call(f"library = ctypes.PyDLL({str(names / 'libuser.so')!r})")
        assert interpreter.call("library.who_has_the_gil()") == 10


def test_threads_that_keep_a_state(tmp_path: pathlib.Path) -> None:
    """An interpreter that had cffi's callbacks from a library's threads ends (pynng's did not)."""
    (tmp_path / "__init__.py").touch()
    compile_extension("keeper.c", tmp_path / "libkeeper.so", "-pthread")
    code = f"""
    import allcores
    for _ in range(3):
        with allcores.Interpreter() as interpreter:
            interpreter.call("import ctypes; seen = []")
            interpreter.call("library = ctypes.PyDLL({str(tmp_path / "libkeeper.so")!r})")
            interpreter.call("note = ctypes.py_object(lambda: seen.append(1))")
            interpreter.call("library.from_threads(note)")
            assert interpreter.call("len(seen)") == 30
            assert interpreter.destroy()
    print("done")
    """
    assert run_python(code, tmp_path).stdout == "done\n"


@pytest.mark.parametrize("layout", ["-Wl,-z,separate-code", "-Wl,-z,noseparate-code"])
@pytest.mark.parametrize("resolvers", [["-DRESOLVERS"], []], ids=["resolvers", "none"])
def test_code_that_the_linker_runs(
    tmp_path: pathlib.Path, layout: str, resolvers: list[str]
) -> None:
    """Before it has done its work; what it does not run is not even copied."""
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").touch()
    compile_extension("resolver.c", package / "libresolver.so", layout, *resolvers)

    def work(interpreter: allcores.Interpreter) -> object:
        path = str(package / "libresolver.so")
        interpreter.call(f"import ctypes; library = ctypes.CDLL({path!r})")
        return interpreter.call("(library.compute(1), library.both(3), library.compute(2))")

    there = [ord("o") + 1100, 2 * (ord("t") + 100) + 2000 + 3000, ord("t") + 4100]
    assert at_once(3, work) == [tuple(there)] * 3
