"""FastPySGI has no workers on its command line: python fastpysgi_main.py asgi|wsgi PORT WORKERS."""

import sys

import fastpysgi

if __name__ == "__main__":
    if sys.argv[1] == "asgi":
        from asgi_app import app
    else:
        from wsgi_app import app  # type: ignore[assignment]
    # Its default, Nagle's algorithm, holds pipelined answers back for 40 ms.
    fastpysgi.server.tcp_nodelay = 1
    fastpysgi.run(app, host="127.0.0.1", port=int(sys.argv[2]), workers=int(sys.argv[3]))
