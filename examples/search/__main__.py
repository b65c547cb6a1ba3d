"""Instant search over a large read-only index, served from every core of one process."""

import argparse
import contextlib
import ctypes
import difflib
import gc
import os
import signal
import socket
import stat
import sys
from pathlib import Path
from typing import NoReturn

import cache
import content
import dump
import pydocs
import routes
import titles
import unpack
from pool import Pool
from trouble import Trouble, reason

import allcores

PROGRAM = "./run"


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


def port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no port: a number from 0 (any free one) to 65535"
        )
    return int(text)


def workers(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 1024:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of workers: 1 to 1024")
    return int(text)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = Parser(prog=PROGRAM, description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "--port",
        type=port,
        default=8000,
        metavar="N",
        help="port to listen on, 0 for any free one (default: 8000)",
    )
    parser.add_argument(
        "--host", default="127.0.0.1", metavar="H", help="address to listen on (default: 127.0.0.1)"
    )
    parser.add_argument(
        "--workers",
        type=workers,
        metavar="N",
        help="how many interpreters serve (default: by the number of cores)",
    )
    parser.add_argument(
        "--dump",
        type=Path,
        metavar="FILE",
        help="a MediaWiki dump, .xml or .xml.bz2 (default: this Python's documentation)",
    )
    return parser.parse_args(arguments)


def check_address(host: str, port: int) -> None:
    """Fail now rather than after the index is made, if nobody could listen there."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
    except OSError as error:
        raise Trouble(f"cannot listen on {host}, port {port}: {reason(error)}") from error


def open_dump(path: Path, pool: Pool) -> tuple[titles.Index, Path, int]:
    """The index of a dump, the file of plain XML that it is for, and the number of its pages."""
    try:
        try:
            with path.open("rb") as file:
                state = os.fstat(file.fileno())
                if not stat.S_ISREG(state.st_mode):
                    raise Trouble("is no file that can be read more than once (a pipe or a device)")
                packed = file.read(3) == unpack.MAGIC
            plain = path.resolve()
            if packed:
                plain = unpacked(plain, state, pool)
            dump.check(plain)
            index, pages = dump.build(plain, pool)
        except OSError as error:
            raise Trouble(f"cannot be read: {reason(error)}") from error
    except Trouble as trouble:
        raise Trouble(f"{path}: {trouble}", trouble.status) from trouble
    return index, plain, pages


def unpacked(path: Path, state: os.stat_result, pool: Pool) -> Path:
    """The plain XML of a packed dump, kept in the cache folder: another version of the file has
    another name there.
    """

    def make(part: Path) -> None:
        unpack.unpack(path, part, pool)
        # What is none is not kept.
        dump.check(part)

    return cache.made(
        f"{path.name.removesuffix('.bz2').removesuffix('.xml')}"
        f"-{state.st_dev:x}-{state.st_ino:x}-{state.st_size:x}-{state.st_mtime_ns:x}.xml",
        make,
    )


def load(options: argparse.Namespace) -> dict[str, object]:
    """What the server serves, not frozen yet."""
    with Pool(allcores.cpu_count()) as pool:
        if options.dump is not None:
            index, source, pages = open_dump(options.dump, pool)
            count = titles.count(index)
            if count < pages:
                print(
                    f"search: {pages - count:,} pages left out: a later page has the same title",
                    file=sys.stderr,
                )
            return content.data_for(
                index, source, "text/xml; charset=utf-8", "allcores search", "Case does not matter."
            )
        folder = cache.made(
            pydocs.cache_name(), lambda part: pydocs.write(part, pydocs.gather(pool))
        )
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        return content.data_for(
            pydocs.read(folder),
            folder / "source.txt",
            "text/plain; charset=utf-8",
            f"Python {version} documentation",
            "For example <q>os.path</q>, <q>str.</q> or just <q>append</q>.",
        )


def give_back_memory() -> None:
    """Return to the system what building the index has used and freed; malloc would keep it."""
    gc.collect()
    # Only glibc has it.
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def main() -> int:
    options = parse()
    try:
        check_address(options.host, options.port)
        data = allcores.freeze(load(options))
        give_back_memory()
        allcores.serve(
            routes.router_for(data), host=options.host, port=options.port, workers=options.workers
        )
    except Trouble as trouble:
        print(f"search: {trouble}", file=sys.stderr)
        return trouble.status
    except KeyboardInterrupt:
        print("search: stopped", file=sys.stderr)
        return 128 + signal.SIGINT
    return 0


if __name__ == "__main__":
    sys.exit(main())
