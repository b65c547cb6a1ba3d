"""Values of many types there and back, tags, and an end that comes too early."""

import datetime
import decimal
import fractions
import uuid

import cbor2


def work() -> object:
    value = {
        "numbers": [1, -(2**70), 1.5, fractions.Fraction(1, 3), decimal.Decimal("1.25")],
        "moment": datetime.datetime(2020, 1, 2, tzinfo=datetime.UTC),
        "id": uuid.UUID(int=5),
        "bytes": b"x",
    }
    for _ in range(200):
        packed = cbor2.dumps(value)
        assert cbor2.loads(packed) == value
    try:
        cbor2.loads(b"\x9f")
    except cbor2.CBORDecodeError as error:
        return packed, type(error).__name__, cbor2.loads(cbor2.dumps(cbor2.CBORTag(4000, [1]))).tag
