"""Every operation of every frozen type gives what the ordinary object's gives, and none writes."""

import subprocess
import sys
from pathlib import Path

STRESS = Path(__file__).parents[1] / "stress"

PROGRAM = """
import sys, warnings
warnings.simplefilter("ignore")
sys.path.insert(0, sys.argv[1])
import frozen_operations as operations
from allcores import freeze, is_frozen, thaw
wrong = []
for ordinary in operations.samples():
    frozen = freeze(ordinary)
    assert is_frozen(frozen)
    wrong += operations.differences(frozen, ordinary)
    assert frozen == ordinary
print(*wrong[:20], sep="\\n")
assert not wrong, len(wrong)
"""

WEAK = """
import sys, weakref
sys.path.insert(0, sys.argv[1])
class Early(weakref.ref):
    pass
import frozen_operations as operations
from allcores import freeze
for value in (set(), {1}, frozenset(range(100))):
    left = operations.weak_references_are_refused(freeze(value))
    assert not left, left
    try:
        Early(freeze(value), print)
    except TypeError as error:
        assert "weak reference" in str(error)
    else:
        raise SystemExit("a subclass made before")
ordinary = frozenset({1})
assert weakref.ref(ordinary)() is ordinary and Early(ordinary)() is ordinary
assert weakref.proxy(ordinary) == ordinary and len(weakref.WeakSet([ordinary])) == 1
"""


def run(program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", program, str(STRESS)],
        capture_output=True,
        text=True,
        timeout=200,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def test_every_operation() -> None:
    run(PROGRAM)


def test_weak_references_to_frozen_sets_are_refused() -> None:
    run(WEAK)
