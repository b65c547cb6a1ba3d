"""The FastAPI application: nothing in it is of allcores. Each worker makes one around the table."""

from typing import Annotated, Any

import table as tables
from fastapi import FastAPI, HTTPException, Path, Query
from pydantic import BaseModel


class Record(BaseModel):
    number: int
    name: str
    city: str
    balance: float

    @classmethod
    def of(cls, record: tables.Record) -> Record:
        number, name, city, cents = record
        return cls(number=number, name=name, city=city, balance=cents / 100)


def make(table: Any) -> FastAPI:
    """The application over a table that somebody else keeps."""
    app = FastAPI(title="Records")
    records = table["records"]

    @app.get("/records/{number}")
    async def record(number: Annotated[int, Path(ge=0)]) -> Record:
        if number >= len(records):
            raise HTTPException(404, f"there are {len(records)} records")
        return Record.of(records[number])

    @app.get("/search")
    async def search(
        prefix: Annotated[str, Query(min_length=1)],
        limit: Annotated[int, Query(ge=1, le=100)] = 10,
    ) -> list[Record]:
        return [Record.of(each) for each in tables.search(table, prefix.capitalize(), limit)]

    @app.get("/cities/{city}")
    async def city(city: str) -> dict[str, float]:
        """All records are looked at, by one worker: nobody else waits for it."""
        balances = [cents for _, _, where, cents in records if where == city]
        if not balances:
            raise HTTPException(404, "no record is of that city")
        return {"records": len(balances), "balance": sum(balances) / 100}

    return app
