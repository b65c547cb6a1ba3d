"""The server that the conformance cases are run against: allcores.serve with an echo.

Says which port it took, and answers each request with what it understood of it, as JSON. Ends when
its standard input does.
"""

import os
import signal
import sys
import threading

import allcores


def echo(request):
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
