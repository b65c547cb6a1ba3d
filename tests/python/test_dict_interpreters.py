"""Dict: several interpreters and threads at once, and the end of those that use it."""

import gc
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from programs import run_program

import allcores
from allcores import Channel, Counter, Dict, Interpreter


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
    done = run_program(PROGRAM)
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
