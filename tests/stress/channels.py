"""Channels under stress: items go through interpreters that come and go in the middle of it.

By pop, by pop with a timeout, by select, by coroutines that are cancelled.

    ./py tests/stress/channels.py [SECONDS]

Exit status 0 when nothing was lost but what an interpreter held that was destroyed, and nothing
came twice.
"""

from __future__ import annotations

import contextlib
import random
import sys
import threading
import time
from typing import Any

import allcores
from allcores import Channel, ChannelClosed

type Item = tuple[int, bytes]
KINDS = 4


def work(requests: Channel[Item], never: Channel[Item], replies: Channel[Item], kind: int) -> None:
    """Run in an interpreter of its own: pass items on until there are no more."""
    if kind == 0:
        for item in requests:
            replies.push(item)
    elif kind == 3:
        import asyncio

        asyncio.run(work_async(requests, replies))
    else:
        work_in_turns(requests, never, replies, kind == 1)


def work_in_turns(
    requests: Channel[Item], never: Channel[Item], replies: Channel[Item], by_pop: bool
) -> None:
    while True:
        try:
            item = requests.pop(0.002) if by_pop else next_of(requests, never)
        except TimeoutError:
            continue
        except ChannelClosed:
            return
        replies.push(item)


def next_of(requests: Channel[Item], never: Channel[Item]) -> Any:
    return allcores.select(never, requests, timeout=0.002)[1]


async def work_async(requests: Channel[Item], replies: Channel[Item]) -> None:
    import asyncio

    while True:
        try:
            async with asyncio.timeout(0.001):
                item = await requests.apop()
        except TimeoutError:
            continue
        except ChannelClosed:
            return
        await replies.apush(item)


def main(seconds: float) -> int:
    end = time.monotonic() + seconds
    requests = Channel[Item](10)
    replies = Channel[Item](rendezvous=True)
    never = Channel[Item]()
    destroyed = pushed = 0
    lock = threading.Lock()

    def come_and_go(kind: int) -> None:
        nonlocal destroyed
        choose = random.Random(kind)
        while time.monotonic() < end:
            interpreter = allcores.Interpreter()
            call = threading.Thread(target=run, args=(interpreter, kind))
            call.start()
            time.sleep(choose.random() / 10)  # it may be anywhere when it is destroyed
            interpreter.destroy(0)
            call.join()
            with lock:
                destroyed += 1

    def run(interpreter: allcores.Interpreter, kind: int) -> None:
        # Both are how it ends when it is destroyed.
        with contextlib.suppress(RuntimeError, allcores.RemoteError):
            interpreter.call(work, requests, never, replies, kind)

    def push() -> None:
        nonlocal pushed
        number = 0
        while time.monotonic() < end:
            requests.push((number, bytes(number % 3000)))
            number += 1
        pushed = number

    received: list[int] = []

    def collect() -> None:
        for number, data in replies:
            if len(data) != number % 3000:
                raise AssertionError(number)
            received.append(number)

    threads = [threading.Thread(target=come_and_go, args=(kind,)) for kind in range(KINDS)]
    threads.append(threading.Thread(target=push))
    collector = threading.Thread(target=collect)
    collector.start()
    with allcores.Interpreter() as last:
        # One that stays, so that nobody waits for ever.
        staying = threading.Thread(target=run, args=(last, 0))
        staying.start()
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        requests.close()
        staying.join()
    replies.close()
    collector.join()

    lost = pushed - len(set(received))
    twice = len(received) - len(set(received))
    print(f"{pushed:,} items, {destroyed} interpreters destroyed, {lost} lost, {twice} twice")
    idle = [each.statistics()["waiting_to_pop"] for each in (requests, never, replies)]
    return int(twice != 0 or not 0 <= lost <= destroyed or pushed == 0 or any(idle))


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 30))
