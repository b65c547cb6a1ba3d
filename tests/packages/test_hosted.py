"""Objects of packages that are hosted: operators with a proxy on either side."""

import os
import pathlib
import subprocess
import textwrap

import pytest

import allcores

PYTHON = os.environ.get("ALLCORES_PACKAGES", "")

pytestmark = pytest.mark.skipif(not PYTHON, reason="./test packages runs this")


def run_program(program: str) -> None:
    done = subprocess.run(
        [PYTHON, "-X", "faulthandler", "-c", textwrap.dedent(program)],
        env=os.environ | {"PYTHONPATH": str(pathlib.Path(allcores.__file__).parents[1])},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout


def test_numpy() -> None:
    run_program("""
    import operator
    import numpy as np
    import allcores

    there, here = allcores.host(np.arange, 1, 10), np.arange(1, 10)
    mask = here % 2 == 0

    def same(result, expected):
        assert type(result) is type(expected), (type(result), type(expected))
        assert np.array_equal(result, expected) and result.dtype == expected.dtype

    two = [
        operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod,
        operator.pow, operator.lshift, operator.rshift, operator.and_, operator.or_, operator.xor,
        operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne,
        operator.matmul, np.add, np.minimum,
    ]
    for operation in two:
        for left, right in (there, here), (here, there), (there, there):
            same(operation(left, right), operation(here, here))
        if operation is not operator.matmul:
            same(operation(there, 2), operation(here, 2))
            same(operation(2, there), operation(2, here))
            same(operation(there, np.int64(2)), operation(here, np.int64(2)))
            same(operation(np.int64(2), there), operation(np.int64(2), here))
    for operation in operator.neg, operator.pos, operator.invert, abs, np.sin, np.sum, np.asarray:
        same(operation(there), operation(here))
    for one, other in zip(divmod(there, 3), divmod(here, 3)):
        same(one, other)
    same(there[there > 3], here[here > 3])
    same(there[mask], here[mask])
    same(here[there - 1], here)
    same(np.concatenate([there, here]), np.concatenate([here, here]))
    assert [int(each) for each in there] == here.tolist() and len(there) == 9
    assert int(there[0]) == 1 and bool(there[0]) and 3 in there and 30 not in there
    try:
        bool(there)
    except ValueError as error:
        assert "ambiguous" in str(error)
    else:
        raise AssertionError

    # In place: the proxy's object changes, and the name goes on being the proxy.
    before = there
    there += 1
    there *= here
    there[0] = -1
    there[mask] = 0
    assert there is before
    same(np.asarray(there), np.where(mask, 0, (here + 1) * here) - np.eye(1, 9, dtype=int)[0] * 3)
    mine = here
    mine += there
    assert mine is here and mine[0] == 0
    half = allcores.host(float, 0.5)
    for one in here * half, half * here, np.float64(3) * half:
        assert one.dtype == float
    # A copy: what is done to it is not seen there.
    copy = np.asarray(there)
    copy[:] = 5
    assert there[0] == -1
    try:
        np.asarray(there, copy=False)
    except ValueError as error:
        assert "as a copy" in str(error)
    else:
        raise AssertionError
    """)


def test_pandas() -> None:
    run_program("""
    import numpy as np
    import pandas as pd
    import allcores

    here = pd.DataFrame({"a": [1, 2, 3], "b": [0.5, 1.5, 2.5]})
    there = allcores.host(pd.DataFrame, here)
    for one in there + 1, 1 + there, there + here, here + there, there + there:
        assert type(one) is pd.DataFrame, type(one)
    pd.testing.assert_frame_equal(here + there, here + here)
    pd.testing.assert_frame_equal(there > 1, here > 1)
    pd.testing.assert_frame_equal(there[there["a"] > 1], here[here["a"] > 1])
    assert np.array_equal(np.asarray(there), np.asarray(here))
    series = allcores.host(pd.Series, [1, 2, 3])
    pd.testing.assert_series_equal(here["a"] + series, series + here["a"], check_names=False)
    pd.testing.assert_series_equal(here["a"] == series, here["a"] == here["a"], check_names=False)
    there["c"] = series
    assert there["c"].tolist() == [1, 2, 3] and list(there.columns) == ["a", "b", "c"]
    assert there.shape == (3, 3) and list(there) == ["a", "b", "c"] and len(there) == 3
    """)
