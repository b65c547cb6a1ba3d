"""JSON there and back, with dates, NumPy's arrays, dataclasses, a default in Python."""

import dataclasses
import datetime

import numpy as np
import orjson


@dataclasses.dataclass
class Point:
    x: int
    y: float


def default(value: object) -> object:
    if isinstance(value, complex):
        return [value.real, value.imag]
    raise TypeError


def work() -> object:
    value = {"a": [1, 2, 3.5, "x"], "p": Point(1, 2.5), "t": datetime.date(2020, 1, 2), "c": 1 + 2j}
    for _ in range(2000):
        text = orjson.dumps(value, default=default, option=orjson.OPT_SORT_KEYS)
        again = orjson.loads(text)
    numbers = orjson.dumps(np.arange(5), option=orjson.OPT_SERIALIZE_NUMPY)
    try:
        orjson.loads("{")
    except orjson.JSONDecodeError as error:
        position = error.pos
    return text, sorted(again), numbers, position
