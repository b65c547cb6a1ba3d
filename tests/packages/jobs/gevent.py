"""Greenlets that sleep, a server and clients, queues, the pool of threads."""

import gevent
import gevent.pool
import gevent.queue
import gevent.server
import gevent.socket
import gevent.threadpool


def echo(connection: gevent.socket.socket, _: object) -> None:
    connection.sendall(connection.recv(100).upper())
    connection.close()


def ask(address: tuple[str, int], number: int) -> bytes:
    connection = gevent.socket.create_connection(address)
    connection.sendall(b"line %d" % number)
    answer = connection.recv(100)
    connection.close()
    return answer


def work() -> object:
    server = gevent.server.StreamServer(("127.0.0.1", 0), echo)
    server.start()
    address = ("127.0.0.1", server.server_port)
    answers = [each.get() for each in [gevent.spawn(ask, address, i) for i in range(20)]]
    server.stop()
    queue: gevent.queue.Queue[int] = gevent.queue.Queue()
    gevent.joinall([gevent.spawn(queue.put, i) for i in range(10)])
    total = sum(queue.get() for _ in range(10))
    pool = gevent.pool.Pool(3)
    doubled = pool.map(lambda x: x * 2, range(10))
    threads = gevent.threadpool.ThreadPool(2)
    summed = threads.apply(sum, ([1, 2, 3],))
    threads.kill()
    return answers[19], total, doubled, summed


def finish() -> None:
    """gevent's threads, which look up names, stay for ever otherwise."""
    gevent.get_hub().destroy()
