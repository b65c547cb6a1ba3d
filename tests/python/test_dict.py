"""Dict: keys, values, every method, and other interpreters."""

import array
import gc
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import allcores
from allcores import Channel, Counter, Dict, Interpreter


@pytest.fixture(scope="module")
def workers():
    with Interpreter("one") as one, Interpreter("two") as two:
        yield one, two


KEYS = [
    "",
    "a",
    "a" * 1000,
    "é",
    "Ā",
    "\0",
    "𝄞",
    "\ud800",
    b"",
    b"a",
    b"a" * 1000,
    0,
    -1,
    2**63 - 1,
    2**63,
    -(2**63),
    -(2**63) - 1,
    2**64,
    -(2**64),
    255 << 64,
    128 << 64,
    10**100,
    -(10**100),
    (),
    ((),),
    ("a",),
    (b"a",),
    ("a", "b"),
    (("a",), "b"),
    ("a", ("b",)),
    ("ab", ""),
    ("", "ab"),
    (1, "a", (b"x", (2**70, ("é", "𝄞")))),
]


def test_all_keys_are_different_and_come_back():
    made = Dict()
    for number, key in enumerate(KEYS):
        made[key] = number
    assert len(made) == len(KEYS)
    for number, key in enumerate(KEYS):
        assert made[key] == number
        assert key in made
    found = made.items()
    assert {number: key for key, number in found} == dict(enumerate(KEYS))
    assert [type(key) for key, _ in sorted(found, key=lambda item: item[1])] == [
        type(key) for key in KEYS
    ]


class Text(str):
    __slots__ = ()


class Number(int):
    pass


@pytest.mark.parametrize(
    "key",
    [
        *(None, True, 1.0, 1j, Text("a"), Number(1), bytearray(b"a"), [1], {1}, frozenset()),
        *(("a", None), ("a", ("b", [1]))),
    ],
    ids=repr,
)
def test_what_is_no_key(key):
    made = Dict()
    calls = [
        lambda: made.get(key),
        lambda: made[key],
        lambda: key in made,
        lambda: made.__setitem__(key, 1),
        lambda: made.__delitem__(key),
        lambda: made.pop(key, None),
        lambda: made.setdefault(key, 1),
        lambda: made.add(key, 1),
        lambda: made.update(key, str, 1),
        lambda: made.compare_and_swap(key, 1, 2),
    ]
    for call in calls:
        with pytest.raises(TypeError, match="keys are int, str, bytes and tuples of these"):
            call()
    assert len(made) == 0


def test_a_key_that_is_nested_too_deeply():
    key = ()
    for _ in range(100):
        key = (key,)
    made = Dict()
    made[key] = 1
    assert made.keys() == [key]
    for _ in range(100_000):
        key = (key,)
    with pytest.raises(ValueError, match="inside each other"):
        made[key] = 1


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


VALUES = [
    None,
    True,
    0,
    -5,
    2**63,
    1.5,
    -0.0,
    "",
    "text",
    b"bytes",
    (1, "a", (2.5, None)),
    [1, [2]],
    {"a": {1, 2}},
    bytearray(b"some"),
    array.array("d", [1.5]),
    b"x" * 100_000,
    "é" * 100_000,
    bytearray(b"y" * 100_000),
    array.array("q", range(20_000)),
    list(range(100_000)),
    ["a" * n for n in range(1500)],
    {f"key {n}": n for n in range(3000)},
    Exception("an error"),
    int,
]


@pytest.mark.parametrize("number", range(len(VALUES)))
def test_a_value_is_got_as_often_as_one_likes(number, workers):
    value = VALUES[number]
    made = Dict()
    made["value"] = value
    first, second = made["value"], made["value"]
    third = workers[0].call(made.get, "value")
    for got in (first, second, third, made.pop("value")):
        assert type(got) is type(value)
        assert repr(got) == repr(value)
    if isinstance(value, (list, dict, bytearray, array.array)):
        assert first is not second
        first.clear() if not isinstance(first, array.array) else first.pop()
        assert second == value


def test_frozen_values_are_the_very_objects(workers):
    frozen = allcores.freeze({"titles": ["a", "b"]})
    made = Dict()
    made["index"] = frozen
    assert made["index"] is frozen
    assert made.values()[0] is frozen
    assert workers[0].call(is_the_frozen_one, made, frozen)


def is_the_frozen_one(made, frozen):
    return made["index"] is frozen


def test_values_that_go_by_pointer():
    made = Dict()
    channel, inner = Channel(), Dict()
    made["channel"], made["dict"], made["view"] = channel, inner, allcores.view(b"some bytes")
    made["channel"].push(5)
    made["channel"].push(6)
    assert channel.pop() == made["channel"].pop() - 1 == 5
    made["dict"]["x"] = 1
    assert inner["x"] == 1
    assert bytes(made["view"]) == bytes(made["view"]) == b"some bytes"


def test_values_that_are_moved():
    made = Dict()
    given = bytearray(b"z" * 200_000)
    made["a"] = allcores.move(given)
    assert given == b""
    first = made["a"]
    first[0] = 0
    assert made["a"] == b"z" * 200_000


def test_what_cannot_cross():
    made = Dict()
    made["a"] = 1
    for call in (made.__setitem__, made.set, made.add, made.setdefault):
        for key in ("a", "b"):
            if call == made.setdefault and key == "a":
                continue
            with pytest.raises(TypeError, match=r"\['x'\].*lock"):
                call(key, {"x": threading.Lock()})
    assert made.items() == [("a", 1)]


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


def test_it_goes_to_other_interpreters(workers):
    made = Dict()
    made["number"] = 1

    def change():
        made["number"] += 1
        made["from there"] = {"list": [1, 2]}
        return made

    assert workers[0].call(change) == made
    assert hash(workers[0].call(change)) == hash(made)
    assert made["number"] == 3
    assert workers[1].call(made.get, "from there") == {"list": [1, 2]}
    other = Channel()
    other.push((made, [made]))
    first, (second,) = other.pop()
    assert first == second == made


def test_values_outlive_their_interpreter():
    made = Dict()

    def fill():
        for number in range(100):
            made[number] = ["from there", number, {"text": "x" * number}]
        made["view"] = allcores.view(bytes(range(256)) * 1000)
        made["frozen"] = allcores.freeze(["a", {"b": 1}])
        made["large"] = bytearray(b"l" * 300_000)
        inner = Dict()
        inner["x"] = "inside"
        made["dict"] = inner

    with Interpreter() as worker:
        worker.call(fill)
    gc.collect()
    assert made[57] == ["from there", 57, {"text": "x" * 57}]
    assert bytes(made["view"]) == bytes(range(256)) * 1000
    assert made["frozen"][0] == "a"
    assert made["large"] == b"l" * 300_000
    assert made["dict"]["x"] == "inside"
    made.clear()


class Broken:
    """What goes well when it is sent, and fails when it is received."""

    def __reduce__(self):
        return int, ("no number",)


def test_a_value_that_cannot_be_made_is_an_error_each_time(workers):
    made = Dict()
    made["broken"] = [Broken()]
    for get in (made.get, lambda key: workers[0].call(made.get, key)):
        with pytest.raises(ValueError, match="no number"):
            get("broken")
    with pytest.raises(ValueError, match="no number"):
        made.items()
    made["broken"] = 1
    assert made.items() == [("broken", 1)]


def add_many(made, count):
    for _ in range(count):
        made.update("sum", lambda value: value + 1, 0)
        while True:
            value = made.setdefault("swapped", 0)
            if made.compare_and_swap("swapped", value, value + 1):
                break


def claim(made, names):
    return [name for name in names if made.add(name, True)]


def drain(made):
    taken = []
    while True:
        try:
            taken.append(made.popitem()[0])
        except KeyError:
            return taken


def test_threads_and_interpreters_at_once(workers):
    made, count = Dict(), 1000
    names = [f"name {number}" for number in range(1000)]
    calls = [lambda f, *args: f(*args)] * 2 + [worker.call for worker in workers]
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(call, add_many, made, count) for call in calls]:
            done.result()
        assert made["sum"] == made["swapped"] == 4 * count
        made.clear()
        claims = [pool.submit(call, claim, made, names) for call in calls]
        claimed = [name for each in claims for name in each.result()]
        assert sorted(claimed) == sorted(names)
        drained = [pool.submit(call, drain, made) for call in calls]
        taken = [name for each in drained for name in each.result()]
        assert sorted(taken) == sorted(names)
    assert len(made) == 0


PROGRAM = """
import threading
import allcores

made = allcores.Dict(maxsize=100)
counter = allcores.Counter()

def use():
    n = 0
    while True:
        made[n % 200] = [n]
        made.get((n + 50) % 200)
        made.update("n", lambda n: n + 1, 0)
        made.items()
        counter.increment()
        n += 1

worker = allcores.Interpreter()
threading.Thread(target=use, daemon=True).start()
threading.Thread(target=worker.call, args=(use,), daemon=True).start()
while counter.value < 1000:
    pass
print("ends")
"""


def test_a_process_that_ends_while_it_is_used():
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", PROGRAM],
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "ends", "")


def test_an_interpreter_that_ends_while_it_uses_one():
    made, begun = Dict(), Counter()

    def use():
        while True:
            made.update("n", lambda n: [n], 0)
            made["a"] = made.items()
            made.clear()
            begun.increment()

    def call():
        # What comes of it depends on where it is when it ends.
        with pytest.raises((RuntimeError, allcores.RemoteError)):
            worker.call(use)

    worker = Interpreter()
    using = threading.Thread(target=call)
    using.start()
    while begun.value < 100:
        pass
    assert worker.destroy()
    using.join()
    made["after"] = 1
    assert made["after"] == 1
