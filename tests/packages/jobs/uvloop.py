"""A server and clients on one loop, timers, threads, subprocesses' pipes."""

import asyncio

import uvloop


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line.upper())
    writer.close()


async def ask(port: int, number: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"line %d\n" % number)
    answer = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return answer


async def main() -> object:
    loop = asyncio.get_running_loop()
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    answers = await asyncio.gather(*(ask(port, i) for i in range(20)))
    server.close()
    await server.wait_closed()
    timed = await asyncio.gather(*(asyncio.sleep(0, i) for i in range(100)))
    in_thread = await loop.run_in_executor(None, sum, [1, 2, 3])
    return type(loop).__module__, answers[19], sum(timed), in_thread


def work() -> object:
    return uvloop.run(main())
