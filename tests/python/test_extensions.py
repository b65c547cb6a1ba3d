"""Extension modules in interpreters of their own: images, their owners, their libraries."""

import importlib
import os
import pathlib
import shutil
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator

import pytest
from extension_files import EXTENSION, SOURCES, at_once, compile_extension, run_python

import allcores
import allcores.extensions


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pathlib.Path]:
    """A folder on sys.path with a package of extension modules, as a wheel would have them."""
    top = tmp_path_factory.mktemp("site")
    package, libraries = top / "traps", top / "traps.libs"
    package.mkdir()
    libraries.mkdir()
    (package / "__init__.py").touch()
    for name, options in {
        "single": [],
        "multi": ["-DMULTI_PHASE"],
        "shareable": ["-DMULTI_PHASE", "-DSHAREABLE"],
    }.items():
        compile_extension("traps.c", package / f"{name}{EXTENSION}", f"-DNAME={name}", *options)
    compile_extension("unique.cpp", package / f"unique{EXTENSION}")
    for name in ("bundled", "tbb"):
        soname = f"lib{name}-1234.so.1"
        compile_extension(
            "library.c", libraries / soname, f"-DNAME={name}_count", f"-Wl,-soname,{soname}"
        )
    compile_extension("library.c", package / "libopened.so", "-DNAME=opened_count")
    compile_extension(
        "traps.c",
        package / f"linked{EXTENSION}",
        *("-DNAME=linked", "-DBUNDLED", f"-L{libraries}", "-Wl,-rpath,$ORIGIN/../traps.libs"),
        *("-l:libbundled-1234.so.1", "-l:libtbb-1234.so.1"),
    )
    compile_extension("life.cpp", package / "liblife.so")
    # Two that need each other: the linker wants each before the other, so the first is made twice.
    mutual = [f"lib{name}-0123456789abcdef.so.1" for name in ("one", "two", "one")]
    for i, soname in enumerate(mutual):
        names = ("two", "one") if soname == mutual[1] else ("one", "two")
        needs = ["-Wl,--no-as-needed", f"-l:{mutual[i - 1]}"] if i > 0 else []
        compile_extension(
            *("mutual.c", package / soname, f"-DNAME=mutual_{names[0]}"),
            *(f"-DOTHER=mutual_{names[1]}", f"-Wl,-soname,{soname}", "-Wl,-rpath,$ORIGIN"),
            *(f"-L{package}", *needs),
        )
    sys.path.insert(0, str(top))
    yield top
    sys.path.remove(str(top))


@pytest.mark.parametrize("name", ["single", "multi"])
def test_each_interpreter_has_its_own_globals(folder: pathlib.Path, name: str) -> None:
    def work(interpreter: allcores.Interpreter) -> object:
        interpreter.call(f"from traps import {name} as module")
        interpreter.call("for i in range(1000): module.keep([i])")
        return interpreter.call("(module.count(), module.keep(None), module.__name__)[::2]")

    for _ in range(2):
        assert at_once(3, work) == [(1, f"traps.{name}")] * 3
    module = importlib.import_module(f"traps.{name}")
    assert module.count() == 1


def test_what_declares_support_gets_an_image_too(folder: pathlib.Path) -> None:
    """SciPy's declare it, and keep NumPy's functions (one interpreter's) in a C global."""
    source = "from traps import shareable"
    with allcores.Interpreter() as first, allcores.Interpreter() as second:
        first.call(source)
        second.call(source)
        numbers = [first.call("shareable.count()"), second.call("shareable.count()")]
    assert numbers == [1, 1]


def test_faulthandler_can_be_imported() -> None:
    with allcores.Interpreter() as interpreter:
        assert interpreter.call("__import__('faulthandler').is_enabled()") is False
        with pytest.raises(RuntimeError, match="main interpreter"):
            interpreter.call("__import__('faulthandler').enable()")


@pytest.mark.parametrize(
    "source",
    [
        "from traps import single as module",
        "import importlib; module = importlib.import_module('traps.single')",
        "module = __import__('traps.single').single",
        "import traps.multi; module = traps.multi.import_from_c('traps.single')",
        """
        import sys
        sys.path.remove(TOP)
        sys.path.append(TOP)  # at run time, after others
        from traps import single as module
        """,
        """
        import importlib.util
        spec = importlib.util.spec_from_file_location('other.single', PATH)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        """,
        """
        import importlib.machinery, importlib.util
        loader = importlib.machinery.ExtensionFileLoader('single', PATH)
        spec = importlib.util.spec_from_loader('single', loader)
        module = loader.create_module(spec)
        loader.exec_module(module)
        """,
    ],
)
def test_every_way_to_import(folder: pathlib.Path, source: str) -> None:
    path = str(folder / "traps" / f"single{EXTENSION}")
    with allcores.Interpreter() as interpreter:
        interpreter.call(f"PATH, TOP = {path!r}, {str(folder)!r}\n" + textwrap.dedent(source))
        assert interpreter.call("module.count()") == 1
        assert interpreter.call("module.__file__") == path


def test_folders_put_on_the_path_at_run_time(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """Of one interpreter: others neither see it nor share what it has loaded from there."""
    (tmp_path / "late").mkdir()
    late = tmp_path / "late" / f"late{EXTENSION}"
    compile_extension("traps.c", late, "-DNAME=late")
    with allcores.Interpreter() as first, allcores.Interpreter() as second:
        with pytest.raises(ModuleNotFoundError):
            first.call("import late")
        for interpreter in (first, second):
            interpreter.call(f"import sys; sys.path.append({str(late.parent)!r}); import late")
            assert interpreter.call("(late.count(), late.__file__)") == (1, str(late))
    assert str(late.parent) not in sys.path


@pytest.mark.parametrize("form", ["folder", "finder"])
def test_editable_install(tmp_path: pathlib.Path, form: str) -> None:
    """As `pip install --editable` leaves it, in a virtual environment of its own."""
    project, environment = tmp_path / "project", tmp_path / "environment"
    (project / "package").mkdir(parents=True)
    (project / "package" / "__init__.py").touch()
    (project / "pyproject.toml").write_text(
        "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n"
        "[project]\nname = 'editable'\nversion = '1.0'\n"
    )
    shutil.copy(SOURCES / "backend.py", project)
    built = project / "package" / f"single{EXTENSION}"
    compile_extension("traps.c", built, "-DNAME=single")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    python = str(environment / "bin" / "python")
    pip = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check", "-q"]
    install = [*pip, "install", "--no-index", "--no-build-isolation", "--editable", str(project)]
    subprocess.run(install, check=True, env=os.environ | {"EDITABLE_FORM": form})
    code = """
    import allcores
    for _ in range(2):
        with allcores.Interpreter() as first, allcores.Interpreter() as second:
            for interpreter in (first, second, first):
                interpreter.call("import package.single as module")
                print(interpreter.call("(module.count(), module.__file__)"))
    import package.single
    print((package.single.count(), package.single.__file__))
    """
    result = run_python(code, tmp_path, python)
    counts = [1, 1, 2, 1, 1, 2, 1]
    assert result.stdout == "".join(f"({count}, {str(built)!r})\n" for count in counts)


@pytest.mark.parametrize("name", ["single", "multi"])
def test_importing_again(folder: pathlib.Path, name: str) -> None:
    with allcores.Interpreter() as interpreter:
        interpreter.call(f"import sys; from traps import {name} as module; module.count()")
        interpreter.call(f"del sys.modules['traps.{name}'], sys.modules['traps']")
        interpreter.call(f"from traps import {name} as again")
        assert interpreter.call("again is module") is False
        assert interpreter.call("again.count()") == 2


@pytest.mark.parametrize("name", ["single", "multi"])
def test_a_failed_import_leaves_nothing_behind(
    folder: pathlib.Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with allcores.Interpreter() as interpreter:
        monkeypatch.setenv("TRAPS_FAIL", "1")
        for _ in range(3):
            with pytest.raises(OSError, match="told to fail"):
                interpreter.call(f"from traps import {name}")
        monkeypatch.delenv("TRAPS_FAIL")
        interpreter.call(f"from traps import {name} as module")
        assert interpreter.call("module.count()") == 1


def test_a_library_s_own_threads_come_to_the_owner(folder: pathlib.Path) -> None:
    def work(interpreter: allcores.Interpreter) -> object:
        interpreter.call(
            textwrap.dedent("""
            import collections, _interpreters, traps.single as module
            seen = collections.Counter()
            def note():
                seen[_interpreters.get_current()[0]] += 1
                return [object() for _ in range(50)]
            for _ in range(5): module.from_threads(note)
            """)
        )
        assert interpreter.call("set(seen) == {_interpreters.get_current()[0]}")
        assert interpreter.call("module.ensured_here(None)")
        assert interpreter.call("module.owns_main()")
        return interpreter.call("seen.total()")

    for _ in range(2):
        assert at_once(3, work) == [1000] * 3


def test_pending_calls_run_in_the_owner(folder: pathlib.Path) -> None:
    with allcores.Interpreter() as interpreter:
        interpreter.call("import _interpreters, traps.single as module; ran = []")
        interpreter.call("def note(): ran.append(_interpreters.get_current()[0])")
        assert interpreter.call("module.add_pending(note)") == 0
        interpreter.call("for _ in range(100_000):\n  if ran: break")
        assert interpreter.call("ran == [_interpreters.get_current()[0]]")


def test_the_end_waits_for_a_thread_inside(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """A library's thread that runs Python when its interpreter ends finishes what it does."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    interpreter = allcores.Interpreter()
    interpreter.call("import threading, traps.single as module; inside = threading.Event()")
    interpreter.call(
        textwrap.dedent(f"""
        def body():
            inside.set()
            with open({str(fifo)!r}) as file:
                file.read()
            open({str(tmp_path / "done")!r}, 'w').close()
        module.start_thread(body)
        inside.wait()
        """)
    )
    ending = threading.Thread(target=interpreter.destroy)
    ending.start()
    while interpreter.is_alive():
        os.sched_yield()
    fifo.write_text("go on")
    ending.join()
    assert (tmp_path / "done").exists()


def test_threads_that_never_stop_calling(folder: pathlib.Path) -> None:
    """They hang at the interpreter's end, as they would at the end of the main one."""
    code = """
    import allcores
    for _ in range(5):
        with allcores.Interpreter() as interpreter:
            interpreter.call("import threading, traps.single as module")
            interpreter.call("inside = threading.Event()")
            interpreter.call("for _ in range(3): module.start_endless_thread(inside.set)")
            interpreter.call("inside.wait()")
            assert interpreter.destroy()
    print("done")
    """
    assert run_python(code, folder).stdout == "done\n"


def test_an_image_may_make_modules(folder: pathlib.Path) -> None:
    with allcores.Interpreter() as interpreter:
        interpreter.call("import traps.multi, importlib.machinery")
        interpreter.call("spec = importlib.machinery.ModuleSpec('sub', None)")
        assert interpreter.call("traps.multi.submodule(spec).__name__") == "sub"


def test_unique_symbols_are_each_image_s_own(folder: pathlib.Path) -> None:
    def work(interpreter: allcores.Interpreter) -> object:
        interpreter.call("from traps import unique")
        return interpreter.call("unique.count()")

    assert at_once(3, work) == [(1, 1)] * 3
    assert importlib.import_module("traps.unique").count() == (1, 1)


def test_bundled_libraries(folder: pathlib.Path) -> None:
    """They are private; TBB, which has a pool of threads, is one for the process."""

    def work(interpreter: allcores.Interpreter) -> object:
        interpreter.call("from traps import linked")
        return interpreter.call("linked.counts()")

    results = [result for _ in range(2) for result in at_once(2, work)]
    assert sorted(results) == [(1, 1), (1, 2), (1, 3), (1, 4)]
    assert importlib.import_module("traps.linked").counts() == (1, 5)


@pytest.mark.parametrize("first", ["import ctypes", ""])
def test_a_package_s_library_opened_through_ctypes(folder: pathlib.Path, first: str) -> None:
    path = str(folder / "traps" / "libopened.so")
    with allcores.Interpreter() as one, allcores.Interpreter() as other:
        for interpreter in (one, other):
            interpreter.call(f"{first}\nimport ctypes; library = ctypes.CDLL({path!r})")
            interpreter.call(f"again = ctypes.CDLL({path!r})")
        assert one.call("(library.opened_count(), again.opened_count())") == (1, 2)
        assert other.call("library.opened_count()") == 1
        assert one.call("ctypes.CDLL(None).abs(-3)") == 3


def test_system_libraries_that_must_not_be_shared(
    folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """Those on a list, and what needs one of them, also when opened by name; others are shared."""
    hdf5, needs, plain = (f"lib{name}-1234.so.1" for name in ("hdf5_traps", "needs", "plain"))
    for soname, name in {hdf5: "bundled", needs: "bundled", plain: "tbb"}.items():
        needed = ["-Wl,--no-as-needed", f"-l:{hdf5}"] if soname == needs else []
        options = (f"-DNAME={name}_count", f"-Wl,-soname,{soname}", f"-L{tmp_path}", *needed)
        compile_extension("library.c", tmp_path / soname, *options)
    for name, library in {"listed": hdf5, "indirect": needs}.items():
        options = (f"-DNAME={name}", "-DBUNDLED", f"-L{tmp_path}", f"-l:{library}", f"-l:{plain}")
        compile_extension("traps.c", tmp_path / f"{name}{EXTENSION}", *options)
    code = f"""
    import allcores
    source = "import ctypes, indirect, listed; library = ctypes.CDLL({hdf5!r})"
    counts = "(indirect.counts(), listed.counts(), library.bundled_count())"
    with allcores.Interpreter() as first, allcores.Interpreter() as second:
        for interpreter in (first, second, first):
            interpreter.call(source)
            print(*interpreter.call(counts))
    exec(source)
    print(*eval(counts))
    """
    path = {"PYTHONPATH": f"{tmp_path}:{pathlib.Path(allcores.__file__).parents[1]}"}
    result = run_python(code, folder, LD_LIBRARY_PATH=str(tmp_path), **path)
    assert result.stdout.splitlines() == [
        "(1, 1) (1, 2) 2",
        "(1, 3) (1, 4) 2",
        "(2, 5) (3, 6) 4",
        "(1, 7) (1, 8) 2",
    ]


@pytest.mark.parametrize("name", ["one", "two"])
def test_libraries_that_need_each_other(folder: pathlib.Path, name: str) -> None:
    """FreeType and HarfBuzz, which come with Pillow, do."""
    path = str(folder / "traps" / f"lib{name}-0123456789abcdef.so.1")

    def work(interpreter: allcores.Interpreter) -> object:
        interpreter.call(f"import ctypes; library = ctypes.CDLL({path!r})")
        return interpreter.call(f"[library.mutual_{name}(depth) for depth in range(5)][-1]")

    for _ in range(2):
        assert at_once(3, work) == [9] * 3


def test_a_package_s_library_opened_by_an_extension(folder: pathlib.Path) -> None:
    """As cffi does. The handle may be closed, and the image stays."""
    path = str(folder / "traps" / "libopened.so")

    def work(interpreter: allcores.Interpreter) -> object:
        interpreter.call("import traps.multi as module")
        return interpreter.call(
            f"[module.call_opened({path!r}, 'opened_count') for _ in '123'][-1]"
        )

    for _ in range(2):
        assert at_once(3, work) == [3] * 3
    with allcores.Interpreter() as interpreter:
        interpreter.call("import traps.multi as module")
        with pytest.raises(OSError, match="cannot open shared object file"):
            interpreter.call("module.call_opened('/nowhere/libnone.so', 'x')")


def test_functions_that_are_looked_for_at_run_time(folder: pathlib.Path) -> None:
    with allcores.Interpreter() as interpreter:
        interpreter.call("import traps.multi as module")
        assert interpreter.call("module.finds_same('PyGILState_Ensure')")
        assert interpreter.call("module.finds_same('PyLong_FromLong')")
        assert not interpreter.call("module.finds_same('no_such_function')")


def test_static_objects_are_made_and_never_destroyed(folder: pathlib.Path) -> None:
    """At the end of the process their interpreter is gone; main's are destroyed as always."""
    code = f"""
    import allcores, ctypes
    path = {str(folder / "traps" / "liblife.so")!r}
    with allcores.Interpreter() as interpreter:
        interpreter.call(f"import ctypes; library = ctypes.CDLL({{path!r}})")
        print(interpreter.call("library.made_and_called()"), flush=True)
    """
    in_main = "print(ctypes.CDLL(path).made_and_called(), flush=True)"
    assert run_python(code, folder).stdout == "11\n"
    assert run_python(textwrap.dedent(code) + in_main, folder).stdout == "11\n11\ngone\n"


def test_errors_name_the_original(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    (tmp_path / f"text{EXTENSION}").write_text("not a shared object")
    (tmp_path / f"empty{EXTENSION}").touch()
    wrong_name = tmp_path / f"misnamed{EXTENSION}"
    wrong_name.write_bytes((folder / "traps" / f"single{EXTENSION}").read_bytes())
    missing = tmp_path / f"missing{EXTENSION}"
    compile_extension("traps.c", missing, "-DNAME=missing", "-DBUNDLED")
    with allcores.Interpreter() as interpreter:
        interpreter.call(f"import sys; sys.path.insert(0, {str(tmp_path)!r})")
        for name, text in {
            "text": "invalid ELF header|file too short",
            "empty": "file too short|Exec format",
            "misnamed": "PyInit_misnamed",
            "missing": f"{missing}: undefined symbol",
        }.items():
            with pytest.raises(ImportError, match=text):
                interpreter.call(f"import {name}")


def test_imports_from_several_threads(folder: pathlib.Path) -> None:
    source = """
    import concurrent.futures, importlib
    names = ["single", "multi", "unique", "linked", "shareable"] * 4
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        modules = list(pool.map(importlib.import_module, ["traps." + name for name in names]))
    """

    def work(interpreter: allcores.Interpreter) -> object:
        interpreter.call(textwrap.dedent(source))
        return interpreter.call("len(set(map(id, modules)))")

    assert at_once(2, work) == [5, 5]


def test_native_turns_it_off(folder: pathlib.Path) -> None:
    code = """
    import allcores
    with allcores.Interpreter() as interpreter:
        assert not interpreter.call("__import__('allcores.extensions').extensions.is_installed()")
        try:
            interpreter.call("import traps.multi")
        except ImportError as error:
            print(error)
    """
    result = run_python(code, folder, ALLCORES_EXTENSIONS="native")
    assert "does not support loading in subinterpreters" in result.stdout


def test_main_is_left_alone() -> None:
    import _imp

    before = _imp.create_dynamic
    allcores.extensions.install()
    assert not allcores.extensions.is_installed()
    assert _imp.create_dynamic is before


@pytest.mark.parametrize("make", ["weak_reference", "weak_proxy"])
def test_weak_references_made_in_c(folder: pathlib.Path, make: str) -> None:
    frozen = allcores.freeze({1, "a"})
    with allcores.Interpreter() as interpreter:
        interpreter.call("from traps import multi as module")
        interpreter.call(lambda sent: __import__("builtins").__dict__.update(frozen=sent), frozen)
        with pytest.raises(TypeError, match="weak reference to a frozen set"):
            interpreter.call(f"module.{make}(frozen)")
        interpreter.call("ordinary = frozenset({1, 'a'})")
        assert interpreter.call(f"len(module.{make}(ordinary) and ordinary)") == 2
        with pytest.raises(TypeError, match="cannot create weak reference to 'int'"):
            interpreter.call(f"module.{make}(1)")


def test_in_the_standard_library_s_executor(folder: pathlib.Path) -> None:
    code = """
    import concurrent.futures, allcores.extensions

    def work(n):
        import numpy, traps.single
        assert traps.single.ensured_here(None)
        return float(numpy.arange(n).sum())

    if __name__ == "__main__":
        executor = concurrent.futures.InterpreterPoolExecutor(
            2, initializer=allcores.extensions.install)
        with executor:
            print(sum(executor.map(work, [10] * 20)))
    """
    file = folder / "executor_main.py"
    file.write_text(textwrap.dedent(code))
    result = run_python(f"import runpy; runpy.run_path({str(file)!r}, run_name='__main__')", folder)
    assert result.stdout == "900.0\n"
    assert result.stderr == ""


def test_numpy_in_three_interpreters_at_once_and_again() -> None:
    source = """
    import numpy as np
    a = np.arange(250_000, dtype=float).reshape(500, 500) % 17 + np.eye(500) * 1000
    b = np.linalg.inv(a) @ a
    assert np.allclose(b, np.eye(500))
    generator = np.random.default_rng(7)
    draws = generator.normal(size=10_000)
    total = sum(float(np.sort(draws)[i]) for i in range(0, 10_000, 7))
    objects = np.array([{"key": i} for i in range(1000)], dtype=object)[::-1]
    text = f"{np.einsum('ij,ij->', a, a):.6g} {total:.6f} {objects[0]} {np.fft.fft(draws)[3]:.6f}"
    """

    def work(interpreter: allcores.Interpreter) -> object:
        interpreter.call(textwrap.dedent(source))
        return interpreter.call("text")

    results = [result for _ in range(2) for result in at_once(3, work)]
    variables: dict[str, object] = {}
    exec(textwrap.dedent(source), variables)
    assert results == [variables["text"]] * 6
