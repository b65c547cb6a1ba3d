"""Messages, and callbacks through cffi on the library's own threads."""

import threading

import pynng


def work() -> object:
    came = threading.Event()
    with pynng.Pair0() as server, pynng.Pair0() as client:
        server.add_post_pipe_connect_cb(lambda pipe: came.set())
        server.listen("inproc://work")
        client.dial("inproc://work", block=True)
        assert came.wait(30)
        for i in range(100):
            client.send(b"%d" % i)
            received = server.recv()
    try:
        client.send(b"")
    except pynng.exceptions.Closed as error:
        return received, type(error).__name__
