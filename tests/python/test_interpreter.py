"""Interpreter: calls, values, functions, errors."""

import json
import math
import os
import threading

import pytest

import allcores
from allcores import Interpreter, RemoteError


@pytest.fixture(scope="module")
def worker():
    with Interpreter("tests") as made:
        yield made


def double(value):
    return value * 2


def same(*values):
    return values


def test_source_is_an_expression_or_statements(worker):
    assert worker.call("1 + 1") == 2
    assert worker.call("kept = 41") is None
    assert worker.call("kept + 1") == 42
    assert worker.call("for i in range(3):\n    kept += 1\n") is None
    assert worker.call("kept") == 44
    with pytest.raises(TypeError, match="takes no arguments"):
        worker.call("1", 2)
    with pytest.raises(SyntaxError):
        worker.call("1 +")


def test_it_is_another_interpreter_on_another_thread(worker):
    assert worker.call(os.getpid) == os.getpid()
    assert worker.call(threading.get_native_id) != threading.get_native_id()
    assert worker.call("from concurrent import interpreters; interpreters.get_current().id") is None
    assert worker.call("interpreters.get_current().id") == worker.id


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        0,
        -1,
        2**63,
        -(2**63),
        10**1000,
        -(10**1000),
        1.5,
        float("inf"),
        2 - 3j,
        "",
        "a",
        "é",
        "日本",
        "\U0001f600",
        "\udc80",
        b"",
        b"\0\xff" * 1000,
        (),
        (1, ("two", (3.0, (None, ())))),
    ],
)
def test_values_go_there_and_back(worker, value):
    (result,) = worker.call(same, value)
    assert result == value
    assert type(result) is type(value)


def test_deep_tuples(worker):
    deep = ()
    for _ in range(100_000):
        deep = (deep,)
    (result,) = worker.call(same, deep)
    depth = 0
    while result:
        (result,) = result
        depth += 1
    assert depth == 100_000


def test_values_that_cannot_cross(worker):
    lock = threading.Lock()
    with pytest.raises(TypeError, match=r"^args\[1\]\[1\]\['x'\]: a _thread\.lock cannot go"):
        worker.call(same, 1, (2, {"x": lock}))
    with pytest.raises(TypeError, match=r"^result\[0\]: a generator .*pass list"):
        worker.call("[(i for i in (1, 2))]")


def test_functions_go_by_name_or_by_value(worker):
    factor = 3
    assert worker.call(math.factorial, 5) == 120
    assert worker.call(double, 21) == 42
    assert worker.call(lambda value: value * factor, 4) == 12
    assert worker.call(len, "four") == 4


def test_annotations_for_type_checkers_only(worker):
    def total(rows: list[OnlyForCheckers], more: int = 1) -> OnlyForCheckers:  # noqa: F821
        return sum(rows) + more

    assert worker.call(total, (1, 2)) == 4
    there = worker.call(lambda function: function.__annotations__, total)
    assert there["rows"] == "list[OnlyForCheckers]"
    with pytest.raises(NameError):  # here they are what they were
        _ = total.__annotations__


def test_a_closure_that_cannot_cross_names_the_variable(worker):
    lock = threading.Lock()

    def locked():
        with lock:
            return 1

    def outer():
        return locked()

    with pytest.raises(TypeError, match=r"variable 'lock', a _thread\.lock"):
        worker.call(locked)
    with pytest.raises(TypeError, match=r"uses locked, and .*variable 'lock'"):
        worker.call(outer)


def test_an_exception_arrives_with_its_type_and_the_remote_traceback(worker):
    def fail():
        raise KeyError("missing")

    with pytest.raises(KeyError, match="missing") as caught:
        worker.call(fail)
    assert "in fail" in str(caught.value.__cause__)
    with pytest.raises(FileNotFoundError) as caught:
        worker.call(open, "/does/not/exist")
    assert caught.value.filename == "/does/not/exist"
    with pytest.raises(json.JSONDecodeError):
        worker.call(json.loads, "{")
    with pytest.raises(UnicodeDecodeError):
        worker.call(str, b"\xff", "utf-8")


def test_exceptions_without_a_counterpart_are_remote_errors(worker):
    worker.call("class Odd(Exception): pass")
    with pytest.raises(RemoteError, match="Odd: strange") as caught:
        worker.call("raise Odd('strange')")
    assert caught.value.type_name == "Odd"
    assert caught.value.message == "strange"
    assert caught.value.traceback.endswith("Odd: strange\n")
    for ending in ("SystemExit(3)", "KeyboardInterrupt", "GeneratorExit"):
        with pytest.raises(RemoteError, match=ending.partition("(")[0]):
            worker.call(f"raise {ending}")
    assert worker.call("1") == 1


def test_calls_of_several_threads_queue_up(worker):
    worker.call("order = 0")
    results = []

    def many():
        for _ in range(50):
            results.append(worker.call("(order := order + 1)"))

    threads = [threading.Thread(target=many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == list(range(1, 201))


def test_life():
    made = Interpreter()
    assert made.is_alive()
    assert made.name.startswith("interpreter-")
    assert repr(made) == f"<allcores.Interpreter {made.name!r} id={made.id}>"
    assert made.destroy() is True
    assert not made.is_alive()
    assert made.destroy() is True
    with pytest.raises(RuntimeError, match="has ended"):
        made.call("1")


def test_several_are_made_at_once():
    made = []
    threads = [threading.Thread(target=lambda: made.append(Interpreter())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({one.id for one in made}) == 4
    assert all(one.destroy() for one in made)


def test_cpu_count():
    assert 1 <= allcores.cpu_count() <= len(os.sched_getaffinity(0))


def test_one_that_was_sent_is_the_same(worker):
    [back] = worker.call(list, [worker])
    assert back == worker and hash(back) == hash(worker)
    with allcores.Interpreter() as other:
        assert other != worker and worker != 1
