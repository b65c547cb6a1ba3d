"""Sockets that talk, in threads and on an event loop; a poller; messages without copies."""

import asyncio
import threading

import zmq
import zmq.asyncio


def answer(context: zmq.Context, address: str) -> None:
    with context.socket(zmq.REP) as socket:
        socket.connect(address)
        for _ in range(50):
            socket.send(socket.recv().upper())


async def on_a_loop() -> bytes:
    context = zmq.asyncio.Context()
    sender, receiver = context.socket(zmq.PUSH), context.socket(zmq.PULL)
    receiver.bind("inproc://loop")
    sender.connect("inproc://loop")
    await sender.send(b"x" * 1000, copy=False)
    found = await receiver.recv()
    sender.close()
    receiver.close()
    context.term()
    return found[:2]


def work() -> object:
    with zmq.Context() as context, context.socket(zmq.REQ) as socket:
        port = socket.bind_to_random_port("tcp://127.0.0.1")
        thread = threading.Thread(target=answer, args=(context, f"tcp://127.0.0.1:{port}"))
        thread.start()
        found = []
        for i in range(50):
            socket.send(b"line %d" % i)
            assert socket.poll(30_000)
            found.append(socket.recv())
        thread.join()
    return found[-1], asyncio.run(on_a_loop())
