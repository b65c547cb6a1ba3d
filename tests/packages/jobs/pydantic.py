"""Models with validators in Python, JSON there and back, schemas, errors."""

import datetime

from pydantic import BaseModel, TypeAdapter, ValidationError, field_validator


class Item(BaseModel):
    number: int
    names: list[str]
    at: datetime.datetime = datetime.datetime(2020, 1, 1)

    @field_validator("names")
    @classmethod
    def upper(cls, names: list[str]) -> list[str]:
        return [name.upper() for name in names]


def work() -> object:
    for i in range(2000):
        item = Item.model_validate_json(f'{{"number": "{i}", "names": ["a", "b"]}}')
        assert Item.model_validate_json(item.model_dump_json()) == item
    try:
        Item(number="no", names=3)
    except ValidationError as error:
        mistakes = [mistake["type"] for mistake in error.errors()]
    numbers = TypeAdapter(list[int | None]).validate_python(["1", None, 3])
    return item.names, mistakes, numbers, sorted(Item.model_json_schema()["properties"])
