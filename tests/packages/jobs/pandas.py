"""Grouping, joining, dates, CSV, JSON, and Parquet where pyarrow is installed."""

import importlib.util
import io

import numpy as np
import pandas as pd


def work() -> object:
    frame = pd.DataFrame(
        {
            "a": np.arange(1000) % 7,
            "b": np.arange(1000) * 0.5,
            "s": ["x", "yy"] * 500,
            "t": pd.date_range("2020-01-01", periods=1000, freq="h", tz="Europe/Berlin"),
        }
    )
    means = frame.groupby("a").b.mean()
    applied = frame.groupby("a")[["b"]].apply(lambda group: group.b.max() - group.b.min())
    joined = frame.merge(means.rename("mean"), left_on="a", right_index=True)
    by_day = frame.set_index("t").b.resample("D").sum()
    read = pd.read_csv(io.StringIO(frame.to_csv(index=False)))
    assert read.shape == frame.shape
    assert pd.read_json(io.StringIO(frame[["a", "b"]].to_json())).b.sum() == frame.b.sum()
    assert list(frame.s.str.upper().unique()) == ["X", "YY"]
    if importlib.util.find_spec("pyarrow"):
        file = io.BytesIO()
        frame.to_parquet(file)
        again = pd.read_parquet(io.BytesIO(file.getvalue()))
        pd.testing.assert_frame_equal(again, frame)
    else:
        try:
            frame.to_parquet(io.BytesIO())
        except ImportError as error:
            assert "pyarrow" in str(error)
    return float(means[3]), float(applied.sum()), float(joined["mean"].sum()), float(by_day.iloc[2])
