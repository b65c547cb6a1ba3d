"""Which digit is this? A nearest-neighbour search by NumPy and scikit-learn, on every core."""

import argparse
import difflib
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

import answers
import digits

import allcores


class Parser(argparse.ArgumentParser):
    """Says what a mistyped option was probably meant to be."""

    def error(self, message: str) -> NoReturn:
        word, found, rest = message.partition("unrecognized arguments: ")
        if found and not word:
            known = [name for action in self._actions for name in action.option_strings]
            near = difflib.get_close_matches(rest.split()[0].partition("=")[0], known, 1)
            message = f"unknown option or argument: {rest}" + (
                f" (did you mean {near[0]}?)" if near else ""
            )
        self.exit(2, f"{self.prog}: {message}\n{self.format_usage()}")


def number(what: str, least: int, most: int) -> Callable[[str], int]:
    """What reads an option's value: a whole number within these bounds."""

    def read(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is no {what}: {least} to {most}")
        return int(text)

    return read


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = Parser(prog="examples/neighbours", description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "--port",
        type=number("port", 0, 65535),
        default=8000,
        metavar="N",
        help="port to listen on, 0 for any free one (default: 8000)",
    )
    parser.add_argument(
        "--host", default="127.0.0.1", metavar="H", help="address to listen on (default: 127.0.0.1)"
    )
    # What is done for a request is arithmetic alone: more workers than cores would only need more
    # memory.
    parser.add_argument(
        "--workers",
        type=number("number of workers", 1, 1024),
        default=allcores.cpu_count(),
        metavar="N",
        help="how many interpreters serve (default: one for each core)",
    )
    parser.add_argument(
        "--points",
        type=number("number of points", 1, digits.MOST),
        default=digits.USUAL,
        metavar="N",
        help=f"how many digits to search in, 1 to {digits.MOST} (default: {digits.USUAL})",
    )
    return parser.parse_args(arguments)


def main() -> int:
    options = parse()
    try:
        # Once in the process, and read in place by every interpreter.
        data = allcores.freeze(answers.read_files() | digits.load(options.points))
        allcores.serve(
            answers.Service(data), host=options.host, port=options.port, workers=options.workers
        )
    except digits.Missing as missing:
        print(f"neighbours: {missing}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("neighbours: stopped", file=sys.stderr)
        return 128 + signal.SIGINT
    return 0


if __name__ == "__main__":
    sys.exit(main())
