"""bzip2 unpacked on all cores into a file, because only plain bytes can be sent from a file as they
are.

A bzip2 file is a row of streams (one, or in a "multistream" dump a great many), each a row of
blocks that can be unpacked on their own. Blocks begin at any *bit*, with a mark of 48 bits; a
stream's end has another mark and a checksum over its blocks' checksums. So: find the marks, give
each block its own header and end, let an interpreter unpack it, and check the streams' checksums
over the sequence. Compressed data can contain a mark by chance (once in some thousand dumps); then
the sequence does not fit, and the whole file is unpacked again, one stream after the other.
"""

import bz2
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from pool import Pool
from progress import Progress, amount
from trouble import Trouble, reason

MAGIC = b"BZh"
BLOCK_MARK = 0x314159265359
END_MARK = 0x177245385090
MARK_BITS = 48
CHECK_BITS = 32
STEP = 1 << 20
BLOCKS_PER_TASK = 4

# One mark: its bit in the file, and whether it ends a stream.
type Mark = tuple[int, bool]
type Block = tuple[int, int]


class Unfitting(Exception):
    """The marks do not make a sequence of whole streams."""


def patterns(mark: int) -> list[tuple[int, bytes]]:
    """For each place in a byte where a mark can begin: the bytes that it then fills whole."""
    found = [(0, mark.to_bytes(6))]
    for shift in range(1, 8):
        placed = (mark << (8 - shift)).to_bytes(7)
        found.append((shift, placed[1:6]))
    return found


PATTERNS = [(shift, whole, False) for shift, whole in patterns(BLOCK_MARK)] + [
    (shift, whole, True) for shift, whole in patterns(END_MARK)
]


def bits(data: bytes, first: int, length: int) -> int:
    """`length` bits of the data from bit `first` on."""
    last = first + length
    value = int.from_bytes(data[first // 8 : (last + 7) // 8])
    return (value >> (-last % 8)) & ((1 << length) - 1)


def marks_in(data: bytes, limit: int) -> list[Mark]:
    """The marks that begin in the first `limit` bytes of the data, in order; bits are counted from
    its beginning.
    """
    found = []
    for shift, whole, is_end in PATTERNS:
        mark = END_MARK if is_end else BLOCK_MARK
        lead = 1 if shift else 0
        position = data.find(whole)
        while position >= 0:
            bit = 8 * (position - lead) + shift
            if (
                0 <= bit < 8 * limit
                and bit + MARK_BITS <= 8 * len(data)
                and bits(data, bit, MARK_BITS) == mark
            ):
                found.append((bit, is_end))
            position = data.find(whole, position + 1)
    return sorted(found)


def marks(file: BinaryIO, step: int = STEP) -> Iterator[Mark]:
    """All marks of a file, in order, with one step of it in memory."""
    base = 0
    data = file.read(step)
    while data:
        new = file.read(step)
        # A mark that begins in this step can reach 7 bytes into the next.
        for bit, is_end in marks_in(data + new[:7], len(data)):
            yield 8 * base + bit, is_end
        base += len(data)
        data = new


def unpack_blocks(path: str, *blocks: Block) -> tuple[tuple[bytes, int], ...] | None:
    """Each block's content and checksum; None when one is no block. Called in any interpreter."""
    results = []
    with open(path, "rb", buffering=0) as file:
        for first, last in blocks:
            file.seek(first // 8)
            data = file.read((last + 7) // 8 - first // 8)
            try:
                results.append(unpack_block(data, first % 8, last - first))
            except OSError, ValueError:
                return None
    return tuple(results)


def unpack_block(data: bytes, first: int, length: int) -> tuple[bytes, int]:
    """One block, as a stream of its own: a header, the block's bits, the end mark, the checksum."""
    block = bits(data, first, length)
    check = (block >> (length - MARK_BITS - CHECK_BITS)) & 0xFFFFFFFF
    stream = (block << (MARK_BITS + CHECK_BITS)) | (END_MARK << CHECK_BITS) | check
    length += MARK_BITS + CHECK_BITS
    padding = -length % 8
    return bz2.decompress(b"BZh9" + (stream << padding).to_bytes((length + padding) // 8)), check


class Streams:
    """Follows the sequence of marks and says of each pair whether it may be; holds the file's only
    whole truth.

    A stream is `BZh` and a digit at a whole byte, its blocks, the end mark, the checksum over the
    blocks' checksums.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file, self.size = file, size
        self.ends: list[tuple[int, int]] = []

    def blocks(self, found: Iterator[Mark]) -> Iterator[Block | None]:
        """The blocks' bits, first and the one after the last; None after the last block of each
        stream.
        """
        begin = self.header(0)
        previous: int | None = None
        for bit, is_end in found:
            if previous is not None:
                yield previous, bit
            elif bit != begin:
                raise Unfitting
            previous = bit
            if is_end:
                yield None
                self.file.seek(bit // 8)
                tail = self.file.read(11)
                if len(tail) * 8 < bit % 8 + MARK_BITS + CHECK_BITS:
                    raise Trouble("is cut off: its last bzip2 stream has no end")
                self.ends.append((bit, bits(tail, bit % 8 + MARK_BITS, CHECK_BITS)))
                begin = self.header((bit + MARK_BITS + CHECK_BITS + 7) // 8)
                previous = None
                if begin < 0:
                    return
        raise Trouble("is cut off or damaged: its last bzip2 stream has no end")

    def header(self, position: int) -> int:
        """The bit where the first block begins of the stream at a byte; -1 when none does: there
        the file ends.
        """
        self.file.seek(position)
        head = self.file.read(4)
        if head[:3] == MAGIC and head[3:4] in b"123456789" and len(head) == 4:
            return 8 * (position + 4)
        return -1


def in_parallel(source: Path, target: BinaryIO, pool: Pool, progress: Progress) -> None:
    """Unpack with all interpreters. Raises Unfitting where the marks do not make sense."""
    size = source.stat().st_size
    with source.open("rb") as marks_file, source.open("rb") as headers_file:
        streams = Streams(headers_file, size)
        order: list[int | None] = []

        def tasks() -> Iterator[tuple[str | Block, ...]]:
            group: list[Block] = []
            for block in streams.blocks(marks(marks_file)):
                order.append(None if block is None else block[1])
                if block is not None:
                    group.append(block)
                if len(group) == BLOCKS_PER_TASK:
                    yield str(source), *group
                    group = []
            if group:
                yield str(source), *group

        combined, taken, stream = 0, 0, 0
        written = 0

        def stream_ends() -> None:
            nonlocal taken, combined, stream
            while taken < len(order) and order[taken] is None:
                if streams.ends[stream][1] != combined:
                    raise Unfitting
                stream, combined, taken = stream + 1, 0, taken + 1

        for results in pool.map(unpack_blocks, tasks()):
            if results is None:
                raise Unfitting
            for content, check in results:
                stream_ends()
                target.write(content)
                written += len(content)
                combined = ((combined << 1 | combined >> 31) & 0xFFFFFFFF) ^ check
                progress.update((order[taken] or 0) // 8, f"{amount(written)} unpacked")
                taken += 1
        stream_ends()
        progress.update(size, f"{amount(written)} unpacked")


def in_order(source: Path, target: BinaryIO, progress: Progress) -> None:
    """Unpack one stream after the other, as the bz2 module does it: what it refuses is damaged
    indeed.
    """
    written = 0
    with source.open("rb") as file:
        machine = bz2.BZ2Decompressor()
        begun = False
        while data := file.read(STEP):
            while data:
                if machine.eof:
                    if not data.startswith(MAGIC[: len(data)]):
                        return
                    machine, begun = bz2.BZ2Decompressor(), False
                try:
                    content = machine.decompress(data)
                except (OSError, ValueError, EOFError) as error:
                    at = amount(file.tell())
                    raise Trouble(
                        f"is damaged: bzip2 data within the first {at} is not valid"
                    ) from error
                begun = True
                written += len(content)
                target.write(content)
                data = machine.unused_data
            progress.update(file.tell(), f"{amount(written)} unpacked")
        if begun and not machine.eof:
            raise Trouble(
                f"is cut off: its bzip2 data ends too early, after {amount(written)} unpacked"
            )


def unpack(source: Path, target: Path, pool: Pool) -> None:
    """Unpack `source` into the new file `target`; remove that when something goes wrong."""
    size = source.stat().st_size
    free = shutil.disk_usage(target.parent).free
    # Dumps become three to six times as long.
    if free < 3 * size:
        raise Trouble(
            f"needs at least {amount(3 * size)} unpacked; {target.parent} has {amount(free)} free"
            " (XDG_CACHE_HOME chooses another place)"
        )
    try:
        with target.open("wb") as file, Progress("unpacking", size) as progress:
            try:
                in_parallel(source, file, pool, progress)
            except Unfitting:
                file.seek(0)
                file.truncate()
                in_order(source, file, progress)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        target.unlink(missing_ok=True)
        raise Trouble(f"cannot be unpacked into {target.parent}: {reason(error)}") from error
    except BaseException:
        target.unlink(missing_ok=True)
        raise
