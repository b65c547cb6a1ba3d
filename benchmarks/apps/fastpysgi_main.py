"""FastPySGI has no workers on its command line: python fastpysgi_main.py MODULE PORT WORKERS."""

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
