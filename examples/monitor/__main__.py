"""A server whose workers share one object: how much each client may still ask for.

python examples/monitor --port 8080
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import limited
from limiter import Limiter

import allcores


def main() -> int:
    parser = argparse.ArgumentParser(prog="monitor", description=__doc__)
    parser.add_argument("--port", type=int, default=8080, help="0 for any free one (8080)")
    parser.add_argument("--workers", type=int, default=None, help="4 for each CPU")
    parser.add_argument("--rate", type=float, default=10, help="requests a second and client (10)")
    parser.add_argument("--burst", type=float, default=20, help="and so many at once (20)")
    arguments = parser.parse_args()
    # In an interpreter of its own, where it waits for nobody; the workers get its proxy.
    limited.limiter = allcores.host(Limiter, arguments.rate, arguments.burst)
    allcores.serve(limited.handle, port=arguments.port, workers=arguments.workers)
    return 0


if __name__ == "__main__":
    sys.exit(main())
