"""The application that test_serve.py runs in a server of its own process."""

import gc
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from allcores import http

router = http.Router()
kept: list[http.Request] = []
logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(message)s")


@router.get("/")
def root(request: http.Request) -> str:
    return "hello\n"


@router.get("/bytes")
def raw(request: http.Request) -> bytes:
    return b"\x00\xff"


@router.get("/json")
def json_value(request: http.Request) -> dict[str, Any]:
    return {"a": [1, 2.5, None, True], "é": "ü"}


@router.get("/null")
def null(request: http.Request) -> None:
    return None


@router.get("/frozen")
def frozen(request: http.Request) -> Any:
    return DATA


DATA = {"list": [1, {"deep": (True, None)}], "text": "é" * 10}
BIG = b"0123456789abcdef" * 65536


@router.get("/big")
def big(request: http.Request) -> bytes:
    return BIG


@router.get("/big-fresh/{size:int}")
def big_fresh(request: http.Request, size: int) -> bytes:
    return b"x" * size


@router.route("/echo", methods=["GET", "POST", "PUT"])
def echo(request: http.Request) -> dict[str, Any]:
    return {
        "method": request.method,
        "path": request.path,
        "raw_path": request.raw_path.decode("latin-1"),
        "query": {name: request.query.getlist(name) for name in request.query},
        "headers": {name: request.headers.getlist(name) for name in request.headers},
        "host": request.headers["HOST"],
        "cookies": request.cookies,
        "body": request.body.decode("latin-1"),
        "client": request.client.host,
        "scheme": request.scheme,
    }


@router.get("/echo/{rest:path}")
def echo_path(request: http.Request, rest: str) -> dict[str, Any]:
    return {"path": request.path, "rest": rest}


@router.get("/items/{number:int}/{name}")
def items(request: http.Request, number: int, name: str) -> dict[str, Any]:
    return {"number": number, "name": name}


@router.post("/json")
def post_json(request: http.Request) -> Any:
    return request.json()


@router.post("/form")
def post_form(request: http.Request) -> Any:
    form = request.form()
    return {name: form.getlist(name) for name in form}


@router.get("/raise")
def fail(request: http.Request) -> None:
    raise ZeroDivisionError("on purpose")


@router.get("/exit")
def leave(request: http.Request) -> None:
    sys.exit(7)


@router.get("/teapot")
def teapot(request: http.Request) -> None:
    raise http.HTTPError(418, "short and stout", {"x-pot": "tea"})


@router.get("/unserialisable")
def unserialisable(request: http.Request) -> object:
    return object()


@router.get("/bad-header")
def bad_header(request: http.Request) -> http.Response:
    return http.Response("x", headers={"x-bad": "a\r\nset-cookie: b=c"})


@router.get("/surrogate")
def surrogate(request: http.Request) -> str:
    return "\ud800"


@router.get("/response")
def response(request: http.Request) -> http.Response:
    answer = http.Response(
        {"made": True}, 201, {"x-one": "1", "x-latin": "é"}, "application/vnd.test+json"
    )
    answer.set_cookie("sid", "abc", httponly=True)
    return answer


@router.get("/no-content")
def no_content(request: http.Request) -> http.Response:
    return http.Response(status=204)


@router.get("/buffer")
def buffer(request: http.Request) -> http.Response:
    return http.Response(bytearray(b"abc"), content_type="text/x-test")


@router.get("/file")
def file(request: http.Request) -> http.FileResponse:
    return http.FileResponse(request.query["path"])


@router.get("/part")
def part(request: http.Request) -> http.FileResponse:
    return http.FileResponse(request.query["path"], 10, 20, content_type="text/x-part")


@router.get("/keep")
def keep(request: http.Request) -> str:
    kept.append(request)
    request.state["self"] = request
    return "kept"


@router.get("/kept")
def get_kept(request: http.Request) -> dict[str, Any]:
    found = [[r.path, r.query.get("n"), r.headers["host"], r.method, r.client.host] for r in kept]
    return {"kept": found, "interpreter": threading.get_ident()}


@router.get("/wait")
def wait(request: http.Request) -> str:
    """Until somebody writes to the pipe; then perhaps for ever."""
    with open(request.query["pipe"]) as pipe:
        text = pipe.read()
    then = request.query.get("then", "")
    if then:
        print("in it", file=sys.stderr)
    while then == "spin":
        pass
    if then == "sleep":
        time.sleep(1000)
    while then == "swallow":
        try:
            while True:
                pass
        except BaseException:
            pass
    return text


@router.get("/print")
def prints(request: http.Request) -> str:
    n = int(request.query["n"])
    print(f"out {n} ", "x" * 3000, end="|\n")
    logging.getLogger("app").info("log %d %s|", n, "y" * 300)
    return "printed"


@router.get("/garbage")
def garbage(request: http.Request) -> dict[str, Any]:
    for _ in range(200):
        cycle: list[Any] = []
        cycle.append(cycle)
    frozen = gc.get_freeze_count()
    return {"young": gc.get_count()[0], "enabled": gc.isenabled(), "frozen": frozen}


@router.get("/stats")
def stats(request: http.Request) -> dict[str, Any]:
    return http.statistics()


@router.get("/interrupt-here")
def interrupt_here(request: http.Request) -> str:
    signal.pthread_kill(threading.get_ident(), signal.SIGINT)
    return "felt"


@router.get("/os-exit")
def os_exit(request: http.Request) -> None:
    os._exit(9)


async def async_handler(request: http.Request) -> str:
    return "never"


def generator_handler(request: http.Request) -> Iterator[str]:
    yield "never"


number = 5
