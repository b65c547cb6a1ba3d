"""Messages there and back, JSON, a type made at run time."""

from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    json_format,
    message_factory,
    struct_pb2,
    timestamp_pb2,
)
from google.protobuf.internal import api_implementation

FILE = descriptor_pb2.FileDescriptorProto(name="jobs/test.proto", package="jobs")
MESSAGE = FILE.message_type.add(name="Point")
MESSAGE.field.add(name="x", number=1, type=3, label=1)
MESSAGE.field.add(name="names", number=2, type=9, label=3)
POOL = descriptor_pool.DescriptorPool()
POOL.Add(FILE)
Point = message_factory.GetMessageClass(POOL.FindMessageTypeByName("jobs.Point"))


def work() -> object:
    assert api_implementation.Type() == "upb"
    for i in range(500):
        point = Point(x=i, names=["a", "b"])
        assert Point.FromString(point.SerializeToString()) == point
    struct = struct_pb2.Struct()
    struct.update({"a": [1, 2, {"b": None}]})
    assert struct_pb2.Struct.FromString(struct.SerializeToString()) == struct
    moment = timestamp_pb2.Timestamp(seconds=1)
    return json_format.MessageToDict(struct), moment.ToJsonString(), point.x
