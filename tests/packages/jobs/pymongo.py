"""BSON through its extension, and a server that is not there."""

import datetime

import bson
import pymongo


def work() -> object:
    assert bson.has_c() and pymongo.has_c()
    value = {
        "a": [1, 2.5, "ä", None, True],
        "moment": datetime.datetime(2020, 1, 2),
        "id": bson.ObjectId("0" * 24),
        "number": bson.Decimal128("1.5"),
        "pattern": bson.Regex("a", "i"),
    }
    for _ in range(200):
        packed = bson.encode(value)
        assert bson.decode(packed) == value
    client = pymongo.MongoClient("127.0.0.1", 1, serverSelectionTimeoutMS=50)
    try:
        client.server_info()
    except pymongo.errors.ServerSelectionTimeoutError as error:
        return packed, type(error).__name__
    finally:
        client.close()
