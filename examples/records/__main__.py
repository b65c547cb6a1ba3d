"""A FastAPI application over a million records that are in memory once, however many workers."""

import argparse
import importlib.util

import table as tables

import allcores


def main() -> int:
    parser = argparse.ArgumentParser(prog="examples/records", description=__doc__)
    parser.add_argument("--port", type=int, default=8000, help="0 for any free one (default: 8000)")
    parser.add_argument("--workers", type=int, default=None, help="default: 4 for each CPU")
    parser.add_argument("--records", type=int, default=1_000_000, help="how many to make")
    options = parser.parse_args()
    if importlib.util.find_spec("fastapi") is None:
        parser.exit(1, "it needs fastapi: pip install -r tools/requirements-examples.txt\n")
    table = tables.make(options.records)

    def application() -> object:
        """What each worker makes: the function is sent to it, and the table by its address."""
        import api

        return api.make(table)

    allcores.serve(
        application, interface="asgi", factory=True, port=options.port, workers=options.workers
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
