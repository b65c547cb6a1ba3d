"""allcores.move and allcores.view: memory that changes hands, and memory that is looked at."""

import array
import ctypes
import mmap
import sys
import threading
from collections import deque

import pytest
from message_values import User
from programs import run_alone

import allcores
from allcores import move, view
from allcores._core import _encode, _send_copy, _send_last

numpy = pytest.importorskip("numpy")
BIG = 100_000


@pytest.fixture(scope="module")
def worker():
    with allcores.Interpreter("tests") as interpreter:
        yield interpreter


def address(buffer):
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))


@pytest.mark.parametrize(
    "make", [lambda: bytearray(b"x" * BIG), lambda: array.array("d", [1.5]) * BIG]
)
def test_a_buffer_that_has_a_name(make):
    one = make()
    where = address(one)
    moved = _send_copy(move(one))
    assert address(moved) == where and moved == make()
    assert len(one) == 0
    one.extend(make()[:5])
    assert len(one) == 5 and one == make()[:5] and moved == make()


def test_small_ones_are_copied_and_emptied():
    one, two = bytearray(b"abc"), array.array("i", [1, 2])
    assert _send_copy([move(one), {"k": move(two)}]) == [b"abc", {"k": array.array("i", [1, 2])}]
    assert one == b"" and len(two) == 0


def test_lists_and_dicts_give_up_what_is_in_them():
    rows = [b"y" * BIG, [1, {"a": "z" * BIG}], bytearray(BIG)]
    where = id(rows[0]), id(rows[1][1]["a"]), address(rows[2])
    moved = _send_copy({"m": move(rows)})["m"]
    assert (id(moved[0]), id(moved[1][1]["a"]), address(moved[2])) == where
    assert rows == []
    table = {"k": b"q" * BIG, "n": [1]}
    where = id(table["k"])
    moved = _send_copy([move(table)])[0]
    assert id(moved["k"]) == where and moved == {"k": b"q" * BIG, "n": [1]} and table == {}
    # What something else refers to is copied.
    kept = b"k" * BIG
    moved = _send_copy(move([kept, kept]))
    assert moved == [kept, kept] and moved[0] is not kept and moved[0] is moved[1]


def test_a_list_in_itself():
    loop = [1]
    loop.append(loop)
    moved = _send_copy(move(loop))
    assert moved[1] is moved and loop == []


def test_values_and_classes_are_copied(worker):
    user = User("u", [1])
    assert _send_copy(move(user)) == user == User("u", [1])
    assert _send_copy(move((1, 2))) == (1, 2)
    only = [b"x" * BIG]
    where = id(only[0])
    wrapped = move(only.pop())
    assert id(_send_copy(wrapped)) == where
    assert worker.call(len, move(bytearray(BIG))) == BIG


def test_strict():
    with pytest.raises(ValueError, match="a int can't be handed over"):
        _send_copy(move(5, strict=True))
    kept = b"x" * BIG
    with pytest.raises(ValueError, match=r"a bytes can't .* somebody else refers to it"):
        _send_copy(move(kept, strict=True))
    for one in (bytearray(BIG), bytearray(5), array.array("b", bytes(BIG))):
        size = len(one)
        with memoryview(one):
            with pytest.raises(ValueError, match="somebody has a view"):
                _send_copy([move(one, strict=True)])
            assert len(_send_copy(move(one))) == size == len(one)
        assert len(_send_copy(move(one, strict=True))) == size and len(one) == 0
    assert _send_copy(move([1, 2], strict=True)) == [1, 2]
    twice = bytearray(BIG)
    with pytest.raises(ValueError, match="in the message already"):
        _send_copy([move(twice, strict=True), move(twice, strict=True)])
    assert len(twice) == BIG


def test_once_only():
    wrapped = move([1])
    assert _send_copy(wrapped) == [1]
    with pytest.raises(ValueError, match="has been handed over already"):
        _send_copy(wrapped)


def test_the_same_move_twice_in_a_message():
    for value in (bytearray(BIG), b"x" * BIG, [1], (1, 2), 5, None):
        wrapped = move(value)
        for twice in ([wrapped, [1], wrapped], {1: wrapped, 2: deque([wrapped, wrapped])}):
            with pytest.raises(ValueError, match="has been handed over already"):
                _send_copy(twice)
        assert _send_copy([wrapped, [1], [2]])[1:] == [[1], [2]]


@pytest.mark.parametrize(
    "make", [lambda: bytearray(b"x" * BIG), lambda: array.array("d", [1.5]) * BIG]
)
def test_moved_where_it_is_written_and_where_it_is_pickled(make):
    one = make()
    wrapped = move(one)
    assert _send_copy([wrapped, deque([wrapped])]) == [make(), deque([make()])] and len(one) == 0
    one = make()
    assert _send_copy([move(one), deque([move(one)])]) == [make(), deque([make()])]
    assert len(one) == 0
    one = make()
    with pytest.raises(ValueError, match="in the message already"):
        _send_copy([move(one, strict=True), deque([move(one)])])
    assert one == make()
    numbers = numpy.arange(BIG)
    copy, [other] = _send_copy([move(numbers), deque([move(numbers)])])
    assert len(copy) == len(other) == BIG and copy[7] == other[7] == 7


def test_where_what_cannot_be_moved_is():
    with pytest.raises(TypeError, match=r"the value\[1\]\['a'\]: a _thread.lock"):
        _send_copy([1, move({"a": threading.Lock()})])


def test_all_or_nothing():
    content, rows = bytearray(b"x" * BIG), [b"y" * BIG]
    numbers = numpy.arange(BIG)
    with pytest.raises(TypeError, match="lock"):
        _send_copy([move(content), move(rows), move(numbers), threading.Lock()])
    assert content == b"x" * BIG and rows == [b"y" * BIG]
    assert numbers.flags.owndata and numbers[7] == 7 and len(numbers) == BIG


def test_pickling_that_changes_what_is_moved():
    rows = [b"y" * BIG, bytearray(b"z" * BIG)]

    class Changing:
        def __reduce__(self):
            kept.extend(rows)
            rows.clear()
            return list, ()

    kept = []
    rows.append(Changing())
    moved = _send_copy(move(rows))
    assert moved == [b"y" * BIG, b"z" * BIG, []]
    assert kept[:2] == [b"y" * BIG, b"z" * BIG] and kept[0] is not moved[0]


def test_numpy_arrays_that_nobody_else_has(worker):
    for make in (
        lambda: numpy.ones((300, 400)),
        lambda: numpy.asfortranarray(numpy.ones((300, 400))),
        lambda: numpy.zeros(BIG, dtype=[("a", "i4"), ("b", "f8")]),
        lambda: numpy.ones(BIG, dtype="c16"),
    ):
        only = [[make()]]
        where = only[0][0].ctypes.data
        result = _send_last(only)[0]
        assert result.ctypes.data == where and (result == make()).all()
        assert result.dtype == make().dtype and result.flags.writeable
        assert result.flags.f_contiguous == make().flags.f_contiguous
        assert worker.call(make).sum() == make().sum() if result.dtype.names is None else True
    only = [numpy.ones(BIG)]
    only[0].flags.writeable = False
    assert not _send_last(only).flags.writeable


def test_numpy_arrays_that_are_copied():
    whole = numpy.arange(BIG)
    for one in (
        whole,
        whole[::2],
        whole[5:],
        numpy.arange(10),
        numpy.array(5),
        numpy.array([1, "x", None] * BIG, dtype=object),
        numpy.array(["2020-01-01"] * BIG, dtype="M8[s]"),
        numpy.rec.array([(1, 2.5)], names="a,b"),
        numpy.float64(1.5),
        numpy.zeros((0, 5)),
    ):
        copied = _send_last([[one]])[0]
        assert type(copied) is type(one) and (copied == one).all()
        assert copied.dtype == one.dtype and copied.shape == one.shape
    assert (whole == numpy.arange(BIG)).all()


def test_moving_numpy_arrays():
    def moved(make_view):
        numbers = numpy.arange(float(BIG))
        where = numbers.ctypes.data
        views = [numbers[3:]] if make_view else []
        result = _send_copy({"n": move(numbers)})["n"]
        assert (result == numpy.arange(float(BIG))).all()
        result += 1
        if views:
            assert views[0][0] == 3
        return result.ctypes.data == where, len(numbers), numbers.sum() == 0

    assert moved(False) == (True, 0, True)
    assert moved(True) == (False, BIG, False)
    numbers = numpy.arange(BIG)
    kept = [numbers]
    with pytest.raises(ValueError, match="may be views of it"):
        _send_copy(move(numbers, strict=True))
    assert kept[0][5] == 5


def test_memory_of_numpy_arrays_is_freed():
    run_alone("""
        import gc
        import numpy
        from allcores._core import _encode, _send_copy, _send_last
        from allcores import move
        def resident():
            gc.collect()
            with open("/proc/self/statm") as file:
                return int(file.read().split()[1]) * 4096 >> 20
        before = resident()
        for _ in range(100):
            _send_last([numpy.ones(1 << 20)])
            numbers = numpy.ones(1 << 20)
            _send_copy(move(numbers))
            numbers = numpy.ones(1 << 20)
            _encode([move(numbers)])
        assert resident() < before + 60, (before, resident())
    """)


def test_a_view_is_over_the_owners_memory(worker):
    content = bytearray(b"hello" * BIG)

    def look(memory):
        memory[0] = 72
        return type(memory).__name__, memory.nbytes, memory[:5].tobytes(), memory.readonly

    assert worker.call(look, view(content, writable=True)) == (
        "memoryview", 5 * BIG, b"Hello", False,
    )  # fmt: skip
    assert content[:5] == b"Hello"
    with pytest.raises(TypeError, match="read-only"):
        worker.call(look, view(content))
    shaped = _send_copy(view(numpy.arange(24).reshape(2, 3, 4)))
    assert shaped.shape == (2, 3, 4) and shaped[1, 2, 3] == 23 and shaped.format == "l"
    assert numpy.asarray(shaped).dtype == numpy.arange(1).dtype


@pytest.mark.parametrize(
    "make", [lambda: b"x" * 10, lambda: array.array("d", [1.5]), lambda: mmap.mmap(-1, 4096)]
)
def test_whatever_has_a_buffer(make):
    one = make()
    copied = _send_copy([view(one), view(one)])
    assert copied[0].tobytes() == copied[1].tobytes() == memoryview(one).tobytes()


def test_what_has_no_view():
    with pytest.raises(TypeError):
        view("text")
    with pytest.raises(BufferError, match="C-contiguous"):
        view(numpy.arange(100)[::2])
    with pytest.raises(BufferError):
        view(b"bytes", writable=True)
    with pytest.raises(TypeError, match="view"):
        view(b"bytes", read=True)


def test_the_owner_is_pinned_until_the_last_view_goes(worker):
    content = bytearray(100)
    memory = _send_copy(view(content))
    with pytest.raises(BufferError):
        content.append(1)
    part = memory[5:]
    again = _send_copy(view(memory))
    del memory, part
    with pytest.raises(BufferError):
        content.append(1)
    del again
    content.append(1)
    _encode(view(content))  # never received
    content.append(1)
    # Dropped in another interpreter: the main one gets it back by a pending call.
    worker.call("kept = []")
    worker.call(keep, view(content))
    with pytest.raises(BufferError):
        content.append(1)
    worker.call("kept.clear()")
    for _ in range(1000):
        pass  # a pending call is run here at the latest
    content.append(1)
    # And the other way round: the worker gets it back as a job.
    worker.call("content = bytearray(100)")
    memory = worker.call("__import__('allcores').view(content)")
    with pytest.raises(BufferError):
        worker.call("content.append(1)")
    del memory
    worker.call("content.append(1)")


def keep(memory):
    sys.modules["__main__"].kept.append(memory)


@pytest.mark.parametrize("images", [False, True])
def test_owners_may_end_first(images):
    """Also where the memory of an interpreter is given back as a whole (numpy needs an image)."""
    run_alone(
        """
        import gc, sys
        import allcores
        from allcores import view
        def make(size, images):
            if images:
                import numpy
            return [allcores.view(bytes([i]) * size) for i in range(1, 5)]
        def onward(memory):
            return allcores.view(memory)
        kept = []
        for size in (10, 100, 1000, 1_000_000):
            one, two = allcores.Interpreter(), allcores.Interpreter()
            some = one.call(make, size, sys.argv[1] == "True")
            some += [two.call(onward, view(each)) for each in some]
            two.destroy()
            one.destroy()
            kept.append((size, some))
            gc.collect()
        for _ in range(3):
            allcores.Interpreter().destroy()
        trash = [bytes(1000) for _ in range(10_000)]
        for size, some in kept:
            for i, each in enumerate(some):
                assert each.nbytes == size and each.tobytes() == bytes([i % 4 + 1]) * size
        del kept, some, each
        gc.collect()
        """,
        str(images),
    )


def test_large_results_where_heaps_are_watched():
    """With images, blocks are noted with their interpreters: what changes hands, anew."""
    run_alone("""
        import gc
        import allcores
        def make(n):
            import numpy, array
            return [b"x" * n, "y" * n, bytearray(n), array.array("d", [1.5]) * n, numpy.ones(n)]
        kept = []
        for _ in range(3):
            with allcores.Interpreter() as one, allcores.Interpreter() as two:
                some = [one.call(make, 100_000) for _ in range(5)]
                kept += [two.call(list, each) for each in some] + some
        gc.collect()
        for a, b, c, d, e in kept:
            assert a == b"x" * 100_000 and b == "y" * 100_000 and c == bytes(100_000)
            assert d[-1] == 1.5 and e.sum() == 100_000
            c += b"1"
            d.append(2.5)
    """)
