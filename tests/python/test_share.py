"""allcores.share: a proxy's methods and attributes are the object's, and itself goes everywhere."""

import copy
import math
import operator
import pickle
import weakref

import pytest
import share_objects
from share_fixtures import counter, worker
from share_objects import Counter, make, share_value

import allcores
from allcores import Channel, Interpreter, Proxy, share

__all__ = ["counter", "worker"]  # the fixtures


def test_methods_run_where_the_object_lives(counter):
    assert isinstance(counter, Proxy)
    assert counter.add(2) == 7
    assert counter.add() == 8
    assert counter.number == 8
    assert counter.where() == "owner"
    assert counter.keywords(1, "two", three=[3], four=4.0) == (
        (1, "two"),
        {"three": [3], "four": 4.0},
    )


def test_static_and_class_methods_and_functions_run_there_too(worker, counter):
    assert counter.static(3) == (3, "owner")
    assert counter.kind() == ("Counter", "owner")
    module = worker.call(share_value, share_objects)
    assert module.interpreter_name() == "owner"
    kind = worker.call(share_value, Counter)
    assert kind.kind() == ("Counter", "owner")
    assert type(kind(3)) is Counter  # a copy of what was made there


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -5,
        255,
        2**30,
        -(2**62),
        2**63 - 1,
        2**63,
        -(2**63),
        10**40,
        1.5,
        -0.0,
        math.inf,
        1 + 2j,
        "",
        "x",
        "é",
        "text",
        "x" * 95,
        "x" * 97,
        "x" * 100_000,
        "日本語" * 40,
        "🐍",
        "\ud800",
        b"",
        b"x",
        b"bytes" * 18,
        b"bytes" * 50_000,
        (),
        (1, ("two", (3.0, (b"4",)))),
        (1, [2]),
        tuple(range(40)),
        [1, 2, {"three": {4}}],
        {"a": bytearray(b"b")},
        allcores.freeze({"frozen": [1, 2]}),
        ...,
    ],
    ids=lambda value: repr(value)[:30],
)
def test_values_go_and_come_back(counter, value):
    counter.keep(value)
    back = counter.kept
    assert back == value
    assert type(back) is type(value)
    assert repr(back) == repr(value)
    assert counter.call(operator.eq, value, value) is True
    assert hash(counter.call(str, value)) == hash(str(value))


def test_nan_and_strings_as_keys(worker, counter):
    counter.keep(math.nan)
    assert math.isnan(counter.kept)
    table = worker.call(make, "dict")
    table["key"] = 1
    assert "key" in table
    assert table["k" + "ey"] == 1
    assert table.get("é" * 3) is None


def test_attributes(counter):
    counter.number = 11
    assert counter.half == 5.5
    counter.new = [1]
    assert counter.new == [1]
    del counter.new
    assert not hasattr(counter, "new")
    with pytest.raises(AttributeError, match="new"):
        _ = counter.new
    with pytest.raises(AttributeError):
        del counter.new
    with pytest.raises(AttributeError):
        counter.half = 1
    assert {"add", "number", "half"} <= set(dir(counter))


def test_special_attributes_are_the_proxys_own(counter):
    assert type(counter) is Proxy
    assert counter.__class__ is Proxy
    assert counter.__dict__ == {"number": 5, "kept": None}
    assert "interpreter" in Proxy.__doc__


def test_the_object_itself_comes_back_as_the_proxy(counter):
    assert counter.itself() is not None
    assert isinstance(counter.itself(), Proxy)
    same = counter.itself()
    assert same.add(1) == 6 == counter.number


def test_a_proxy_that_comes_home_is_the_object(counter):
    counter.keep(counter)
    assert counter.is_kept() is True
    counter.keep([counter])
    assert counter.call(operator.attrgetter("__class__.__name__"), counter) == "Counter"
    counter.keep(None)


def test_share_of_a_proxy_is_the_proxy(counter):
    assert share(counter) is counter


def test_a_proxy_at_home_is_an_ordinary_call():
    inner = []
    mine = Counter()
    proxy = share(mine)
    proxy.keep(inner)
    assert mine.kept is inner
    assert proxy.kept is inner
    assert proxy.itself() == proxy
    assert proxy.add(1) == 1
    proxy += 5
    assert isinstance(proxy, Proxy)
    assert mine.number == 6


def test_text(counter):
    assert repr(counter) == ('<allcores.Proxy of share_objects.Counter in the interpreter "owner">')
    assert "Counter object at" in str(counter)
    assert repr(counter.add) == ('<method add of share_objects.Counter in the interpreter "owner">')


def test_methods_are_values(worker, counter):
    add = counter.add
    assert add is counter.add
    assert add.__name__ == "add"
    assert add.__self__ == counter
    assert add == counter.itself().add
    assert hash(add) == hash(counter.itself().add)
    assert add != counter.where
    with Interpreter() as other:
        assert other.call(add, 10) == 15  # goes to others as it is
    assert worker.call(add, 1) == 16  # is the method itself at home


def test_proxies_are_not_pickled_or_copied(counter):
    for way in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="a proxy goes to other interpreters as it is"):
            way(counter)
    with pytest.raises(TypeError):
        Proxy()
    with pytest.raises(TypeError):
        type("Derived", (Proxy,), {})


def test_weak_references(counter):
    gone = []
    reference = weakref.ref(counter.itself(), lambda _: gone.append(1))
    assert reference() is None
    assert gone == [1]


def test_proxies_go_everywhere(worker, counter):
    channel = Channel()
    channel.push({"counter": counter})
    with Interpreter() as other:
        assert other.call(lambda channel: channel.pop()["counter"].add(3), channel) == 8
        assert other.call(lambda: counter.where()) == "owner"  # closed over
        box = other.call(make, "list", [counter])
        assert box[0].add(1) == 9
    # And a proxy of main's in the worker.
    mine = Counter(50)
    assert counter.call(lambda proxy: proxy.add(7), share(mine)) == 57
    assert mine.number == 57
