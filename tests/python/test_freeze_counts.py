"""Extensions for the stable ABI of a Python before 3.12 write reference counts into frozen objects.

Here ctypes does what they do: it writes into an object's first word.
"""

import pytest
from programs import run_alone, run_program

COUNTING = """
import ctypes, faulthandler, threading
import allcores

def count(object, change):
    word = ctypes.c_int64.from_address(id(object))
    before = word.value
    word.value = before + change
    return word.value - before

DATA = {"text": "x y", "bytes": b"z", "number": 12345678901, "float": 2.5, "wide": "\\u20ac 1",
        "list": [1, [2, "three"]], "tuple": ((), (1, "a b")), "set": {"s t"}, "dict": {"k l": {}}}

def everything(frozen):
    yield frozen
    for key, value in frozen.items():
        yield key
        yield value
    yield from (frozen["list"][1], frozen["tuple"][1], frozen["dict"]["k l"], *frozen["set"])
"""


def test_counts_of_all_types_are_written_and_the_data_stays():
    run_alone(
        COUNTING
        + """
frozen = allcores.freeze(DATA)
for each in everything(frozen):
    for change in (1, 1, -1, 7, -8):
        assert count(each, change) == change
assert allcores.thaw(frozen) == DATA
with allcores.Interpreter() as other:
    assert other.call(lambda frozen: frozen["list"][1][1] + frozen["text"], frozen) == "threex y"
"""
    )


def test_several_interpreters_count_at_once():
    run_alone(
        COUNTING
        + """
def work(frozen, count, everything):
    for _ in range(300):
        for each in everything(frozen):
            count(each, 1)
            count(each, -1)
    return repr(frozen)

frozen = [allcores.freeze(DATA) for _ in range(4)]
workers = [allcores.Interpreter() for _ in range(3)]
wrong = []

def check(worker, one):
    if worker.call(work, one, count, everything) != repr(one):
        wrong.append(one)

for one in frozen:
    threads = [threading.Thread(target=check, args=(each, one)) for each in workers]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
assert not wrong
assert all(allcores.thaw(one) == DATA for one in frozen)
for each in workers:
    each.destroy()
"""
    )


@pytest.mark.parametrize("enabled", ["before", "between"])
def test_with_faulthandler(enabled):
    """It prints nothing, as nothing is wrong; and what is wrong, it still reports."""
    done = run_program(
        COUNTING
        + f"""
faulthandler.disable()
if {enabled == "before"}:
    faulthandler.enable()
first = allcores.freeze(["a b"])
faulthandler.enable()
second = allcores.freeze(["c d"])
count(first, 1)
count(second[0], 1)
print("counted", flush=True)
third = allcores.freeze(["e f"])
ctypes.memset(id(third[0]) + 40, 0, 1)
print("not here")
"""
    )
    assert done.stdout == "counted\n"
    assert done.stderr.count("Fatal Python error: Segmentation fault") == 1
    assert done.returncode == -11


@pytest.mark.parametrize(
    "write",
    [
        "ctypes.memset(id(frozen) + 16, 0, 1)",  # its length
        "ctypes.memset(id(frozen) + 8, 0, 8)",  # its type
        "ctypes.memset(id(frozen[0]) + 40, 0, 1)",  # a string's text
        "ctypes.memset(id(frozen[0]) + 1, 0, 1)",  # in the middle of a count
    ],
)
def test_any_other_write_ends_the_process(write):
    done = run_program(COUNTING + f"frozen = allcores.freeze(['a string'])\n{write}\nprint('no')")
    assert (done.returncode, done.stdout) == (-11, "")


def test_a_signal_that_somebody_sends_does_what_it_did():
    done = run_program("""
    import os, signal
    import allcores
    allcores.freeze([1])
    os.kill(os.getpid(), signal.SIGSEGV)
    print("no")
    """)
    assert (done.returncode, done.stdout) == (-11, "")
    assert "Segmentation fault" in done.stderr
