"""There and back, with a default function, and an error."""

import ujson


def work() -> object:
    value = {"a": [1, 2.5, "ä", None], "b": {"c": True}}
    for _ in range(1000):
        assert ujson.loads(ujson.dumps(value)) == value
    try:
        ujson.loads("{")
    except ujson.JSONDecodeError as error:
        return ujson.dumps({"n": 1j}, default=str), str(error)
