"""What becomes of images when their interpreter has ended: they go when nothing of them runs."""

import os
import pathlib
import subprocess
import sys
import sysconfig
import textwrap

import pytest

SOURCE = pathlib.Path(__file__).parent / "extensions" / "leaver.c"

# In front of each program: what is mapped of images of the extension; how many threads there are.
BEGIN = """
import os
import sys

import allcores


def images():
    with open("/proc/self/maps") as file:
        return sum("memfd:allcores:leaver" in line for line in file)


def threads():
    return len(os.listdir("/proc/self/task"))


"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    made = tmp_path_factory.mktemp("leaver")
    target = made / f"leaver{sysconfig.get_config_var('EXT_SUFFIX')}"
    include = f"-I{sysconfig.get_path('include')}"
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-O1", include, str(SOURCE), "-o", str(target)], check=True
    )
    return made


def run(folder: pathlib.Path, program: str, *options: str, **environment: str) -> str:
    """What a program printed, which may end well only."""
    path = os.pathsep.join([str(folder), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", *options, "-c", BEGIN + textwrap.dedent(program)],
        env=os.environ | {"PYTHONPATH": path} | environment,
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_an_image_goes_with_its_interpreter(folder: pathlib.Path) -> None:
    program = """
    for _ in range(3):
        first, second = allcores.Interpreter(), allcores.Interpreter()
        for each in (first, second):
            each.call("import leaver; leaver.keep([object()] * 1000)")
        both = images()
        assert first.destroy()
        one = images()
        second.call("leaver.keep(1)")
        assert second.destroy()
        print(both > one > 0, images())
    """
    assert run(folder, program) == "True 0\n" * 3


@pytest.mark.parametrize("detached", [True, False])
def test_threads_that_only_wait_are_ended(folder: pathlib.Path, detached: bool) -> None:
    program = f"""
    before = threads()
    for _ in range(3):
        with allcores.Interpreter() as interpreter:
            interpreter.call("import leaver")
            for _ in range(3):
                interpreter.call("leaver.start_waiting({detached})")
        # They may not have begun to wait: then a later end finds them.
        for _ in range(100):
            if images() == 0 and threads() == before:
                break
            with allcores.Interpreter():
                pass
        print(images(), threads() - before)
    """
    assert run(folder, program) == "0 0\n" * 3


def test_a_thread_that_does_something_keeps_its_image(folder: pathlib.Path) -> None:
    program = """
    reading, writing = os.pipe()
    before = threads()
    with allcores.Interpreter() as interpreter:
        interpreter.call("import leaver")
        interpreter.call(f"leaver.start_reading({reading})")
    print(images() > 0)
    os.write(writing, b"!")
    while threads() > before:
        pass
    with allcores.Interpreter():
        pass
    print(images())
    """
    assert run(folder, program) == "True\n0\n"


def test_keys_of_threads_are_given_back(folder: pathlib.Path) -> None:
    """A process has 1,024, of which each image here takes 8."""
    program = """
    for _ in range(150):
        with allcores.Interpreter() as interpreter:
            interpreter.call("import leaver; leaver.keep({})")
    print(images())
    """
    assert run(folder, program) == "0\n"


def test_functions_for_the_end_are_called(folder: pathlib.Path) -> None:
    """CPython has room for 32 of them in a process."""
    program = """
    reading, writing = os.pipe()
    for _ in range(40):
        with allcores.Interpreter() as interpreter:
            interpreter.call("import leaver")
            assert interpreter.call(f"leaver.tell_at_exit({writing})") == 0
    print(len(os.read(reading, 100)))
    """
    assert run(folder, program) == "40\n"


def test_memory_that_another_interpreter_looks_at_stays(folder: pathlib.Path) -> None:
    """The standard library passes memoryviews on without a copy."""
    program = """
    from concurrent import interpreters

    queue = interpreters.create_queue()
    with allcores.Interpreter() as interpreter:
        interpreter.call(
            "import leaver\\n"
            "from concurrent import interpreters\\n"
            f"queue = interpreters.Queue({queue.id})\\n"
            "data = bytes(range(256)) * 1000\\n"
            "leaver.keep(data)\\n"
            "queue.put(memoryview(data))"
        )
        view = queue.get()
    for _ in range(3):
        with allcores.Interpreter() as other:
            other.call("import leaver; data = [bytes([n % 256]) * 1000 for n in range(10_000)]")
    print(bytes(view) == bytes(range(256)) * 1000)
    """
    assert run(folder, program) == "True\n"


@pytest.mark.parametrize(
    ("options", "environment"),
    [
        ([], {"PYTHONMALLOC": "malloc"}),
        ([], {"PYTHONMALLOC": "debug"}),
        (["-X", "dev"], {}),
    ],
)
def test_other_allocators(
    folder: pathlib.Path, options: list[str], environment: dict[str, str]
) -> None:
    program = """
    for _ in range(5):
        with allcores.Interpreter() as interpreter:
            interpreter.call("import leaver; leaver.keep([bytearray(n) for n in range(2000)])")
            interpreter.call("more = [list(range(n)) for n in range(300)]; del more[::2]")
    print(images())
    """
    assert run(folder, program, *options, **environment) == "0\n"


def test_tracemalloc(folder: pathlib.Path) -> None:
    """CPython itself hangs when an interpreter is made on a new thread meanwhile."""
    program = """
    import tracemalloc

    for _ in range(3):
        with allcores.Interpreter() as interpreter:
            interpreter.call("import leaver; leaver.keep([bytearray(n) for n in range(2000)])")
            tracemalloc.start()
            interpreter.call("more = [list(range(n)) for n in range(300)]; del more[::2]")
            try:
                allcores.Interpreter()
            except RuntimeError as error:
                print("tracemalloc.stop() first" in str(error))
            tracemalloc.stop()
    print(images())
    """
    assert run(folder, program) == "True\nTrue\nTrue\n0\n"
