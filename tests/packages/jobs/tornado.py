"""A server and a client that talk, and a web socket's mask."""

import asyncio

import tornado.httpclient
import tornado.httpserver
import tornado.netutil
import tornado.util
import tornado.web


class Handler(tornado.web.RequestHandler):
    async def get(self, name: str) -> None:
        await asyncio.sleep(0)
        self.write({"name": name})


async def main() -> object:
    server = tornado.httpserver.HTTPServer(tornado.web.Application([(r"/(.*)", Handler)]))
    sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    port = sockets[0].getsockname()[1]
    client = tornado.httpclient.AsyncHTTPClient()
    answers = [await client.fetch(f"http://127.0.0.1:{port}/n{i}") for i in range(20)]
    client.close()
    server.stop()
    await server.close_all_connections()
    return answers[-1].body, answers[-1].code


def work() -> object:
    masked = tornado.util._websocket_mask(b"abcd", b"some data")
    return asyncio.run(main()), masked
