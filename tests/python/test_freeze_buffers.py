"""Frozen buffers: NumPy arrays, memoryviews, arrays and maps, alone and in containers."""

import array
import collections
import dataclasses
import gc
import mmap
import pickle
import sys
import types

import numpy
import pytest
from programs import run_program

import allcores
from allcores import Channel, Dict, Interpreter, freeze, is_frozen, thaw
from allcores._core import _send_copy, frozen_bytes


def where(made):
    return numpy.asarray(made).ctypes.data


ARRAYS = [
    numpy.arange(10),
    numpy.arange(24.0).reshape(2, 3, 4),
    numpy.asfortranarray(numpy.arange(12).reshape(3, 4)),
    numpy.arange(24).reshape(2, 3, 4).transpose(1, 0, 2),
    numpy.arange(100)[::3],
    numpy.arange(100)[::-1],
    numpy.array(5.5),
    numpy.array([]),
    numpy.zeros((0, 5), dtype="f4"),
    numpy.zeros((3, 0)),
    numpy.array([True, False]),
    numpy.array([1 + 2j]),
    numpy.array(["a", "Ωmega", ""]),
    numpy.array([b"a", b"bcd"]),
    numpy.array(["2020-01-01", "NaT"], dtype="M8[s]"),
    numpy.array([1, 2], dtype="m8[ms]"),
    numpy.array([1, 2, 3], dtype=">i4"),
    numpy.array([1.5, 2.5], dtype="f2"),
    numpy.array([(1, 2.5, (1, 2))], dtype=[("a", "i4"), ("b", "f8"), ("c", "u1", (2,))]),
    numpy.array([(1, 2)], dtype=numpy.dtype([("a", "i1"), ("b", "i8")], align=True)),
    numpy.zeros(3, dtype="V5"),
]


def same(one, other):
    assert type(one) is type(other) is numpy.ndarray
    assert one.dtype == other.dtype
    assert one.shape == other.shape
    assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("number", range(len(ARRAYS)))
def test_numpy_arrays(number, workers):
    given = ARRAYS[number]
    before = given.copy()
    frozen = freeze(given)
    same(frozen, given)
    assert is_frozen(frozen)
    assert not is_frozen(given)
    assert freeze(frozen) is frozen
    assert given.flags.f_contiguous == frozen.flags.f_contiguous or not given.flags.c_contiguous
    assert not frozen.flags.writeable
    with pytest.raises(ValueError, match="WRITEABLE"):
        frozen.flags.writeable = True
    if given.size:
        with pytest.raises(ValueError, match="read-only"):
            frozen[...] = frozen
    received = workers[0].call(returned, frozen)
    same(received, before)
    assert received.strides == frozen.strides
    assert is_frozen(received)
    if given.size:
        assert where(received) == where(frozen) != where(given)
        assert workers[0].call(address, frozen) == where(frozen)
    thawed = thaw(frozen)
    same(thawed, given)
    assert thawed.flags.writeable
    assert thawed.flags.f_contiguous == frozen.flags.f_contiguous
    same(pickle.loads(pickle.dumps(frozen)), given)


def returned(obj):
    return obj


def address(obj):
    return obj.ctypes.data


def test_parts_of_a_frozen_array(workers):
    frozen = freeze(numpy.arange(60).reshape(3, 4, 5))
    for part in (
        frozen[1],
        frozen[:, 1],
        frozen[::2, ::-1, 1:3],
        frozen.T,
        frozen[1:1],
        frozen.view("u1"),
        frozen[0, 0, 0:1][0:1],
        numpy.broadcast_to(frozen[0, 0], (7, 5)),
    ):
        assert is_frozen(part)
        received = workers[1].call(returned, part)
        same(received, part)
        if part.size:
            assert where(received) == where(part)
            assert received.strides == part.strides
    copied = frozen + 0
    assert not is_frozen(copied)
    assert not is_frozen(frozen.copy())


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: numpy.array([1, None]), r"data: numpy.ndarray cannot be frozen: it holds Python"),
        (lambda: [{"x": numpy.array([{}])}], r"data\[0\]\['x'\]: numpy.ndarray cannot be frozen"),
        (lambda: numpy.ma.array([1]), "numpy.ma.*cannot be frozen"),
        (lambda: [numpy.arange(3), open], r"data\[1\]: builtin_function"),
        (
            lambda: {"a": [numpy.arange(3), (1, {"b": open})]},
            r"data\['a'\]\[1\]\[1\]\['b'\]: built",
        ),
        (lambda: {memoryview(b"x"), 1}, "a set can't be frozen with a buffer in it"),
    ],
)
def test_what_cannot_be_frozen(make, why):
    with pytest.raises(TypeError, match=f"freeze: .*{why}"):
        freeze(make())


def test_a_cycle_around_a_buffer():
    data = [numpy.arange(3)]
    data.append({"data": data})
    with pytest.raises(TypeError, match=r"data\[1\]\['data'\]: .*cycle"):
        freeze(data)


def test_memoryviews_arrays_and_maps(workers):
    content = bytes(range(256))
    with mmap.mmap(-1, 4096) as mapped:
        mapped[:256] = content
        frozen_map = freeze(mapped)
        mapped[:256] = bytes(256)
    assert frozen_map[:256] == content
    assert len(frozen_map) == 4096
    given = [
        (memoryview(content), content),
        (memoryview(bytearray(content)).cast("i", (4, 16)), content),
        (memoryview(content)[::2], content[::2]),
        (memoryview(b""), b""),
        (array.array("d", [1.5, 2.5]), array.array("d", [1.5, 2.5]).tobytes()),
        (array.array("q"), b""),
        (array.array("w", "text"), array.array("w", "text").tobytes()),
        (memoryview(numpy.arange(6).reshape(2, 3).T), numpy.arange(6).reshape(2, 3).T.tobytes()),
    ]
    for obj, expected in given:
        frozen = freeze(obj)
        view = memoryview(obj)
        assert type(frozen) is memoryview
        assert frozen.readonly
        assert (frozen.format, frozen.shape) == (view.format, view.shape)
        assert frozen.tobytes() == expected
        assert is_frozen(frozen)
        assert freeze(frozen) is frozen
        received = workers[0].call(returned, frozen)
        assert (received.format, received.shape) == (view.format, view.shape)
        assert received.tobytes() == expected
        assert is_frozen(received)
        if expected and frozen.format in "Bid":
            assert where(received) == where(frozen)
        if frozen.shape == (256,):
            with pytest.raises(TypeError, match="read-only"):
                frozen[0] = 1


def test_what_is_thawed():
    numbers = array.array("i", [1, 2, 3])
    thawed = thaw(freeze(numbers))
    assert thawed == numbers
    assert type(thawed) is array.array
    grid = memoryview(bytearray(24)).cast("i", (2, 3))
    thawed = thaw(freeze(grid))
    thawed[1, 2] = 7
    assert (thawed.format, thawed.tolist()) == ("i", [[0, 0, 0], [0, 0, 7]])
    thawed = thaw(freeze(memoryview(b"abc")))
    thawed[0] = 0
    assert thawed.obj == b"\0bc"


def test_parts_of_frozen_memoryviews(workers):
    frozen = freeze(memoryview(bytes(range(100))))
    part = frozen[10:20]
    received = workers[0].call(returned, part)
    assert received == bytes(range(10, 20))
    assert where(received) == where(frozen) + 10
    again = workers[1].call(returned, received[1:])
    assert where(again) == where(frozen) + 11
    with pytest.raises(TypeError, match="a memoryview cannot go"):
        workers[0].call(returned, frozen[::2])


@dataclasses.dataclass
class Model:
    name: str
    weights: object


Pair = collections.namedtuple("Pair", "left right")


def mapping_type():
    return __builtins__["frozendict"] if sys.version_info >= (3, 15) else types.MappingProxyType


def test_in_containers(workers):
    weights = numpy.arange(1000.0)
    shared = ["shared", {"x": 1}]
    data = {
        "model": Model("linear", weights),
        "pair": Pair(weights, b"bytes"),
        "list": [weights[:10], shared, [memoryview(b"view")]],
        "plain": {"titles": ["a", "b"], "shared": shared},
        5: (array.array("d", [1.5]),),
        ("key", 1): None,
    }
    frozen = freeze(data)
    assert type(frozen) is mapping_type()
    assert list(frozen) == list(data)
    assert frozen["model"]["name"] == "linear"
    assert type(frozen["pair"]) is tuple
    assert frozen["pair"][1] == b"bytes"
    # What was one stays one; what has no buffer in it is frozen as ever.
    assert frozen["model"]["weights"] is frozen["pair"][0]
    assert is_frozen(frozen["plain"])
    assert frozen["plain"]["shared"] is frozen["list"][1]
    assert is_frozen(frozen["list"][1])
    assert type(frozen["list"]) is tuple
    assert frozen["list"][2][0].tobytes() == b"view"
    weights[:] = 0
    assert frozen["model"]["weights"][7] == 7

    received = workers[0].call(returned, frozen)
    assert type(received) is mapping_type()
    assert received["plain"] is frozen["plain"]
    assert where(received["model"]["weights"]) == where(frozen["model"]["weights"])
    assert type(received["list"]) is tuple
    assert received[("key", 1)] is None
    with pytest.raises(TypeError):
        received["x"] = 1

    thawed = thaw(frozen)
    assert type(thawed) is dict
    assert thawed["plain"] == {"titles": ["a", "b"], "shared": ["shared", {"x": 1}]}
    thawed["model"]["weights"][0] = 5
    assert thawed[5][0] == array.array("d", [1.5])
    with pytest.raises(TypeError, match="tuple is not frozen"):
        thaw((1, [2]))


def test_containers_of_all_kinds_around_one(workers):
    one = freeze(numpy.arange(3))
    for data, expected in (
        ((one, 1), tuple),
        ([one], tuple),
        ({"a": one}, mapping_type()),
        (types.MappingProxyType({"a": one}), mapping_type()),
        (Pair(one, 2), tuple),
        (Model("a", one), mapping_type()),
        (((((one,),),),), tuple),
    ):
        frozen = freeze(data)
        assert type(frozen) is expected
        received = workers[0].call(returned, frozen)
        assert type(received) is expected
        assert type(freeze(received)) is expected
        assert type(workers[0].call(thaw, received)) is (tuple if expected is tuple else dict)
        assert type(freeze(thaw(frozen))) is expected


def test_many_buffers_share_the_pages_of_the_rest():
    before = frozen_bytes()
    freeze([{"name": f"name {n}", "data": memoryview(b"x")} for n in range(100)])
    gc.collect()
    assert frozen_bytes() - before < 40 * 4096


def test_the_memory_is_given_back(workers):
    gc.collect()
    before = frozen_bytes()
    frozen = freeze(numpy.zeros(1 << 20))
    assert frozen_bytes() - before == 8 << 20
    part = frozen[5:]
    view = memoryview(part)
    kept = Dict()
    kept["it"] = frozen
    channel = Channel()
    channel.push(frozen)
    workers[0].call(keep, frozen)
    del frozen
    assert frozen_bytes() - before == 8 << 20
    view.release()
    del part, view
    assert kept["it"][0] == 0
    kept.clear()
    assert channel.pop()[0] == 0
    assert frozen_bytes() - before == 8 << 20
    assert workers[0].call(kept_sum) == 0
    workers[0].call(drop)
    gc.collect()
    assert frozen_bytes() == before


def keep(obj):
    import builtins

    builtins.kept_by_test = obj


def kept_sum():
    import builtins

    return float(builtins.kept_by_test.sum())


def drop():
    import builtins

    del builtins.kept_by_test


def frozen_there():
    import numpy

    return allcores.freeze({"a": numpy.arange(1000), "b": allcores.freeze(memoryview(b"view"))})


def test_it_outlives_its_interpreter(workers):
    with Interpreter() as worker:
        data = worker.call(frozen_there)
        again = workers[1].call(returned, data)
    del data
    gc.collect()
    assert (again["a"] == numpy.arange(1000)).all()
    assert again["b"] == b"view"
    assert workers[0].call(lambda: int(again["a"].sum())) == 499_500


def test_in_messages_of_all_kinds():
    frozen = freeze(numpy.arange(100))

    class Holder:
        pass

    holder = Holder()
    holder.array, holder.view, holder.mapping = frozen, freeze(memoryview(b"x")), {"a": frozen}
    copied = _send_copy([holder, frozen, {"b": frozen}])
    assert where(copied[0].array) == where(frozen) == where(copied[1]) == where(copied[2]["b"])
    assert copied[0].view.tobytes() == b"x"
    uses = _send_copy(lambda: frozen)
    assert where(uses()) == where(frozen)
    made = Dict()
    made["a"] = frozen
    assert where(made["a"]) == where(made["a"]) == where(frozen)
    made["moved"] = allcores.move(numpy.arange(100_000))
    assert where(made["moved"]) == where(made["moved"])
    assert not made["moved"].flags.writeable


def named():
    import numpy

    return allcores.frozen("test_freeze_buffers", lambda: {"a": numpy.arange(1000), "b": [1]})


def test_by_name(workers):
    first = workers[0].call(named)
    second, third = workers[1].call(named), named()
    for made in (first, second, third):
        assert (made["a"] == numpy.arange(1000)).all()
        assert where(made["a"]) == where(first["a"])
        assert made["b"] is first["b"]
    one = allcores.frozen("test_freeze_buffers, one", lambda: numpy.arange(10))
    again = workers[0].call(lambda: allcores.frozen("test_freeze_buffers, one", list))
    assert where(again) == where(one)


PROGRAM = """
import sys
import allcores

def without_numpy(obj):
    import sys
    before = "numpy" in sys.modules
    return before, "numpy" in sys.modules

def hide():
    import sys
    sys.modules["numpy"] = None

assert "numpy" not in sys.modules
import numpy
frozen = allcores.freeze(numpy.arange(5))
with allcores.Interpreter() as worker:
    assert worker.call(lambda: "numpy" in sys.modules) is False
    assert worker.call(lambda: int(frozen.sum())) == 10
with allcores.Interpreter() as worker:
    worker.call(hide)
    try:
        worker.call(lambda: frozen)
    except ImportError as error:
        assert "numpy" in str(error), error
        print("refused")
"""


def test_numpy_is_imported_where_it_is_needed():
    done = run_program(PROGRAM)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "refused", "")


WRITE = """
import ctypes
import allcores

frozen = allcores.freeze(memoryview(b"read only"))
import numpy
ctypes.memset(numpy.frombuffer(frozen, "u1").ctypes.data, 0, 1)
"""


def test_a_write_ends_the_process():
    done = run_program(WRITE)
    assert done.returncode == -11
