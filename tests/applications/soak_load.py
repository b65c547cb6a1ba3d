"""The load of soak.py, a process for each application: soak_load.py APPLICATION PORT

"go" on standard input starts all clients, "stop" lets each finish what it is with; then one line of
JSON says how many requests were answered rightly, how many clients were rude, and what went wrong.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Awaitable

from soak_clients import RIGHT, Rude, fails, rude, talk
from soak_http import Connection, WrongAnswer

LONGEST = 90.0  # seconds for one request, also on a machine that is busy with other things
CLIENTS = {"right": 20, "rude": 6, "websocket": 4}


class Load:
    def __init__(self, name: str, port: int) -> None:
        self.name = name
        self.port = port
        self.stop = asyncio.Event()
        self.counts: Counter[str] = Counter()
        self.errors: list[str] = []
        self.began = 0.0

    async def run(self) -> dict[str, object]:
        """Everybody, until `stop` is set."""
        self.stop.clear()
        self.counts.clear()
        self.errors = []
        self.began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for _ in range(CLIENTS["right"]):
                group.create_task(self.again(self.right))
            for _ in range(CLIENTS["rude"]):
                group.create_task(self.again(self.rude))
            if self.name == "fastapi":
                for _ in range(CLIENTS["websocket"]):
                    group.create_task(self.again(self.websocket))
            group.create_task(self.again(self.failing))
        return {**self.counts, "errors": self.errors}

    async def again(self, client: Rude) -> None:
        while not self.stop.is_set():
            try:
                await client(self.port)
            except Exception as error:
                at = f"{time.monotonic() - self.began:.2f} s after the round's begin"
                self.errors.append(f"{at}: {client.__name__}: {type(error).__name__}: {error}")
                await asyncio.sleep(0.1)

    async def right(self, port: int) -> None:
        """A connection with many requests, each of which must get its answer."""
        connection = await Connection.open(port)
        try:
            for _ in range(random.randrange(1, 200)):
                if self.stop.is_set():
                    break
                ask = random.choice(RIGHT[self.name])
                place = connection.writer.get_extra_info("sockname")
                await self.within(ask(connection), f"{ask.__name__} from {place}")
                self.counts["right"] += 1
        finally:
            connection.close()

    async def rude(self, port: int) -> None:
        way = random.choice(rude(self.name))
        await self.within(way(port), way.__name__)
        self.counts["rude"] += 1
        await asyncio.sleep(random.random() / 20)

    async def websocket(self, port: int) -> None:
        self.counts["messages"] += await talk(port, self.stop)

    async def failing(self, port: int) -> None:
        connection = await Connection.open(port)
        try:
            await self.within(fails(connection), "fails")
            self.counts["failed"] += 1
        finally:
            connection.close()
        await asyncio.sleep(0.2)

    async def within(self, doing: Awaitable[None], what: str) -> None:
        """Raises WrongAnswer, which says what was asked, for whatever goes wrong."""
        try:
            async with asyncio.timeout(LONGEST):
                await doing
        except Exception as error:
            raise WrongAnswer(f"{what}: {type(error).__name__}: {error}") from error


async def main() -> None:
    load = Load(sys.argv[1], int(sys.argv[2]))
    running: asyncio.Task[dict[str, object]] | None = None
    while line := await asyncio.to_thread(sys.stdin.readline):
        if line == "go\n":
            running = asyncio.create_task(load.run())
        elif running is not None:
            load.stop.set()
            print(json.dumps(await running), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
