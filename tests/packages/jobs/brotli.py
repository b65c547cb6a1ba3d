"""Compressing at once and in streams."""

import brotli


def work() -> object:
    data = b"".join(b"line %d\n" % (i % 100) for i in range(5000))
    packed = brotli.compress(data, quality=5)
    assert brotli.decompress(packed) == data
    compressor = brotli.Compressor()
    parts = [compressor.process(data[i : i + 1000]) for i in range(0, len(data), 1000)]
    again = brotli.Decompressor().process(b"".join(parts) + compressor.finish())
    try:
        brotli.decompress(b"no")
    except brotli.error:
        return len(packed), again == data
    raise AssertionError("that was not compressed")
