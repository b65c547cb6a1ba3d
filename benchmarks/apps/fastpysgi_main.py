"""FastPySGI has no workers on its command line: python fastpysgi_main.py MODULE PORT WORKERS.

Version 0.6 calls close() of what iter() makes of a WSGI application's result, not of the result
itself, as PEP 3333 wants. Django's results are not their own iterators: their close(), which ends a
request for Django (request_finished, and with it what database connections and caches do), is never
called, and its cost is not in the figures.
"""

import importlib
import sys

import fastpysgi

if __name__ == "__main__":
    app = importlib.import_module(sys.argv[1]).app
    # Its default, Nagle's algorithm, holds pipelined answers back for 40 ms.
    fastpysgi.server.tcp_nodelay = 1
    # So that it takes an upload of 20 MB.
    fastpysgi.server.max_content_length = 100_000_000
    fastpysgi.run(app, host="127.0.0.1", port=int(sys.argv[2]), workers=int(sys.argv[3]))
