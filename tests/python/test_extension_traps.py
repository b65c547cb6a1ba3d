"""What extensions do that may go wrong later, or with one another."""

import importlib
import os
import pathlib
import sys
import textwrap
import threading
from collections.abc import Iterator

import pytest
from extension_files import EXTENSION, at_once, compile_extension, run_python

import allcores


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pathlib.Path]:
    """A folder on sys.path with a package of extension modules."""
    top = tmp_path_factory.mktemp("site")
    package = top / "late"
    package.mkdir()
    (package / "__init__.py").touch()
    compile_extension("late.cpp", package / f"late{EXTENSION}", "-std=c++20")
    compile_extension("capsules.c", package / f"provider{EXTENSION}", "-DPROVIDER")
    compile_extension("capsules.c", package / f"consumer{EXTENSION}")
    soname = "libcaller-1234.so.1"
    compile_extension("caller.c", package / soname, f"-Wl,-soname,{soname}")
    compile_extension(
        *("uses_caller.c", package / f"uses_caller{EXTENSION}", f"-L{package}"),
        *("-Wl,-rpath,$ORIGIN", f"-l:{soname}"),
    )
    sys.path.insert(0, str(top))
    yield top
    sys.path.remove(str(top))


def test_a_capsule_between_two_extensions(folder: pathlib.Path) -> None:
    def work(interpreter: allcores.Interpreter) -> object:
        interpreter.call("import late.provider, late.consumer")
        interpreter.call("for _ in range(100): late.consumer.count()")
        return interpreter.call("late.provider.count()")

    for _ in range(2):
        assert at_once(3, work) == [100] * 3
    importlib.import_module("late.provider")
    assert importlib.import_module("late.consumer").count() == 1


def test_a_bundled_library_that_calls_python(folder: pathlib.Path) -> None:
    def work(interpreter: allcores.Interpreter) -> object:
        interpreter.call(
            textwrap.dedent("""
            import _interpreters, late.uses_caller as module
            seen = []
            for _ in range(100):
                module.run(lambda: seen.append(_interpreters.get_current()[0]))
            """)
        )
        assert interpreter.call("set(seen) == {_interpreters.get_current()[0]}")
        return interpreter.call("len(seen)")

    for _ in range(2):
        assert at_once(3, work) == [100] * 3


def test_a_bundled_library_that_is_not_thread_safe(folder: pathlib.Path) -> None:
    """Its lock was the GIL, of which there are several."""

    def work(interpreter: allcores.Interpreter) -> object:
        interpreter.call("import late.uses_caller as module")
        return interpreter.call("sum(module.steps(1000) for _ in range(100))")

    assert at_once(3, work) == [100_000] * 3


def test_an_image_is_named_after_its_file(folder: pathlib.Path) -> None:
    """By dladdr libraries find what lies beside them; by its name threadpoolctl finds a BLAS."""
    code = """
    import allcores, os, sys
    def work():
        import ctypes, late.late, late.uses_caller, os
        where = late.late.file_of_this()
        assert os.path.samefile(where, late.late.__file__)
        caller = os.path.join(os.path.dirname(where), "libcaller-1234.so.1")
        # No other interpreter's, nor main's, and none anew.
        found = ctypes.CDLL(caller, mode=os.RTLD_NOLOAD)
        return (where, found._handle, ctypes.CDLL(caller)._handle)
    one, other = allcores.Interpreter(), allcores.Interpreter()
    found = [one.call(work), other.call(work), work()]
    assert all(handles[1] == handles[2] for handles in found)
    assert len({handles[1] for handles in found}) == 3
    assert found[0][0] == found[1][0] != found[2][0] == sys.modules["late.late"].__file__
    print("done")
    """
    assert run_python(code, folder).stdout == "done\n"


# How a thread's last word is kept: in a C++ thread_local, under a key of pthread's.
KEEPING = pytest.mark.parametrize("keep", ["keep_in_local", "keep_under_key"])


@KEEPING
def test_threads_that_end_before_their_interpreter(folder: pathlib.Path, keep: str) -> None:
    def work(interpreter: allcores.Interpreter) -> object:
        interpreter.call(
            textwrap.dedent(f"""
            import _interpreters, os, threading, late.late as module
            seen = []
            def note():
                seen.append(_interpreters.get_current()[0])
            for _ in range(50):
                thread = threading.Thread(target=module.{keep}, args=[note])
                thread.start()
                thread.join()
                read, write = os.pipe()
                own = module.start_thread(note, read)
                os.write(write, b"x")
                module.join_thread(own)
                os.close(read)
                os.close(write)
            """)
        )
        assert interpreter.call("set(seen) == {_interpreters.get_current()[0]}")
        return interpreter.call("len(seen)")

    assert at_once(3, work) == [100] * 3


# The thread that an interpreter lives on, ones that visit it, the main one, a library's own: what
# they keep is never asked for again, and they end.
OUTLIVING = """
    import allcores, concurrent.interpreters, ctypes, os, sys, threading
    keep = "import late.late; late.late.KEEP(print)"
    threads = len(os.listdir("/proc/self/task"))

    def by_itself():
        with allcores.Interpreter() as interpreter:
            interpreter.call(keep)

    def visited():
        interpreter = concurrent.interpreters.create()
        interpreter.exec("import allcores.extensions; allcores.extensions.install()")
        go_on = threading.Event()
        kept = threading.Event()
        def visit():
            interpreter.exec(keep)
            kept.set()
            go_on.wait()
        thread = threading.Thread(target=visit)
        thread.start()
        kept.wait()
        interpreter.exec(keep)  # on the main thread too
        interpreter.close()
        go_on.set()
        thread.join()

    def with_a_library_s_thread():
        read, write = os.pipe()
        with allcores.Interpreter() as interpreter:
            interpreter.call(f"import late.late; late.late.start_thread(print, {read})")
        os.write(write, b"x")

    for _ in range(3):
        by_itself()
        visited()
        with_a_library_s_thread()
    while len(os.listdir("/proc/self/task")) > threads:
        os.sched_yield()
    print("done")
"""


@KEEPING
def test_threads_that_outlive_their_interpreter(folder: pathlib.Path, keep: str) -> None:
    result = run_python(OUTLIVING.replace("KEEP", keep), folder)
    assert result.stdout == "done\n"


def test_functions_for_the_end_of_python(folder: pathlib.Path) -> None:
    """CPython has room for 32 in a process. An image's are called when its interpreter ends."""
    code = """
    import allcores
    for _ in range(40):
        with allcores.Interpreter() as interpreter:
            interpreter.call("import late.late")
            assert interpreter.call("late.late.at_python_exit()") == 0
    print("done", flush=True)
    """
    assert run_python(code, folder).stdout == "Py_AtExit\n" * 40 + "done\n"
    in_main = "import late.late; late.late.at_python_exit(); print('done', flush=True)"
    assert run_python(in_main, folder).stdout == "done\nPy_AtExit\n"


def test_functions_for_the_end_of_the_process(folder: pathlib.Path) -> None:
    code = """
    import allcores
    with allcores.Interpreter() as interpreter:
        interpreter.call("import late.late; late.late.at_process_exit()")
    print("done", flush=True)
    """
    assert run_python(code, folder).stdout == "done\n"


def test_functions_for_a_fork(folder: pathlib.Path) -> None:
    """They are main's alone: the child has none of the others, nor what holds their locks."""
    code = """
    import os
    import late.late
    late.late.at_fork()
    import allcores
    one, other = allcores.Interpreter(), allcores.Interpreter()
    for interpreter in (one, other):
        interpreter.call("import late.late; late.late.at_fork()")
    one.destroy()
    child = os.fork()
    if child == 0:
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    """
    result = run_python(code, folder)
    assert sorted(result.stdout.splitlines()) == ["before", "in the child", "in the parent"]


def test_a_signal_handler_of_an_ended_interpreter(folder: pathlib.Path) -> None:
    code = """
    import allcores, signal
    with allcores.Interpreter() as interpreter:
        interpreter.call(f"import late.late; late.late.handle({int(signal.SIGUSR1)})")
    signal.raise_signal(signal.SIGUSR1)
    print("done", flush=True)
    """
    assert run_python(code, folder).stdout == "signal\ndone\n"


def test_keys_of_threads_come_back(folder: pathlib.Path) -> None:
    with allcores.Interpreter() as interpreter:
        interpreter.call("import late.late")
        assert interpreter.call("late.late.use_up_keys()") == 900


def test_keys_of_threads_never_run_out(folder: pathlib.Path) -> None:
    """The process has 1024, and an image keeps what it has made."""
    code = """
    import allcores
    interpreters = []
    for _ in range(8):
        interpreters.append(allcores.Interpreter())
        interpreters[-1].call("import late.late")
        assert interpreters[-1].call("late.late.keep_keys(200)") == 200
    print("done")
    """
    assert run_python(code, folder).stdout == "done\n"


@pytest.mark.parametrize("main_has_it", [False, True])
def test_imports_while_another_is_at_it(
    folder: pathlib.Path, tmp_path: pathlib.Path, main_has_it: bool
) -> None:
    """One interpreter is in the middle of an import, in threads; another does not wait for it."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    if main_has_it:
        importlib.import_module("late.late")
    with allcores.Interpreter() as one, allcores.Interpreter() as other:
        one.call(f"import sys, threading; sys.late_wait = {str(fifo)!r}")
        one.call(
            textwrap.dedent("""
            found = []
            def body():
                import late.late
                found.append(late.late)
            threads = [threading.Thread(target=body) for _ in range(3)]
            for thread in threads: thread.start()
            """)
        )
        other.call("import late.late")
        assert one.call("len(found)") == 0
        fifo.write_text("x")
        one.call("for thread in threads: thread.join()")
        assert one.call("(len(found), len(set(map(id, found))))") == (3, 1)


def test_a_library_s_threads_outlive_an_interpreter_of_the_standard_library(
    folder: pathlib.Path,
) -> None:
    """One never stops calling Python, one waits, and ends when the interpreter is gone."""
    code = """
    import concurrent.interpreters, os
    read, write = os.pipe()
    for _ in range(3):
        interpreter = concurrent.interpreters.create()
        interpreter.exec("import allcores.extensions; allcores.extensions.install()")
        interpreter.exec("import threading, late.late, traps_single as module")
        interpreter.exec("inside = threading.Event()")
        interpreter.exec("module.start_endless_thread(inside.set); inside.wait()")
        interpreter.exec(f"late.late.start_thread(print, {read})")
        interpreter.close()
    os.write(write, b"xxx")
    print("done")
    """
    compile_extension("traps.c", folder / f"traps_single{EXTENSION}", "-DNAME=traps_single")
    assert run_python(code, folder).stdout == "done\n"


def test_a_thread_that_waits_is_no_guest(folder: pathlib.Path) -> None:
    """A thread of a library that is not in Python does not keep its interpreter from ending."""
    read, write = os.pipe()
    with allcores.Interpreter() as interpreter:
        interpreter.call("import late.late")
        interpreter.call(f"late.late.start_thread(print, {read})")
        ending = threading.Thread(target=interpreter.destroy)
        ending.start()
        ending.join(60)
        assert not ending.is_alive()
    os.close(write)
    os.close(read)
