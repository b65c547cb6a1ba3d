"""When a server's worker collects garbage."""

from collections.abc import Callable

import pytest
from programs import run_alone

from allcores import _collector


class Heap:
    """Stands for the modules gc and time: counts what is asked for."""

    def __init__(self) -> None:
        self.young = 0
        self.clock = 100.0
        self.full_seconds = 0.0
        self.collections: list[int] = []
        self.frozen_after: list[int] = []

    def get_count(self) -> tuple[int, int, int]:
        return (self.young, 0, 0)

    def collect(self, generation: int = 2) -> int:
        self.collections.append(generation)
        self.young = 0
        if generation == 2:
            self.clock += self.full_seconds
        return 0

    def freeze(self) -> None:
        self.frozen_after.append(len(self.collections))

    def unfreeze(self) -> None:
        raise AssertionError("only at the end of an interpreter")

    def register(self, function: Callable[[], None]) -> None:
        assert function == self.unfreeze

    def monotonic(self) -> float:
        return self.clock


@pytest.fixture
def heap(monkeypatch: pytest.MonkeyPatch) -> Heap:
    heap = Heap()
    monkeypatch.setattr(_collector, "gc", heap)
    monkeypatch.setattr(_collector, "time", heap)
    monkeypatch.setattr(_collector, "atexit", heap)
    return heap


def serving(heap: Heap) -> _collector.Collector:
    """One that has frozen what was loaded."""
    collector = _collector.Collector()
    heap.young = collector.young_when_idle + 1
    collector.idle(True)
    heap.collections.clear()
    return collector


def test_what_was_loaded_is_collected_once_and_frozen(heap: Heap) -> None:
    collector = _collector.Collector()
    heap.young = 1_000_000
    collector.idle(False)  # that would take long
    assert heap.collections == heap.frozen_after == []
    collector.idle(True)
    assert heap.collections == [2]
    assert heap.frozen_after == [1]
    heap.young = collector.young_when_idle + 1
    collector.idle(True)
    assert heap.collections == [2, 0]
    assert heap.frozen_after == [1]


def test_what_was_loaded_is_frozen_when_never_idle(heap: Heap) -> None:
    collector = _collector.Collector()
    heap.young = collector.young_when_busy + 1
    collector.busy(True)
    assert heap.collections == [2]
    assert heap.frozen_after == [1]


def test_nothing_to_collect(heap: Heap) -> None:
    collector = serving(heap)
    heap.young = collector.young_when_idle
    collector.idle(True)
    heap.young = collector.young_when_busy
    collector.busy(True)
    assert heap.collections == []


def test_young_garbage_goes_when_idle_and_much_of_it_when_busy(heap: Heap) -> None:
    collector = serving(heap)
    heap.young = collector.young_when_idle + 1
    collector.busy(True)
    assert heap.collections == []
    collector.idle(True)
    assert heap.collections == [0]
    heap.young = collector.young_when_busy + 1
    collector.busy(True)
    assert heap.collections == [0, 0]


def test_everything_is_collected_now_and_then(heap: Heap) -> None:
    collector = serving(heap)
    for _ in range(collector.full_when_idle * 2 + 2):
        heap.young = collector.young_when_idle + 1
        collector.idle(True)
    young = [0] * collector.full_when_idle
    assert heap.collections == [*young, 2, *young, 2]


def test_only_one_worker_at_a_time_collects_everything(heap: Heap) -> None:
    collector = serving(heap)
    for _ in range(collector.full_when_idle * 2):
        heap.young = collector.young_when_idle + 1
        collector.idle(False)
    assert 2 not in heap.collections
    heap.young = collector.young_when_idle + 1
    collector.idle(True)
    assert heap.collections[-1] == 2


def test_a_large_heap_is_collected_for_a_small_part_of_the_time(heap: Heap) -> None:
    collector = serving(heap)
    heap.full_seconds = 0.2
    begin = heap.clock
    for _ in range(20_000):
        heap.clock += 0.001
        heap.young = collector.young_when_idle + 1
        collector.idle(True)
    spent = heap.collections.count(2) * heap.full_seconds
    assert 0.01 < spent / (heap.clock - begin) < 0.03


def test_little_is_collected_while_loading():
    run_alone("""
    import gc
    from allcores._collector import Collector
    usual = gc.get_threshold()
    collector = Collector()
    collector.load()
    before = gc.get_stats()
    kept = [[] for _ in range(200_000)]
    assert gc.get_stats() == before
    collector.start()
    assert gc.get_threshold() == usual and not gc.isenabled()
    """)


def test_an_applications_own_threshold_stays():
    run_alone("""
    import gc
    from allcores._collector import Collector
    collector = Collector()
    collector.load()
    gc.set_threshold(50_000, 20, 30)
    collector.start()
    assert gc.get_threshold()[:2] == (50_000, 20)
    """)
