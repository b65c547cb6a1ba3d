"""Every operation of every frozen type gives what the ordinary object's gives, and none writes."""

from pathlib import Path

from programs import run_alone

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


def test_every_operation() -> None:
    run_alone(PROGRAM, str(STRESS), timeout=200)


def test_weak_references_to_frozen_sets_are_refused() -> None:
    run_alone(WEAK, str(STRESS), timeout=200)
