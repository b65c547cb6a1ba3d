"""allcores.frozen: one object for all interpreters, made by whoever asks first."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import pytest
from programs import run_program
from servers import serving

import allcores

numbers = count()


@pytest.fixture
def name() -> str:
    return f"test {next(numbers)}"


def test_it_is_made_once(name: str) -> None:
    calls = []

    def factory() -> list[int]:
        calls.append(1)
        return [1, 2]

    first = allcores.frozen(name, factory)
    assert first == (1, 2)
    assert allcores.is_frozen(first)
    assert allcores.frozen(name, factory) is first
    assert calls == [1]


@pytest.mark.parametrize("value", [None, True, 7, "", (), "a text", b"x" * 1000, {"a": [1]}])
def test_values(name: str, value: Any) -> None:
    assert allcores.frozen(name, lambda: value) == allcores.freeze(value)


SOURCE = """
import allcores
made = []
def factory():
    made.append(1)
    return {n: str(n) for n in range(50_000)}
data = allcores.frozen(%r, factory)
"""


def test_all_interpreters_get_the_same(name: str) -> None:
    interpreters = [allcores.Interpreter() for _ in range(4)]
    try:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda each: each.call(SOURCE % name), interpreters))
        assert sum(each.call("len(made)") for each in interpreters) == 1
        assert {each.call("data[49_999]") for each in interpreters} == {"49999"}
        assert len({each.call("id(data)") for each in interpreters}) == 1
    finally:
        for each in interpreters:
            each.destroy()
    assert allcores.frozen(name, dict)[7] == "7"  # also when who made it has ended


def test_who_waits_tries_when_it_fails(name: str) -> None:
    entered, may_fail = threading.Event(), threading.Event()

    def fails() -> None:
        entered.set()
        assert may_fail.wait(30)
        raise LookupError("on purpose")

    results: list[Any] = []
    failing = threading.Thread(target=lambda: results.append(raised(name, fails)))
    failing.start()
    assert entered.wait(30)
    waiting = threading.Thread(target=lambda: results.append(allcores.frozen(name, lambda: [7])))
    waiting.start()
    may_fail.set()
    failing.join(30)
    waiting.join(30)
    assert len(results) == 2
    assert (7,) in results
    assert "on purpose" in str(results)


def raised(name: str, factory: Callable[[], Any]) -> str:
    try:
        allcores.frozen(name, factory)
    except LookupError as error:
        return str(error)
    return "nothing"


def test_its_own_name_in_the_factory_is_an_error(name: str) -> None:
    with pytest.raises(RuntimeError, match="asks for it while it makes it"):
        allcores.frozen(name, lambda: allcores.frozen(name, dict))
    assert allcores.frozen(name, lambda: "later") == "later"


def test_what_can_not_be_frozen(name: str) -> None:
    with pytest.raises(TypeError, match="function"):
        allcores.frozen(name, lambda: {"f": print})
    with pytest.raises(TypeError, match="name must be a str, not int"):
        allcores.frozen(7, dict)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="factory must be a function, not dict"):
        allcores.frozen(name, {})  # type: ignore[arg-type]


def test_a_maker_that_ends_is_replaced(name: str) -> None:
    """In a process of its own: an interpreter is abandoned within its factory."""
    program = f"""
import allcores, threading, time
inner = allcores.Interpreter()
def hang():
    import time, allcores
    def factory():
        while True:
            try:
                time.sleep(60)
            except BaseException:
                pass
    allcores.frozen({name!r}, factory)
thread = threading.Thread(target=lambda: inner.call(hang), daemon=True)
thread.start()
result = []
while True:
    try:
        inner.destroy(0)
        break
    except Exception:
        pass
print(allcores.frozen({name!r}, lambda: "made by main"), flush=True)
"""
    ended = run_program(program)
    assert ended.stdout == "made by main\n", ended.stderr


def test_workers_of_a_server_share_it(tmp_path: Any) -> None:
    (tmp_path / "records_app.py").write_text(
        "import allcores\n"
        "def load():\n"
        "    print('loads', flush=True)\n"
        "    return [str(n) for n in range(10_000)]\n"
        "RECORDS = allcores.frozen('records', load)\n"
        "def app(request):\n"
        "    return {'last': RECORDS[-1], 'id': id(RECORDS)}\n"
    )
    imports = f"import sys; sys.path.insert(0, {str(tmp_path)!r})"
    with serving("'records_app:app', workers=4", imports) as server:
        answers = {server.get("/")[1] for _ in range(200)}
        assert len(answers) == 1
        assert b"9999" in answers.pop()
        assert server.end() == 0
        assert server.output().count("loads") == 1
