"""thaw, and what pickle, copy and json make of frozen data."""

import copy
import gc
import json
import pickle
from typing import Any

import pytest
from freeze_values import HAS_FROZENDICT, MAPPING

from allcores import freeze, is_frozen, thaw


def test_thaw_of_what_is_not_frozen():
    assert thaw(5) == 5 and thaw("x") == "x"
    with pytest.raises(TypeError, match="thaw: list is not frozen"):
        thaw([1])
    with pytest.raises(TypeError, match=r"thaw: datetime\.date"):
        json.dumps([__import__("datetime").date(2026, 1, 1)], default=thaw)


def test_thaw_makes_ordinary_objects():
    value = {"a": [1, (2, [3])], "b": {4}, "c": bytearray(b"x")}
    back = thaw(freeze(value))
    back["a"].append(5)
    back["b"].add(6)
    back["c"] += b"y"
    back["a"][1][1].append(7)
    assert back == {"a": [1, (2, [3, 7]), 5], "b": {4, 6}, "c": bytearray(b"xy")}
    assert gc.is_tracked(back["a"]) and gc.is_tracked(back["a"][1])


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("python", [False, True])
def test_pickle(protocol, python):
    value = {
        "a": [1, "é", b"x", {2.5, frozenset({1})}],
        (1,): {"c": None},
        "big": 10**50,
        "r": range(3),
    }
    frozen = freeze(value)
    if python:
        import io

        out = io.BytesIO()
        pickle._Pickler(out, protocol).dump(frozen)
        data = out.getvalue()
    else:
        data = pickle.dumps(frozen, protocol)
    loaded = pickle.loads(data)
    assert loaded == frozen and not is_frozen(loaded)
    assert type(loaded) is (MAPPING if HAS_FROZENDICT else dict)


def test_copy():
    frozen = freeze({"a": [1, {"b": [2]}]})
    for made in (copy.copy(frozen), copy.deepcopy(frozen)):
        assert made == frozen
    assert copy.copy(frozen["a"]) is frozen["a"]
    if not HAS_FROZENDICT:
        looped: dict[str, Any] = {}
        looped["self"] = looped
        frozen = freeze(looped)
        for made in (copy.deepcopy(frozen), pickle.loads(pickle.dumps(frozen))):
            assert made["self"] is made and type(made) is dict


def test_json():
    value = {"a": [1, 2.5, None, True, "é"], "b": {"c": {"d": []}}}
    assert json.dumps(freeze(value), default=thaw) == json.dumps(value)
    assert json.dumps(freeze([1, [2, "x"]])) == json.dumps([1, [2, "x"]])
    assert json.loads(json.dumps(freeze([value] * 3), default=thaw, indent=2)) == [value] * 3
