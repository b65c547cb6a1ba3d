"""Packing and unpacking, with types of our own, streaming."""

import datetime
import io

import msgpack


def default(value: object) -> object:
    if isinstance(value, complex):
        return msgpack.ExtType(1, repr(value).encode())
    raise TypeError


def ext_hook(code: int, data: bytes) -> object:
    return complex(data.decode()) if code == 1 else msgpack.ExtType(code, data)


def work() -> object:
    moment = datetime.datetime(2020, 1, 2, tzinfo=datetime.UTC)
    value = {"a": [1, -5, 2**40, 1.5, None, b"x", "ä"], "c": 1 + 2j, "t": moment}
    for _ in range(1000):
        packed = msgpack.packb(value, default=default, datetime=True)
        assert msgpack.unpackb(packed, ext_hook=ext_hook, timestamp=3) == value
    stream = msgpack.Unpacker(io.BytesIO(msgpack.packb(1) + msgpack.packb([2])))
    assert msgpack.Packer.__module__ == "msgpack._cmsgpack"
    return packed, list(stream)
