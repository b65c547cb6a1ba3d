"""What every worker imports: the handler, and how it gets at the one limiter."""

from typing import Any

import allcores
from allcores.http import Request, Response

limiter: Any = None  # in main: the proxy, before the server starts


@allcores.in_main
def shared_limiter() -> Any:
    return limiter


def handle(request: Request) -> Response:
    global limiter
    if limiter is None:  # the first time in this worker
        limiter = shared_limiter()
    if request.path == "/statistics":
        with limiter:  # both numbers at the same moment
            return Response({"allowed": limiter.allowed, "refused": limiter.refused})
    # Behind a proxy the server is told to trust, it is the address in X-Forwarded-For.
    if not limiter.allow(request.client[0]):
        return Response("slower, please\n", 429, {"retry-after": "1"})
    return Response("welcome\n")
