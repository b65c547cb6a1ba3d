"""What tests of extension modules share: compiling them, several interpreters, a process."""

import concurrent.futures
import os
import pathlib
import subprocess
import sys
import sysconfig
import textwrap
import threading
from collections.abc import Callable

import allcores

SOURCES = pathlib.Path(__file__).parent / "extensions"
EXTENSION: str = sysconfig.get_config_var("EXT_SUFFIX")


def compile_extension(source: str, target: pathlib.Path, *options: str) -> None:
    compiler = "c++" if source.endswith(".cpp") else "cc"
    include = f"-I{sysconfig.get_path('include')}"
    command = [compiler, "-shared", "-fPIC", "-O1", include, str(SOURCES / source)]
    subprocess.run([*command, *options, "-o", str(target)], check=True)


def at_once(count: int, work: Callable[[allcores.Interpreter], object]) -> list[object]:
    """The results of `work` in so many new interpreters, all of which live at the same time."""
    barrier = threading.Barrier(count)

    def run(_: int) -> object:
        with allcores.Interpreter() as interpreter:
            barrier.wait(60)
            result = work(interpreter)
            barrier.wait(60)
            return result

    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def run_python(
    code: str, folder: pathlib.Path, python: str = sys.executable, **environment: str
) -> subprocess.CompletedProcess[str]:
    package = pathlib.Path(allcores.__file__).parents[1]
    variables = os.environ | {"PYTHONPATH": f"{folder}:{package}"} | environment
    command = [python, "-c", textwrap.dedent(code)]
    result = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    return result
