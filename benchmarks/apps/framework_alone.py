"""What an application costs without any server: python framework_alone.py MODULE asgi|wsgi SECONDS

Calls it as a server would, again and again, and prints microseconds of CPU time a request. What a
server has to do for a request is left out as far as can be: the environ is a copy of one that is
ready, as the scope's parts are, with what the load generator's requests have in it.
"""

import asyncio
import importlib
import io
import sys
import time
from collections.abc import Callable
from typing import Any

PATH = "/json"


async def asgi(app: Any, seconds: float) -> float:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        pass

    async def once() -> None:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": PATH,
            "raw_path": PATH.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"127.0.0.1:8000")],
            "client": ("127.0.0.1", 50000),
            "server": ("127.0.0.1", 8000),
        }
        await app(scope, receive, send)

    for _ in range(1000):
        await once()
    count, began = 0, time.process_time()
    while (used := time.process_time() - began) < seconds:
        for _ in range(100):
            await once()
        count += 100
    return used / count


def wsgi(app: Any, seconds: float) -> float:
    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        pass

    ready = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": PATH,
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "50000",
        "HTTP_HOST": "127.0.0.1:8000",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }

    def once() -> None:
        environ = ready.copy()
        response = app(environ, start_response)
        for _ in response:
            pass
        close: Callable[[], None] | None = getattr(response, "close", None)
        if close is not None:
            close()

    for _ in range(1000):
        once()
    count, began = 0, time.process_time()
    while (used := time.process_time() - began) < seconds:
        for _ in range(100):
            once()
        count += 100
    return used / count


if __name__ == "__main__":
    application = importlib.import_module(sys.argv[1]).app
    length = float(sys.argv[3])
    if sys.argv[2] == "asgi":
        print(asyncio.run(asgi(application, length)) * 1e6)
    else:
        print(wsgi(application, length) * 1e6)
