"""Structs, JSON and MessagePack, hooks in Python, errors."""

import msgspec


class Point(msgspec.Struct, tag=True):
    x: int
    y: list[str] = []


class Other(msgspec.Struct, tag=True):
    z: complex


def encode_complex(value: object) -> object:
    return [value.real, value.imag]


def decode_complex(kind: type, value: object) -> object:
    return kind(*value)


def work() -> object:
    encoder = msgspec.json.Encoder(enc_hook=encode_complex)
    decoder = msgspec.json.Decoder(list[Point | Other], dec_hook=decode_complex)
    value = [Point(1, ["a"]), Other(1 + 2j)]
    for _ in range(2000):
        assert decoder.decode(encoder.encode(value)) == value
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(Point(3)), type=Point) == Point(3)
    try:
        msgspec.json.decode(b'{"type": "Point", "x": "no"}', type=Point)
    except msgspec.ValidationError as error:
        message = str(error)
    return encoder.encode(value), message
