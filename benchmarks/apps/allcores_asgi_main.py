"""python allcores_asgi_main.py PORT [WORKERS]; without a number as many as allcores has."""

import sys

import allcores

if __name__ == "__main__":
    workers = int(sys.argv[2]) if len(sys.argv) > 2 else None
    allcores.serve("asgi_app:app", host="127.0.0.1", port=int(sys.argv[1]), workers=workers)
