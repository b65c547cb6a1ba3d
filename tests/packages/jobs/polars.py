"""Groups, joins, lazy frames; Python functions run in the interpreter that made the expression."""

import _interpreters

import polars as pl

seen: set[int] = set()


def add_one(value: int) -> int:
    seen.add(_interpreters.get_current()[0])
    return value + 1


def double(column: pl.Series) -> pl.Series:
    seen.add(_interpreters.get_current()[0])
    return column * 2


def work() -> object:
    frame = pl.DataFrame({"a": [1, 2, 3] * 300, "b": list(range(900)), "s": ["x", "y"] * 450})
    sums = frame.group_by("a").agg(pl.col("b").sum()).sort("a")["b"].to_list()
    by_element = frame.with_columns(pl.col("b").map_elements(add_one, return_dtype=pl.Int64))
    by_group = frame.group_by("a").agg(pl.col("b").map_elements(add_one, return_dtype=pl.Int64))
    lazy = frame.lazy().with_columns(
        pl.col("b").map_batches(double, return_dtype=pl.Int64), c=pl.col("s").str.to_uppercase()
    )
    collected = lazy.collect()
    joined = frame.join(by_group, on="a").height
    assert seen == {_interpreters.get_current()[0]}, seen
    return sums, by_element["b"].sum(), collected["b"].sum(), joined, collected["c"][1]
