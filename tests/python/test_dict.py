"""Dict: every method, what it is made of, what goes when it is full, and how entries expire."""

import threading

import pytest

import allcores
from allcores import Dict


def test_as_a_dict():
    made = Dict()
    assert not made
    made["a"] = 1
    made.set("b", 2)
    assert made
    assert made["a"] == 1
    assert made.get("b") == 2
    assert made.get("c") is None
    assert made.get("c", 3) == 3
    with pytest.raises(KeyError) as missing:
        made["c"]
    assert missing.value.args == ("c",)
    with pytest.raises(KeyError) as missing:
        del made[("c", 1)]
    assert missing.value.args == (("c", 1),)
    assert "a" in made
    assert "c" not in made
    assert len(made) == 2
    assert sorted(made) == sorted(made.keys()) == ["a", "b"]
    assert sorted(made.values()) == [1, 2]
    assert sorted(made.items()) == [("a", 1), ("b", 2)]
    del made["a"]
    assert made.keys() == ["b"]
    made.clear()
    assert made.items() == []
    assert len(made) == 0


def test_what_changes_in_one_step():
    made = Dict()
    assert made.add("a", 1)
    assert not made.add("a", 2)
    assert made.setdefault("a", 3) == 1
    assert made.setdefault("b", [3]) == [3]
    assert made.setdefault("c") is None
    assert made["c"] is None
    assert made.pop("a") == 1
    assert made.pop("a", "gone") == "gone"
    with pytest.raises(KeyError, match="a"):
        made.pop("a")
    left = [made.popitem(), made.popitem()]
    assert sorted(left) == [("b", [3]), ("c", None)]
    with pytest.raises(KeyError, match="is empty"):
        made.popitem()


def test_compare_and_swap():
    made = Dict()
    made["a"] = [1]
    assert not made.compare_and_swap("a", [2], 3)
    assert made["a"] == [1]
    assert made.compare_and_swap("a", [1], 3)
    assert made["a"] == 3
    assert made.compare_and_swap("a", 3.0, None)
    assert not made.compare_and_swap("b", None, 1)
    assert "b" not in made
    frozen = allcores.freeze({"x": [1]})
    made["a"] = frozen
    assert made.compare_and_swap("a", frozen, 1)
    with pytest.raises(TypeError, match="lock"):
        made.compare_and_swap("a", 1, threading.Lock())
    assert made["a"] == 1


def test_an_expected_value_that_changes_the_key():
    """Comparing runs Python code: what happens meanwhile is seen."""
    made = Dict()
    made["a"] = 1

    class Meddling:
        calls = 0

        def __eq__(self, other):
            Meddling.calls += 1
            if Meddling.calls == 1:
                made["a"] = other
            return True

        __hash__ = None

    assert made.compare_and_swap("a", Meddling(), 2)
    assert Meddling.calls == 2
    assert made["a"] == 2


def test_update():
    made = Dict()
    assert made.update("a", lambda value: [*value, 1], []) == [1]
    assert made.update("a", lambda value: [*value, 2]) == [1, 2]
    with pytest.raises(KeyError, match="b"):
        made.update("b", lambda value: value)
    with pytest.raises(ZeroDivisionError):
        made.update("a", lambda value: 1 / 0)
    with pytest.raises(TypeError, match="lock"):
        made.update("a", lambda value: threading.Lock())
    assert made["a"] == [1, 2]
    with pytest.raises(TypeError, match="changes one value"):
        made.update({"a": 1})


def test_a_function_of_update_runs_again():
    made = Dict()
    seen = []

    def change(value):
        seen.append(value)
        if value < 3:
            made["a"] = value + 1  # as another thread would, while it runs
        return value * 10

    made["a"] = 1
    assert made.update("a", change) == 30
    assert seen == [1, 2, 3]
    seen.clear()
    made.clear()
    assert made.update("a", change, 1) == 30
    assert seen == [1, 2, 3]

    def remove(value):
        made.pop("a", None)
        return value

    with pytest.raises(KeyError):
        made.update("a", remove)


def test_what_it_is_made_of():
    assert Dict().maxsize is None
    assert Dict().ttl is None
    assert Dict(5).maxsize == Dict(maxsize=5).maxsize == 5
    assert Dict(None, 1.5).ttl == Dict(ttl=1.5).ttl == 1.5
    for wrong in (0, -1):
        with pytest.raises(ValueError, match="maxsize"):
            Dict(wrong)
    for wrong in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="ttl"):
            Dict(ttl=wrong)
    with pytest.raises(TypeError):
        Dict("5")
    with pytest.raises(TypeError):
        Dict({"a": 1})
    with pytest.raises(TypeError):
        Dict(ttl="5")
    with pytest.raises(TypeError, match="cannot pickle"):
        __import__("pickle").dumps(Dict())
    assert Dict[str, int].__origin__ is Dict
    one = Dict()
    assert one == one
    assert one != Dict()
    assert repr(one).endswith("0 entries>")
    assert repr(Dict(7)).endswith("0 of 7 entries>")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("get", ()),
        ("get", (1, 2, 3)),
        ("set", (1,)),
        ("set", (1, 2, 3)),
        ("add", (1,)),
        ("setdefault", ()),
        ("pop", ()),
        ("pop", (1, 2, 3)),
        ("compare_and_swap", (1, 2)),
        ("update", (1, 2, 3, 4)),
    ],
)
def test_wrong_calls(name, arguments):
    with pytest.raises(TypeError, match=name):
        getattr(Dict(), name)(*arguments)


def test_wrong_names():
    for names in ({"time": 1}, {"ttl": 1, "x": 2}):
        with pytest.raises(TypeError, match="set"):
            Dict().set(1, 2, **names)
    with pytest.raises(ValueError, match="ttl"):
        Dict().set(1, 2, ttl=0)


def test_the_least_recently_used_goes():
    made = Dict(maxsize=3)
    made["a"], made["b"], made["c"] = 1, 2, 3
    made["a"]
    made["d"] = 4
    assert sorted(made) == ["a", "c", "d"]
    assert "c" in made  # is no use of it
    made.update("a", lambda value: value + 1)
    made["e"] = 5
    assert sorted(made) == ["a", "d", "e"]
    assert made.popitem() == ("d", 4)
    assert made.statistics()["evictions"] == 2


def test_entries_expire():
    made = Dict(ttl=10)
    made["a"] = 1
    made.set("b", 2, ttl=100)
    made.set("c", 3, ttl=None)
    made._advance_clock(9)
    assert made["a"] == 1
    made.update("a", lambda value: value + 1)  # sets it, so it lives for another 10
    made._advance_clock(9)
    assert made["a"] == 2
    made._advance_clock(2)
    assert "a" not in made
    assert made.get("a") is None
    assert made.add("a", 5)
    assert sorted(made.items()) == [("a", 5), ("b", 2), ("c", 3)]
    made._advance_clock(200)
    assert made.items() == [("c", 3)]
    assert made.popitem() == ("c", 3)
    assert made.pop("b", None) is None
    assert made.get("a") is None
    assert len(made) == 0
    assert made.statistics()["expirations"] == 3


def test_statistics():
    made = Dict()
    empty = made.statistics()
    assert set(empty) == {"hits", "misses", "evictions", "expirations", "entries", "bytes"}
    assert empty["entries"] == 0
    made["a"] = "x" * 10_000
    assert made.get("a") == made["a"]
    assert made.get("b") is None
    assert "a" in made
    counted = made.statistics()
    assert (counted["hits"], counted["misses"], counted["entries"]) == (2, 1, 1)
    assert 10_000 < counted["bytes"] < 20_000
    made["a"] = "y" * 100_000
    assert made.statistics()["bytes"] > 100_000
    made.clear()
    assert made.statistics()["bytes"] == 0
