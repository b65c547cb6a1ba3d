"""When a server's worker collects garbage: while it is idle, so that no request waits for it.

CPython's own trigger runs in the middle of whatever allocates the 2,000th container, also when
that is a request. A worker turns it off and is asked here instead: when nothing is ready to be
served (`idle`), and every few hundred requests when that never happens (`busy`). The first time it
collects everything and freezes what stays (modules, the handler, its data), so that a collection
looks only at what requests left behind. `./bench gc` compares the two.

While all that is loaded, hardly any of it is garbage (one object in 300 of scikit-learn), and to
look at it again and again took a twelfth of the import. So nothing looks until the first requests
are answered.
"""

from __future__ import annotations

import atexit
import gc
import time

# Containers that may be made while the handler is loaded, until they are looked at.
YOUNG_WHEN_LOADING = 1_000_000


class Collector:
    """Decides between two requests whether to collect, and what."""

    # Containers that are alive and young: more than this many are looked at when idle, more than
    # that when busy.
    young_when_idle = 700
    young_when_busy = 50_000
    # After so many young collections the whole heap that requests made is collected, when idle;
    # and when it never is. But that takes at most this part of the time: an application that keeps
    # a million objects pays 200 ms for each.
    full_when_idle = 20
    full_when_busy = 100
    full_share = 0.02

    def __init__(self) -> None:
        self._since_full = 0
        self._no_full_before = 0.0
        self._usual: tuple[int, int, int] | None = None
        self._frozen = False

    def load(self) -> None:
        """The worker is about to load what it serves."""
        self._usual = gc.get_threshold()
        gc.set_threshold(YOUNG_WHEN_LOADING, *self._usual[1:])

    def start(self) -> None:
        """The worker is about to serve."""
        if self._usual and gc.get_threshold()[0] == YOUNG_WHEN_LOADING:
            gc.set_threshold(*self._usual)  # the application has set no other
        gc.disable()

    def idle(self, at_length: bool) -> None:
        """Nothing is ready to be served; `at_length`: no other worker collects, so it may take
        long.
        """
        if gc.get_count()[0] > self.young_when_idle:
            self._collect(self.full_when_idle, at_length)

    def busy(self, at_length: bool) -> None:
        """Several hundred requests were served without an idle moment."""
        if gc.get_count()[0] > self.young_when_busy:
            self._collect(self.full_when_busy, at_length)

    def _collect(self, limit: int, at_length: bool) -> None:
        if not self._frozen:
            # Young is all that was loaded: even to look at that takes long.
            if at_length:
                self._freeze()
            return
        self._since_full += 1
        begin = time.monotonic()
        if not at_length or self._since_full <= limit or begin < self._no_full_before:
            gc.collect(0)
            return
        self._since_full = 0
        gc.collect()
        end = time.monotonic()
        self._no_full_before = end + (end - begin) / self.full_share

    def _freeze(self) -> None:
        """What exists now stays, until the interpreter ends."""
        gc.collect()
        gc.freeze()
        self._frozen = True
        # The collections at its end would not find what is frozen, and CPython gives back an
        # interpreter's heap only if all of it is free.
        atexit.register(gc.unfreeze)
