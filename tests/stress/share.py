"""Shared objects under stress: interpreters call each other's, and come and go meanwhile.

Threads of main and of other interpreters call counters of interpreters that are destroyed in the
middle of it, and a hosted one that stays; objects call back into their callers, hold monitors in
any order, are dropped anywhere, and their finalizers call others again.

    ./py tests/stress/share.py [SECONDS]

Exit status 0 when no call was lost or done twice, every object died at home, and nothing hung.
"""

from __future__ import annotations

import contextlib
import random
import sys
import threading
import time
from typing import Any

import allcores
from allcores import Channel, OwnerGone

OWNERS = 3
CALLERS = 3


class Object:
    """Counts its calls, its objects that live, and calls back."""

    def __init__(self, deaths: Channel[int], live: Any) -> None:
        self.calls = 0
        self.deaths = deaths
        self.live = live

    def add(self, amount: int) -> int:
        self.calls += amount
        return self.calls

    def echo(self, value: Any) -> Any:
        return value

    def back(self, function: Any, depth: int) -> int:
        return int(function(function, depth - 1)) + 1 if depth else 0

    def __del__(self) -> None:
        self.deaths.push(1)
        # (Whatever it meets: this one or the other is ending.)
        with contextlib.suppress(Exception):
            self.live.add(-1)


class Live:
    def __init__(self) -> None:
        self.number = 0

    def add(self, amount: int) -> int:
        self.number += amount
        return self.number


def make(deaths: Channel[int], live: Any) -> Any:
    return allcores.share(Object(deaths, live))


def bounce(function: Any, depth: int) -> int:
    return int(function(function, depth - 1)) + 1 if depth > 0 else 0


def use(proxies: list[Any], hosted: Any, seconds: float, seed: int) -> int:
    """Run anywhere: how many calls of the hosted object were done."""
    choose = random.Random(seed)
    end = time.monotonic() + seconds
    done = 0
    back = allcores.share(bounce)
    while time.monotonic() < end:
        kind = choose.randrange(6) if proxies else 4
        proxy = choose.choice(proxies) if proxies else None
        try:
            match kind:
                case 0:
                    proxy.add(1)
                case 1:
                    value = [choose.random(), {"key": ("x" * choose.randrange(100), None)}]
                    if proxy.echo(value) != value:
                        raise AssertionError(value)
                case 2:
                    depth = choose.randrange(6)
                    if proxy.back(back, depth) != depth:
                        raise AssertionError(depth)
                case 3:
                    _ = [proxy.echo(proxy), proxy.add]  # others, which are dropped at once
                case 4:
                    with hosted:
                        number = hosted.calls
                        if hosted.add(1) != number + 1:
                            raise AssertionError("somebody else was inside")
                    done += 1
                case 5:
                    _ = str(proxy), hash(proxy), proxy == proxy.echo(1)
        except OwnerGone:
            time.sleep(0.001)
        except RuntimeError as error:
            if not str(error).startswith("deadlock"):
                raise
    return done


def main(seconds: float) -> int:
    end = time.monotonic() + seconds
    deaths: Channel[int] = Channel()
    live = allcores.host(Live)
    hosted = [allcores.host(Object, deaths, live)]  # until it is to die
    made = destroyed = 0
    lock = threading.Lock()
    proxies: list[Any] = [None] * OWNERS
    failures: list[BaseException] = []
    done: list[int] = []

    def own(place: int) -> None:
        """An interpreter after the other, whose object others call."""
        nonlocal made, destroyed
        choose = random.Random(place)
        while time.monotonic() < end:
            owner = allcores.Interpreter()
            with lock:
                made += 1
            proxies[place] = owner.call(make, deaths, live)
            time.sleep(choose.random() / 3)
            if choose.random() < 0.3:
                proxies[place] = None  # its last proxy may go before its interpreter
            if not owner.destroy(0.5):
                failures.append(RuntimeError("an interpreter was left behind"))
            with lock:
                destroyed += 1

    def call(seed: int) -> None:
        try:
            with allcores.Interpreter() as caller:
                while time.monotonic() < end:
                    some = [each for each in proxies if each is not None]
                    arguments = (some, hosted[0], 0.3, seed)
                    if seed % 2:
                        done.append(caller.call(use, *arguments))
                    else:
                        done.append(use(*arguments))
                    seed += 2
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=own, args=(place,)) for place in range(OWNERS)]
    threads += [threading.Thread(target=call, args=(seed,)) for seed in range(CALLERS)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    proxies.clear()
    counted = hosted[0].calls
    hosted.clear()
    for _ in range(made + 1):
        deaths.pop(timeout=60)
    print(
        f"{sum(done):,} calls of the hosted object, {counted:,} counted; {destroyed} interpreters "
        f"destroyed, {made} objects died; {len(failures)} failures"
    )
    for error in failures:
        print(repr(error), error.__cause__)
    return int(bool(failures) or counted != sum(done) or counted == 0 or len(deaths) != 0)


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 30))
