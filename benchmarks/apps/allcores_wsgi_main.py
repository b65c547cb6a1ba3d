"""python allcores_wsgi_main.py PORT [WORKERS]; without a number as many as allcores has."""

import sys

import allcores

if __name__ == "__main__":
    workers = int(sys.argv[2]) if len(sys.argv) > 2 else None
    allcores.serve("wsgi_app:app", host="127.0.0.1", port=int(sys.argv[1]), workers=workers)
