"""Prepared statements, a pool, a refused connection; the other side is a fake."""

import asyncio

import asyncpg

from jobs._postgres import Server


async def main(port: int) -> object:
    address = {"host": "127.0.0.1", "port": port, "user": "u", "database": "d", "ssl": False}
    connection = await asyncpg.connect(**address)
    found = [await connection.fetchval("select answer") for _ in range(50)]
    rows = await connection.fetch("select answer")
    await connection.close()
    return sum(found), dict(rows[0])


def work() -> object:
    with Server() as server:
        result = asyncio.run(main(server.port))
    try:
        asyncio.run(main(server.port))
    except OSError:
        return result
    raise AssertionError("the server is gone")
