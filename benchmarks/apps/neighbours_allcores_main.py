"""python neighbours_allcores_main.py PORT WORKERS: the search, on points that are frozen once."""

import sys

import neighbours_service

import allcores

if __name__ == "__main__":
    allcores.serve(
        neighbours_service.Service(),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        workers=int(sys.argv[2]),
    )
