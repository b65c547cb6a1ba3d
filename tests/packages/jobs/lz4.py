"""Frames and blocks, and what is none."""

import lz4.block
import lz4.frame


def work() -> object:
    data = b"hello world " * 10000
    for _ in range(50):
        frame, block = lz4.frame.compress(data), lz4.block.compress(data)
        assert lz4.frame.decompress(frame) == lz4.block.decompress(block) == data
    try:
        lz4.frame.decompress(b"none")
    except RuntimeError as error:
        return len(frame), len(block), str(error)
