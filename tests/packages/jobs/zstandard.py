"""Compressing at once, in streams, with a dictionary and threads."""

import io

import zstandard


def work() -> object:
    data = b"".join(b"line %d\n" % (i % 100) for i in range(20_000))
    for _ in range(5):
        packed = zstandard.ZstdCompressor(level=5, threads=2).compress(data)
        assert zstandard.decompress(packed) == data
    with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(packed)) as reader:
        assert reader.read(10) == data[:10]
    samples = [b"some text that is alike %d" % i for i in range(2000)]
    trained = zstandard.train_dictionary(2048, samples)
    small = zstandard.ZstdCompressor(dict_data=trained).compress(samples[7])
    assert zstandard.ZstdDecompressor(dict_data=trained).decompress(small) == samples[7]
    try:
        zstandard.decompress(b"no")
    except zstandard.ZstdError:
        return len(zstandard.compress(data)), zstandard.backend
    raise AssertionError("that was no frame")
