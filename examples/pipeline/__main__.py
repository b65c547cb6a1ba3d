"""A pipeline: read a file, work on its blocks on all cores, write what came of them in order.

python examples/pipeline articles.jsonl summaries.jsonl
"""

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import allcores

sys.path.insert(0, str(Path(__file__).resolve().parent))

from pipeline_steps import Block, read, step, transform, write


def run(source: str, target: str, workers: int) -> int:
    """All steps at once, each in its own interpreter; the number of lines written."""
    # As much is on its way as keeps everyone busy: a slow step makes those before it wait.
    blocks = allcores.Channel[Block](2 * workers)
    results = allcores.Channel[Block](2 * workers)
    with ExitStack() as stack:
        interpreters = [stack.enter_context(allcores.Interpreter()) for _ in range(workers + 2)]
        reader, writer, *others = (each.call for each in interpreters)
        # A thread for each call, as a call waits for its result.
        threads = stack.enter_context(ThreadPoolExecutor(len(interpreters)))
        try:
            reading = threads.submit(reader, step, read, source, blocks)
            writing = threads.submit(writer, step, write, results, target)
            working = [threads.submit(call, step, transform, blocks, results) for call in others]
            for each in (reading, *working):
                each.result()
            results.close()
            return writing.result()
        except BaseException:
            blocks.poison()
            results.poison()
            raise


def main() -> int:
    parser = argparse.ArgumentParser(prog="pipeline", description=__doc__)
    parser.add_argument("source", help="lines of JSON: objects with a title and a text")
    parser.add_argument("target", help="the file to be written")
    parser.add_argument("--workers", type=int, default=allcores.cpu_count())
    arguments = parser.parse_args()
    if arguments.workers < 1:
        parser.error("--workers must be at least 1")
    try:
        print(f"{run(arguments.source, arguments.target, arguments.workers):,} lines")
    except (OSError, ValueError, LookupError) as error:
        print(f"pipeline: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
