"""What the C library keeps in the process between two calls, in images: each has its own."""

import pathlib
import sys
import textwrap
from collections.abc import Iterator

import pytest
from extension_files import compile_extension, run_python

import allcores

PACKAGE = """
    import ctypes, os

    folder = os.path.dirname(__file__)
    state = ctypes.CDLL(os.path.join(folder, "libstate.so"))
    texts = "next_option first_token next_token write_time same_time user_of same_user user_named"
    for name in f"{texts} group_of same_group recall".split():
        getattr(state, name).restype = ctypes.c_char_p
    state.number.restype = state.number_of_another_state.restype = ctypes.c_double
    state.place_of_optind.restype = ctypes.POINTER(ctypes.c_int)
    state.year_of.argtypes = state.write_time.argtypes = [ctypes.c_long]
    state.year_in_a_thread.argtypes = [ctypes.c_long]
    state.sign_after_gamma.argtypes = [ctypes.c_double]

    def set_line(letters, *words):
        values = [word.encode() for word in words]
        state.set_line(len(values), (ctypes.c_char_p * len(values))(*values), letters.encode())
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pathlib.Path]:
    """A folder on sys.path with a package of libraries."""
    top = tmp_path_factory.mktemp("site")
    package = top / "libc_state"
    package.mkdir()
    (package / "__init__.py").write_text(textwrap.dedent(PACKAGE))
    compile_extension(
        "libc_state.c", package / "libstate.so", "-Wno-deprecated-declarations", "-lm"
    )
    soname = "libownnames-12345.so"
    compile_extension("own_names.c", package / soname, f"-Wl,-soname,{soname}")
    compile_extension(
        *("own_names.c", package / "libuser.so", "-DUSER", f"-L{package}"),
        *("-Wl,-rpath,$ORIGIN", f"-l:{soname}"),
    )
    sys.path.insert(0, str(top))
    yield top
    sys.path.remove(str(top))


class Pair:
    """Two interpreters that use the library, step by step in turn."""

    def __init__(self) -> None:
        self.both = (allcores.Interpreter(), allcores.Interpreter())
        for interpreter in self.both:
            interpreter.call("import libc_state as m; from libc_state import state")

    def __call__(self, one: str, other: str | None = None) -> tuple[object, object]:
        return self.both[0].call(one), self.both[1].call(other or one)


@pytest.fixture
def pair(folder: pathlib.Path) -> Iterator[Pair]:
    made = Pair()
    yield made
    for interpreter in made.both:
        interpreter.destroy()


def test_two_command_lines_at_once(pair: Pair) -> None:
    pair("m.set_line('ab:', 'p', '-a', '-b', 'x')", "m.set_line('ab:', 'p', 'y', '-bz', '-a')")
    found = [pair("state.next_option(0).decode()") for _ in range(3)]
    ends = "optopt=0 index=-1 flag=0"
    assert [one for one, _ in found] == [
        f"97 optind=2 optarg=- {ends}",
        f"98 optind=4 optarg=x {ends}",
        f"-1 optind=4 optarg=- {ends} p -a -b x",
    ]
    assert [other for _, other in found] == [
        f"98 optind=3 optarg=z {ends}",
        f"97 optind=4 optarg=- {ends}",
        f"-1 optind=3 optarg=- {ends} p -bz -a y",
    ]


def test_options_that_the_program_looks_for_at_run_time(pair: Pair) -> None:
    pair("state.go_to(5)", "state.go_to(6)")
    assert pair("state.place_of_optind()[0]") == (5, 6)
    # By dlsym, as through ctypes, too.
    pair("import ctypes; found = ctypes.c_int.in_dll(ctypes.CDLL(None), 'optind')")
    assert pair("found.value") == (5, 6)


def test_a_new_interpreter_begins_anew(folder: pathlib.Path) -> None:
    """Also when it has the number of one that has ended."""
    for _ in range(3):
        with allcores.Interpreter() as interpreter:
            interpreter.call("from libc_state import state")
            assert interpreter.call("state.place_of_optind()[0]") == 1
            assert interpreter.call("state.number(0)") == 1804289383
            assert interpreter.call("state.remember(b'key', b'value')") == 1
            interpreter.call("state.go_to(9)")


def test_two_strings_in_pieces_at_once(pair: Pair) -> None:
    assert pair("state.first_token(b'a,b,c')", "state.first_token(b'1,2,3')") == (b"a", b"1")
    assert pair("state.next_token()") == (b"b", b"2")
    assert pair("state.next_token()") == (b"c", b"3")
    assert pair("state.next_token()") == (None, None)


def test_results_that_the_next_call_overwrites(pair: Pair) -> None:
    assert pair("state.year_of(0)", "state.year_of(86400 * 366)") == (1970, 1971)
    assert pair("state.same_year()") == (1970, 1971)
    written = pair("state.write_time(0)", "state.write_time(86400 * 366)")
    assert written[0] != written[1]
    assert pair("state.same_time()") == written
    assert pair("state.user_of(0)", "state.user_of(1)") == (b"root", b"daemon")
    assert pair("state.same_user()") == (b"root", b"daemon")
    assert pair("state.group_of(0)", "state.group_of(1)") == (b"root", b"daemon")
    assert pair("state.same_group()") == (b"root", b"daemon")
    assert pair("state.user_of(0)", "state.user_named(b'no such one')") == (b"root", None)
    assert pair.both[0].call("state.same_user()") == b"root"


def test_a_result_is_the_thread_s(pair: Pair) -> None:
    assert pair("state.year_of(0)") == (1970, 1970)
    assert pair("state.year_in_a_thread(86400 * 366)") == (1971, 1971)
    assert pair("state.same_year()") == (1970, 1970)


@pytest.mark.parametrize("kind", range(5))
def test_two_sequences_of_numbers_at_random(pair: Pair, folder: pathlib.Path, kind: int) -> None:
    one = "import libc_state; libc_state.state.seed({0}, {1})\npass"
    read = f"tuple(state.number({kind}) for _ in range(3))"
    # What the C library gives a program that has it for itself.
    with allcores.Interpreter() as alone:
        alone.call("from libc_state import state")
        expected = []
        for seed in (7, 8):
            alone.call(one.format(kind, seed))
            first = alone.call(read)
            expected.append([first, alone.call(read)])
    code = f"""
        from libc_state import state
        for seed in (7, 8):
            state.seed({kind}, seed)
            print([{read} for _ in range(2)])
    """
    by_libc = run_python(code, folder).stdout
    assert "".join(f"{each}\n" for each in expected) == by_libc
    # Two at once, in turn.
    pair(one.format(kind, 7), one.format(kind, 8))
    assert pair(read) == (expected[0][0], expected[1][0])
    assert pair(read) == (expected[0][1], expected[1][1])


def test_another_state_of_the_sequence(pair: Pair) -> None:
    pair("state.seed(1, 7)")
    expected = pair("state.number(1)")[0], pair("state.number(1)")[0]
    pair("state.seed(1, 7)")
    assert pair("state.number(1)") == (expected[0],) * 2
    others = pair("state.number_of_another_state(1)", "state.number_of_another_state(2)")
    assert others[0] != others[1]
    assert pair("state.number(1)") == (expected[1],) * 2


def test_two_tables_at_once(pair: Pair) -> None:
    assert pair("state.remember(b'key', b'1')", "state.remember(b'key', b'2')") == (1, 1)
    assert pair("state.recall(b'key')") == (b"1", b"2")


def test_the_sign_of_gamma(pair: Pair) -> None:
    assert pair("state.sign_after_gamma(0.5)", "state.sign_after_gamma(-0.5)") == (1, -1)
    assert pair("state.sign()") == (1, -1)


def test_another_function_of_the_same_name_stays(folder: pathlib.Path) -> None:
    code = """
        import ctypes, os, libc_state
        user = ctypes.CDLL(os.path.join(libc_state.folder, "libuser.so"))
    """
    with allcores.Interpreter() as interpreter:
        interpreter.call(textwrap.dedent(code))
        assert interpreter.call("user.call_crypt()") == 4711


def test_a_variable_of_the_same_name_is_the_c_library_s(pair: Pair, folder: pathlib.Path) -> None:
    """As in plain Python, where the C library is looked at first."""
    own = "own = __import__('ctypes').CDLL(m.folder + '/libownnames-12345.so')"
    pair(own)
    assert pair("own.call_optind()") == (1, 1)
    pair("own.set_optind(5)", "own.set_optind(6)")
    assert pair("state.place_of_optind()[0]") == (5, 6)
    code = "import ctypes, libc_state as m; " + own + "; print(own.call_optind())"
    assert run_python(code, folder).stdout == "1\n"


# The C library's own, in the main interpreter, and the interpreters' read the same command lines.
LINES = """
    import allcores, os, tempfile

    WORDS = '''-a -b -bval -c -cval -abc -cab -- - x y z -z -: --alpha --alp --al --alt --beta
        --beta=3 --beta= --be --gamma --gamma=4 --alone --alone=1 --unknown --unknown=1 -Walpha
        -W -Wbeta=1 -Wzeta -alpha -be -beta=7 -beta -al -zz -gamma --flag -flag'''.split()
    LETTERS = ["", "ab:c::", ":ab:c::", "+ab:c::", "-ab:c::", "+:ab:c::", "-:ab:c::", "abW;",
               "ab:c::W;", ":aW;b:", "-aW;"]

    def work():
        import random
        import libc_state as m
        state = m.state
        names = [("alpha", 0, 0, 1000), ("altitude", 0, 0, 1001), ("alteration", 0, 0, 1001),
                 ("beta", 1, 0, 1002), ("gamma", 2, 0, 1003), ("alone", 0, 0, 1004),
                 ("flag", 0, 1, 1005), (None, 0, 0, 0)]
        for place, (name, *rest) in enumerate(names):
            state.add_option(place, name and name.encode(), *rest)
        chance = random.Random(1)
        seen = []
        for _ in range(4000):
            words = chance.choices(WORDS, k=chance.randrange(7))
            letters, kind = chance.choice(LETTERS), chance.randrange(3)
            m.set_line(letters, "program", *words)
            seen.append(f"{kind} {letters} {words}")
            for step in range(20):
                said = state.next_option(kind).decode()
                seen.append(said)
                if said.startswith("-1 "):
                    break
                if chance.random() < 0.03:
                    state.go_to(chance.choice([0, 1, 1 + len(words) // 2]))
        return "\\n".join(seen)

    def said_by(run):
        with tempfile.TemporaryFile() as file:
            before = os.dup(2)
            os.dup2(file.fileno(), 2)
            try:
                found = run()
            finally:
                os.dup2(before, 2)
            file.seek(0)
            return found, file.read()

    expected = said_by(work)
    with allcores.Interpreter() as interpreter:
        found = said_by(lambda: interpreter.call(work))
    for mine, its in zip(found[0].splitlines(), expected[0].splitlines(), strict=True):
        assert mine == its, (mine, its)
    assert found[1] == expected[1] and b"is ambiguous" in found[1] and len(found[1]) > 10_000
    print("done")
"""


@pytest.mark.parametrize("environment", [{}, {"POSIXLY_CORRECT": "1"}])
def test_options_are_read_as_the_c_library_does(
    folder: pathlib.Path, environment: dict[str, str]
) -> None:
    assert run_python(LINES, folder, **environment).stdout == "done\n"
