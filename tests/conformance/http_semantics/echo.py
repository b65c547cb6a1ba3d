"""The server that the conformance cases are run against: echo.py FOLDER.

Says which port it took; answers /file/NAME and /part/NAME with that file of the folder or the bytes
from 100 to 199 of it, and anything else with what it understood of the request, as JSON. Ends when
its standard input does.
"""

import os
import signal
import sys
import threading

import allcores
from allcores import http

folder = sys.argv[1]


def echo(request):
    place, name = request.path[:6], request.path[6:]
    if place == "/file/":
        return http.FileResponse(f"{folder}/{name}", content_type="text/plain; charset=utf-8")
    if place == "/part/":
        return http.FileResponse(
            f"{folder}/{name}", start=100, stop=200, content_type="text/plain; charset=utf-8"
        )
    return {
        "method": request.method,
        "path": request.path,
        "body": request.body.decode("latin-1"),
        "fields": [list(field) for field in request.headers.multi_items()],
    }


def end_with_standard_input():
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


def ready(addresses):
    print(addresses[0].rpartition(":")[2], flush=True)
    threading.Thread(target=end_with_standard_input, daemon=True).start()


if __name__ == "__main__":
    allcores.serve(echo, port=0, workers=2, ready=ready)
