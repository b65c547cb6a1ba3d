"""Classes of a program's __main__, which go by value, arrive as what they are."""

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
