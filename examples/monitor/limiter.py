"""A token bucket for each client. Ordinary Python: nothing in it is of allcores, or of threads."""

import time
from collections.abc import Callable


class Limiter:
    """At most `burst` requests at once, and `rate` a second in the long run, for each client."""

    def __init__(
        self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.rate = rate
        self.burst = burst
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}  # tokens, and when there were so many
        self.allowed = 0
        self.refused = 0

    def allow(self, client: str) -> bool:
        """Whether a client may go on; then it has one token less.

        Two that read the bucket before either has written it would both get its last token: that
        only one call at a time is in here is what the monitor is for.
        """
        now = self._clock()
        tokens, then = self._buckets.get(client, (self.burst, now))
        tokens = min(self.burst, tokens + (now - then) * self.rate)
        if tokens < 1:
            self.refused += 1
            return False
        self._buckets[client] = tokens - 1, now
        self.allowed += 1
        return True
