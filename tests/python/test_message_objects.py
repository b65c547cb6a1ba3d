"""Functions, classes, exceptions and what else goes by pickle or by value."""

import array
import enum
import functools
import io
import os
import pickle
import subprocess
import sys
import traceback
import types
import warnings
from collections.abc import Mapping
from pathlib import Path

import pytest
from message_values import Color, Point, Refusal, User, refuse

import allcores
from allcores._core import _send_copy
from allcores._functions import RemoteTraceback


@pytest.fixture(scope="module")
def worker():
    with allcores.Interpreter("tests") as interpreter:
        interpreter.call(sys.path.insert, 0, str(Path(__file__).parent))
        yield interpreter


def same(*values):
    return values


def test_by_reference_where_it_can_be_imported(worker):
    values = (User, Color, os.path.join, len, User.__init__, functools.reduce, Color.RED)
    assert worker.call(same, *values) == values
    assert _send_copy(io.StringIO) is io.StringIO


def test_modules_go_by_name(worker):
    def use(module):
        return module.__name__, module.path.join("a", "b")

    assert worker.call(use, os) == ("os", "a/b")


def test_functions_as_arguments_and_results(worker):
    def adder(n):
        return lambda x: x + n

    def use(function, values):
        return [function(value) for value in values], adder(100)

    doubled, add = worker.call(use, lambda x: 2 * x, [1, 2])
    assert doubled == [2, 4] and add(1) == 101
    assert worker.call(functools.partial(pow, 2), 10) == 1024
    assert worker.call("abc".upper) == "ABC"


def test_what_functions_close_over_crosses_as_arguments_do(worker):
    frozen = allcores.freeze({"a": [1]})
    with allcores.Interpreter("closed over") as other:

        def use():
            return id(frozen), other.call("40 + 2")

        assert worker.call(use) == (id(frozen), 42)


def test_a_class_that_goes_by_value_is_the_same_when_it_comes_back(worker):
    class Local:
        def __init__(self, value):
            self.value = value

        def more(self):
            return Local(self.value + 1)

    def use(one):
        return one.more(), Local(10), Local

    first, second, cls = worker.call(use, Local(1))
    assert cls is Local and type(first) is Local and type(second) is Local
    assert (first.value, second.value) == (2, 10)


@pytest.mark.parametrize("how", ["script", "-c", "stdin", "repl"])
def test_functions_and_classes_of_main(how, tmp_path):
    program = """
import allcores, dataclasses, enum
FACTOR = 3
class Base:
    def twice(self): return self.x * 2 * FACTOR

@dataclasses.dataclass
class Local(Base):
    x: int

class Kind(enum.Enum):
    A = 1

def work(one, kind):
    return Local(one.twice()), kind is Kind.A, Kind.A, helper

def helper(): return FACTOR

with allcores.Interpreter() as worker:
    result, same, kind, back = worker.call(work, Local(7), Kind.A)
    print(type(result) is Local, result, same, kind is Kind.A, back())

"""
    if how == "script":
        (tmp_path / "program.py").write_text(program)
        command = [str(tmp_path / "program.py")]
    else:
        command = {"-c": ["-c", program], "stdin": ["-"], "repl": ["-i", "-q"]}[how]
    if how == "repl":
        # As it would be typed: blank lines end blocks.
        program = program.replace("\n    print", "\n    _ = print").replace("\n@", "\n\n@")
    done = subprocess.run(
        [sys.executable, *command],
        input=program if how in ("stdin", "repl") else "",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "True Local(x=42) True True 3" in done.stdout, done.stderr


def failing():
    try:
        {}["missing"]
    except KeyError as error:
        raise ValueError("outer", 7) from error


def caught():
    try:
        failing()
    except ValueError as error:
        error.add_note("a note")
        error.extra = Point(1, 2)
        return error


def test_exceptions_with_causes_notes_and_traceback():
    error = _send_copy([caught()])[0]
    assert type(error) is ValueError and error.args == ("outer", 7)
    assert error.__notes__ == ["a note"] and error.extra == Point(1, 2)
    cause = error.__cause__
    assert type(cause) is KeyError and cause.args == ("missing",) and error.__suppress_context__
    assert error.__context__ is cause
    assert isinstance(cause.__cause__, RemoteTraceback)
    text = "".join(traceback.format_exception(error))
    assert text.count("in failing") == 2 and "in caught" in text and "a note" in text


def test_exceptions_go_there_and_back(worker):
    (error,) = worker.call(same, caught())
    assert type(error) is ValueError and type(error.__cause__) is KeyError
    assert "in failing" in "".join(traceback.format_exception(error))
    made = worker.call("ValueError('not raised')")
    assert type(made) is ValueError and made.__cause__ is None


def test_exception_groups_and_contexts():
    try:
        try:
            raise KeyError("first")
        except KeyError:
            raise ExceptionGroup("several", [ValueError(1), OSError(2, "no such")])  # noqa: B904
    except ExceptionGroup as error:
        group = _send_copy(error)
    assert type(group.exceptions[1]) is FileNotFoundError
    assert group.exceptions[1].errno == 2
    assert type(group.__context__) is KeyError
    assert "during handling" in str(group.__cause__).lower()  # in the text of the traceback


class Odd(Exception):
    """One whose arguments are not its constructor's."""

    def __init__(self, path, *, code):
        super().__init__(f"{path} has {code}")
        self.path, self.code = path, code

    def __reduce__(self):
        return functools.partial(Odd, code=self.code), (self.path,), {"again": True}


def test_exceptions_with_their_own_pickling():
    try:
        raise Odd("p", code=3)
    except Odd as error:
        copied = _send_copy(error)
    assert (copied.path, copied.code, copied.again) == ("p", 3, True)
    assert "has 3" in str(copied.__cause__)


def test_buffers_out_of_band():
    class Holder:
        def __init__(self, content):
            self.content = content

        def __reduce_ex__(self, protocol):
            return bytes_of, (pickle.PickleBuffer(self.content),)

    readonly, writable = _send_copy([Holder(b"x" * 100_000), Holder(bytearray(b"y" * 100_000))])
    assert readonly == b"x" * 100_000 and type(readonly) is bytes
    assert writable == b"y" * 100_000 and type(writable) is bytearray


def bytes_of(buffer):
    return buffer


def test_large_content_of_pickled_objects():
    user = User("x" * 100_000, b"y" * 100_000, bytearray(b"z" * 100_000))
    copied = _send_copy([user, user.friends])
    assert copied[0] == user and copied[0].extra is not user.extra


def test_types_that_have_no_name_of_their_own(worker):
    kinds = [types.TracebackType, types.FrameType, types.CodeType, types.CellType, type(None)]
    assert worker.call(same, *kinds) == tuple(kinds)
    assert worker.call(same, Mapping) == (Mapping,)


def test_an_exception_whose_constructor_takes_something_else(worker):
    for sent in _send_copy(Refusal(1, "x")), worker.call(same, Refusal(1, "x"))[0]:
        assert (type(sent), sent.code, str(sent)) == (Refusal, 1, "1: x")
    with pytest.raises(ExceptionGroup) as raised:
        worker.call(refuse)
    assert [(type(each), each.code) for each in raised.value.exceptions] == [(Refusal, 2)]


def test_an_array_of_characters_warns_nobody_who_receives_it(worker):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        small, large = array.array("u", "aé\U0001f600"), array.array("u", "x") * 100_000
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        filters = list(warnings.filters)
        for sent in small, large:
            assert _send_copy(sent) == sent
            assert _send_copy(sent).typecode == "u"
        assert len(_send_copy(allcores.move(large))) == 100_000
        assert warnings.filters == filters
        with pytest.raises(DeprecationWarning):
            array.array("u")


def test_classes_of_functions_arrive_as_they_are(worker):
    class Slotted:
        __slots__ = ("__value",)
        number: int

        def __init__(self):
            self.__value = 1

        def look(self):
            return self.__value, hasattr(self, "__dict__"), type(self).__annotations__

    class Planet(enum.Enum):
        EARTH = 5.9
        TERRA = EARTH

        def __init__(self, mass):
            self.mass = mass

    assert worker.call(Slotted().look) == (1, False, {"number": int})
    assert worker.call(lambda: (Planet.TERRA is Planet.EARTH, Planet.EARTH.mass)) == (True, 5.9)
