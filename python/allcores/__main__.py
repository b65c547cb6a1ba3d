"""The command `allcores`, which is also `python -m allcores`."""

from __future__ import annotations

import os
import sys
from _signal import SIG_IGN, SIGINT, SIGTERM, signal  # type: ignore[import-not-found]
from collections.abc import Sequence

from allcores import __version__

# Each command is a module, imported when it is asked for. That of the server reads its arguments
# itself and has run(list of str); the others have add_arguments(parser) and run(arguments).
_SERVE = "serve"
_COMMANDS = {
    _SERVE: ("allcores._command", "serve an application from every core"),
    "check": ("allcores._check", "do packages work in interpreters of their own?"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line (that of the process by default) and return the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        # A program that only serves is spared what argparse imports.
        status = _serve(given[1:]) if given[:1] == [_SERVE] else _run(given)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        _forget_output()
        return 1
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        _forget_output()
        return status if given[:1] == [_SERVE] else 1
    return status


def _forget_output() -> None:
    """A pipe's reader has gone, or a disk is full: Python would complain once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _serve(given: list[str]) -> int:
    from allcores import _command

    try:
        return _command.run(given)
    finally:
        # The process ends in any case: one signal more, which came too late to end the server at
        # once, changes neither the status nor what is printed.
        for number in (SIGINT, SIGTERM):
            signal(number, SIG_IGN)


def _run(given: list[str]) -> int:
    import argparse
    import importlib

    parser = argparse.ArgumentParser(
        prog="allcores", description="Plain CPython on every core of one process."
    )
    parser.add_argument("--version", action="version", version=f"allcores {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (module_name, summary) in _COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary)
        if name in given[:1]:
            module = importlib.import_module(module_name)
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    parsed = parser.parse_args(given)
    status: int = parsed.run(parsed)
    return status


if __name__ == "__main__":
    sys.exit(main())
