"""Pools of threads in interpreters with images: BLAS, OpenMP, and what libraries make."""

import ast
import os
import pathlib
from collections.abc import Iterator

import pytest
from extension_files import EXTENSION, compile_extension, run_python

import allcores


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pathlib.Path]:
    """A folder for sys.path with a package of libraries."""
    top = tmp_path_factory.mktemp("site")
    package = top / "pools"
    package.mkdir()
    (package / "__init__.py").touch()
    compile_extension("openmp.c", package / "libopenmp.so", "-fopenmp")
    for name, options in {"counts": [], "numbers": ["-DKNOWS_NUMBERS"]}.items():
        compile_extension("processors.cpp", package / f"lib{name}.so", *options)
    yield top


POOLS = """
    import allcores, glob, os, threading
    def work():
        import ctypes, glob, numpy, os, threading
        threads = ctypes.CDLL(os.environ["OPENMP"])
        (blas,) = glob.glob(numpy.__path__[0] + ".libs/libscipy_openblas64_*")
        blas_threads = ctypes.CDLL(blas).scipy_openblas_get_num_threads64_()
        found = [blas_threads, threads.most(), threads.used()]
        thread = threading.Thread(target=lambda: found.append(threads.used()))
        thread.start()
        thread.join()
        return tuple(found)
    if "MAIN_FIRST" in os.environ:
        work()
    interpreters = [allcores.Interpreter() for _ in range(3)]
    print({interpreter.call(work) for interpreter in interpreters})
    print(work())
    for interpreter in interpreters[1:]:
        interpreter.destroy()
    # A BLAS has a pool of its own, which stays.
    print(interpreters[0].call(work))
    # What a program chooses stays.
    chosen = "__import__('ctypes').CDLL(__import__('os').environ['OPENMP']).choose(7)\\npass"
    interpreters[0].call(chosen)
    print(interpreters[0].call(work)[1:3])
"""


@pytest.mark.parametrize("first", [{}, {"MAIN_FIRST": "1"}])
def test_pools_of_threads_are_sized_for_the_process(
    folder: pathlib.Path, first: dict[str, str]
) -> None:
    openmp = str(folder / "pools" / "libopenmp.so")
    processors = len(os.sched_getaffinity(0))
    share = max(1, processors // 3)
    result = run_python(POOLS, folder, OPENMP=openmp, **first)
    in_main = (processors,) * 4
    alone = (share, *in_main[1:])
    assert result.stdout == f"{{{(share,) * 4}}}\n{in_main}\n{alone}\n(7, 7)\n"


def test_pools_of_threads_as_the_user_wants_them(folder: pathlib.Path) -> None:
    openmp = str(folder / "pools" / "libopenmp.so")
    wanted = {"OMP_NUM_THREADS": "3", "OPENBLAS_NUM_THREADS": "2"}
    result = run_python(POOLS, folder, OPENMP=openmp, **wanted)
    blas = min(2, len(os.sched_getaffinity(0)))
    everywhere = (blas, 3, 3, 3)
    assert result.stdout == f"{{{everywhere}}}\n{everywhere}\n{everywhere}\n(7, 7)\n"


PROCESSORS = """
    import allcores, ctypes, os
    names = ["mask", "thread", "concurrency", "online", "configured"]
    names = [f"by_{name}" for name in [*names, "sysconf_online", "sysconf_configured"]]
    names += ["of_process", "given_back", "chosen", "page_size"]
    def work(path, names):
        import ctypes, threading
        library = ctypes.CDLL(path)
        numbers = []
        def ask():
            numbers.extend(getattr(library, name)() for name in names)
        # On a thread of its own, as one of the questions changes what the thread may use.
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
        return tuple(numbers)
    path = os.environ["LIBRARY"]
    interpreters = [allcores.Interpreter() for _ in range(int(os.environ["COUNT"]))]
    for interpreter in interpreters:
        print(dict(zip(names, interpreter.call(work, path, tuple(names)))))
    print(dict(zip(names, work(path, names))))
"""


@pytest.mark.parametrize("library", ["counts", "numbers"])
@pytest.mark.parametrize("count", [1, 3])
def test_an_image_is_told_its_share_of_the_processors(
    folder: pathlib.Path, library: str, count: int
) -> None:
    path = str(folder / "pools" / f"lib{library}.so")
    result = run_python(PROCESSORS, folder, LIBRARY=path, COUNT=str(count))
    *found, in_main = map(ast.literal_eval, result.stdout.splitlines())
    assert len(found) == count
    share = max(1, len(os.sched_getaffinity(0)) // count)
    for told in found:
        for name, number in told.items():
            # Who knows processors by their numbers may have a table with a place for each.
            is_cut = name in ("by_mask", "by_thread", "by_concurrency") or (
                library == "counts" and name.startswith("by_")
            )
            assert number == (min(share, in_main[name]) if is_cut else in_main[name]), name


def test_the_system_s_blas_is_sized_too(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """Debian's libblas.so.3 is whichever is chosen; OpenBLAS's needs libopenblas, no more."""
    compile_extension("blas.c", tmp_path / "libchosen.so.0", "-Wl,-soname,libchosen.so.0")
    for name in ("bundled", "tbb"):
        soname = {"bundled": "libblas.so.9", "tbb": "liblapack.so.9"}[name]
        options = (f"-Wl,-soname,{soname}", f"-L{tmp_path}", "-Wl,--no-as-needed")
        target = tmp_path / soname
        compile_extension(
            "library.c", target, f"-DNAME={name}_count", *options, "-l:libchosen.so.0"
        )
    libraries = ("-DBUNDLED", f"-L{tmp_path}", "-l:libblas.so.9", "-l:liblapack.so.9")
    compile_extension("traps.c", tmp_path / f"computes{EXTENSION}", "-DNAME=computes", *libraries)
    code = """
    import allcores
    interpreters = [allcores.Interpreter() for _ in range(2)]
    for interpreter in interpreters:
        interpreter.call("import ctypes, computes; chosen = ctypes.CDLL('libchosen.so.0')")
        print(interpreter.call("(computes.counts(), chosen.openblas_get_num_threads())"))
    """
    variables = {"PYTHONPATH": f"{tmp_path}:{pathlib.Path(allcores.__file__).parents[1]}"}
    result = run_python(code, folder, LD_LIBRARY_PATH=str(tmp_path), **variables)
    share = max(1, len(os.sched_getaffinity(0)) // 2)
    assert result.stdout == f"((1, 1), {share})\n((2, 2), {share})\n"
