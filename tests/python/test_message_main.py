"""Classes of a program's __main__, which go by value, arrive as what they are."""

import sys

import pytest
from programs import run_alone


def test_slots():
    # Private names, one slot as a str, a dict beside slots, bases with and without.
    run_alone("""
    import allcores

    class Private:
        __slots__ = ("__value",)
        def __init__(self): self.__value = 1
        def values(self): return self.__value

    class One:
        __slots__ = "value"
        def __init__(self): self.value = 1
        def values(self): return self.value

    class Both:
        __slots__ = ("value", "__dict__")
        def __init__(self): self.value, self.other = 1, 2
        def values(self): return self.value, self.other, vars(self)

    class Nothing:
        __slots__ = ()

    class Mixed(Nothing):
        __slots__ = ("value", "__weakref__")
        def __init__(self): self.value = 1
        def values(self): return self.value

    class WithDict(Mixed):
        def __init__(self): self.value, self.other = 1, 2
        def values(self): return self.value, self.other, vars(self)

    class Iterated:
        __slots__ = iter(["value"])
        def __init__(self): self.value = 1
        def values(self): return self.value

    def look(one):
        return one, one.values(), hasattr(one, "__dict__")

    with allcores.Interpreter() as worker:
        for cls in Private, One, Both, Mixed, WithDict, Iterated:
            sent = cls()
            back, values, has_dict = worker.call(look, [sent][0])
            assert type(back) is cls and back is not sent
            assert values == sent.values() == back.values(), (cls, values)
            assert has_dict == hasattr(sent, "__dict__"), cls
    """)


def test_exceptions_are_caught_by_their_class():
    run_alone("""
    import allcores

    class Failed(Exception):
        def __init__(self, code, text):
            super().__init__(code, text)
            self.code = code

    class Worse(Failed): pass

    def fail(kind):
        if kind == "group":
            raise ExceptionGroup("several", [Worse(1, "x")])
        raise Failed(1, "x") if kind == "itself" else Worse(2, "y")

    class Owner:
        def fail(self): fail("worse")

    def call(proxy):
        try:
            proxy.fail()
        except Failed as error:
            return type(error) is Worse, error.code

    with allcores.Interpreter() as worker:
        for where in "owner", "caller":
            for kind, expected in ("itself", Failed), ("worse", Worse):
                try:
                    worker.call(fail, kind, where=where)
                except Failed as error:
                    assert type(error) is expected and error.code in (1, 2)
                    assert "in fail" in str(error.__cause__)
            try:
                worker.call(fail, "group", where=where)
            except* Worse as group:
                assert [error.code for error in group.exceptions] == [1]
        assert worker.call(call, allcores.share(Owner())) == (True, 2)
        try:
            allcores.host(Owner).fail()
        except Worse:
            pass
        # A class that is not the caller's remains the other interpreter's.
        worker.call("class Own(Exception): pass")
        try:
            worker.call("raise Own(1)")
        except allcores.RemoteError as error:
            assert error.type_name == "Own"
    """)


def test_functions_with_a_cache_and_what_typing_makes():
    run_alone("""
    import functools
    import typing
    import allcores

    Number = typing.NewType("Number", int)
    T = typing.TypeVar("T")
    P = typing.ParamSpec("P")
    Ts = typing.TypeVarTuple("Ts")
    type Alias = list[Number]

    def noted(function: typing.Callable[P, T]) -> typing.Callable[P, T]:
        def inner(*args: P.args, **kwargs: P.kwargs) -> T:
            return function(*args, **kwargs)
        return inner

    @functools.lru_cache(maxsize=50, typed=True)
    def fibonacci(n: Number) -> Number:
        "Numbers."
        return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)

    class Having:
        @functools.cache
        def doubled(self, number):
            return 2 * number

    @noted
    def call(function, having):
        how = function.cache_parameters(), function.__name__, function.__doc__
        return function(30), fibonacci(10), having.doubled(2), how, function.cache_info().maxsize

    with allcores.Interpreter() as worker:
        expected = 832040, 55, 4, ({"maxsize": 50, "typed": True}, "fibonacci", "Numbers."), 50
        assert worker.call(call, fibonacci, Having()) == expected
        assert worker.call(fibonacci, 20) == 6765
        back = worker.call(lambda: (Number, T, P, Ts, Alias))
        assert [each.__name__ for each in back] == ["Number", "T", "P", "Ts", "Alias"]
        assert worker.call(list, [Number])[0](5) == 5
        # What can be imported goes by its name.
        assert worker.call(list, [typing.AnyStr]) == [typing.AnyStr]
    """)


def test_enumerations_arrive_with_all_that_their_members_have():
    run_alone("""
    import dataclasses
    import enum
    import allcores

    class Planet(enum.Enum):
        EARTH = (5.9, 6.3)
        MARS = (0.6, 3.3)
        TERRA = EARTH
        def __init__(self, mass, radius):
            self.mass, self.radius = mass, radius
        @property
        def density(self):
            return self.mass / self.radius

    class Labelled(bytes, enum.Enum):
        def __new__(cls, value, label):
            made = bytes.__new__(cls, [value])
            made._value_, made.label = value, label
            return made
        X = (0, "x")
        Y = (1, "y")

    class Access(enum.Flag, boundary=enum.CONFORM):
        READ = 1
        WRITE = 4
        ALL = READ | WRITE
        BOTH = 5

    @dataclasses.dataclass
    class Size:
        width: int
        height: int = 2

    class Named(Size, enum.Enum):
        SMALL = 1, 2
        LARGE = 30

    class Text(enum.StrEnum):
        @staticmethod
        def _generate_next_value_(name, start, count, last):
            return name.title()
        ONE = enum.auto()
        UNE = "One"

    class Odd(enum.Enum):
        FIRST = [1]
        SECOND = {}
        AGAIN = [1]
        limit = enum.nonmember(7)
        @classmethod
        def _missing_(cls, value):
            return cls.SECOND
        def __str__(self):
            return "odd"

    class Empty(enum.Enum):
        def twice(self):
            return self.value * 2

    class Derived(int, Empty):
        THREE = 3

    KINDS = Planet, Labelled, Access, Named, Text, Odd, Empty, Derived

    def look(kind):
        members = [
            (name, member.name, member.value, str(member), {
                key: value for key, value in vars(member).items() if key[0] != "_"
            })
            for name, member in kind.__members__.items()
        ]
        return members, [each.name for each in kind], kind.__bases__, kind.__qualname__, repr(kind)

    def use():
        return (
            Planet.MARS.density, Planet((5.9, 6.3)).mass, Labelled(1).label, bytes(Labelled.Y),
            Access(3).value, (Access.READ | Access.WRITE).name, ~Access.READ, Named.LARGE.height,
            Text.UNE.upper(), Odd.limit, Odd("what").name, Derived.THREE.twice() + 1,
            Planet.TERRA is Planet.EARTH, "MARS" in Planet.__members__, type(Odd.AGAIN).__name__,
        )

    with allcores.Interpreter() as worker:
        for kind in KINDS:
            assert worker.call(look, kind) == look(kind), kind
            for member in kind.__members__.values():
                assert worker.call(lambda one: [one], member) == [member]
                assert worker.call(list, [member])[0] is member
        assert worker.call(use) == use()
        assert worker.call(list, [Access(0), ~Access.WRITE]) == [Access(0), Access.READ]
    """)


def test_annotations_arrive():
    run_alone("""
    import annotationlib
    import types
    import typing
    from collections.abc import Mapping
    import allcores

    if typing.TYPE_CHECKING:
        from nowhere import Missing

    class Plain:
        number: int
        table: Mapping[str, int]
        itself: list[Plain]
        def leave(self, trace: types.TracebackType | None) -> Plain: ...

    class Unknown:
        number: int
        other: Missing

    def function(number: int, other: Missing) -> Mapping[str, int]: ...

    def hints():
        return typing.get_type_hints(Plain), typing.get_type_hints(Plain.leave)

    def texts(of):
        return annotationlib.get_annotations(of, format=annotationlib.Format.STRING)

    with allcores.Interpreter() as worker:
        assert worker.call(hints) == hints()
        assert list(hints()[0]) == ["number", "table", "itself"]
        assert worker.call(texts, Unknown) == {"number": "int", "other": "Missing"}
        assert worker.call(texts, function)["other"] == "Missing"
        # The sender's are what they were.
        for of in Unknown, function:
            found = annotationlib.get_annotations(of, format=annotationlib.Format.FORWARDREF)
            assert found["number"] is int
            try:
                of.__annotations__
            except NameError:
                pass
            else:
                raise AssertionError("no annotations of its own")
        assert worker.call(lambda: isinstance({}, Mapping))
        assert worker.call(list, [Mapping])[0] is Mapping
    """)


def test_exceptions_whose_constructor_takes_something_else():
    run_alone("""
    import allcores

    class Refused(Exception):
        def __init__(self, code, text):
            super().__init__(f"{code}: {text}")
            self.code = code
            self.itself = self

    class ByName(OSError):
        def __init__(self, *, path):
            super().__init__(5, "refused", path)

    def fail(kind):
        if kind == "group":
            raise ExceptionGroup("several", [Refused(1, "x")])
        raise Refused(2, "y") if kind == "itself" else ByName(path="z")

    with allcores.Interpreter() as worker:
        try:
            worker.call(fail, "itself")
            raise AssertionError
        except Refused as error:
            assert (error.code, str(error), error.itself) == (2, "2: y", error)
        try:
            worker.call(fail, "group")
            raise AssertionError
        except* Refused as group:
            assert group.exceptions[0].code == 1
        try:
            worker.call(fail, "name")
            raise AssertionError
        except ByName as error:
            assert (error.errno, error.filename, error.args) == (5, "z", (5, "refused"))
        sent = worker.call(list, [Refused(3, "x")])[0]
        assert (sent.code, sent.args, sent.itself) == (3, ("3: x",), sent)
    """)


def test_functions_chosen_by_type():
    run_alone("""
    import functools
    import allcores

    @functools.singledispatch
    def kind(value):
        return "other"

    @kind.register
    def _(value: int):
        return "int"

    @kind.register(list)
    def _(value):
        return [kind(each) for each in value]

    class Having:
        @functools.singledispatchmethod
        def kind(self, value):
            return "other"
        @kind.register
        def _(self, value: str):
            return "str"

    kind(1)  # (what has been chosen is kept)
    with allcores.Interpreter() as worker:
        assert worker.call(kind, [1, "a"]) == ["int", "other"]
        assert worker.call(Having().kind, "a") == "str"
        assert worker.call(lambda: kind([kind.dispatch(bool)(True)])) == ["other"]
    """)


def test_classes_in_classes_and_partial_methods():
    run_alone("""
    import functools
    import allcores

    class Outer:
        class Inner:
            pass
        def pair(self, one, two):
            return one, two
        with_one = functools.partialmethod(pair, 1)
        named = functools.partialmethod(pair, two=2)

    def use():
        return repr(Outer.Inner), Outer().with_one(5), Outer().named(6)

    with allcores.Interpreter() as worker:
        assert worker.call(use) == use()
    """)


@pytest.mark.skipif(sys.version_info < (3, 15), reason="lazy imports came with Python 3.15")
def test_what_a_function_imports_lazily():
    run_alone("""
    import sys
    import allcores
    lazy import xml.dom.minidom
    lazy import colorsys as colours
    lazy from fractions import Fraction
    lazy import nowhere.at.all

    def use():
        inner = lambda: Fraction(1, 2)
        return inner(), colours.__name__, xml.dom.minidom.__name__

    def use_if(wanted):
        return nowhere.at.all if wanted else "not used"

    with allcores.Interpreter() as worker:
        assert worker.call(use) == use()
        assert worker.call(use_if, False) == "not used"
        try:
            worker.call(use_if, True)
        except ModuleNotFoundError as error:
            assert "nowhere" in str(error)
        else:
            raise AssertionError
    """)
