"""All its hashes, at once and in parts."""

import xxhash


def work() -> object:
    parts = xxhash.xxh64(seed=5)
    for i in range(1000):
        parts.update(b"%d" % i)
    names = ("xxh32", "xxh64", "xxh3_64", "xxh3_128")
    return parts.hexdigest(), [getattr(xxhash, name)(b"a" * 1000).hexdigest() for name in names]
