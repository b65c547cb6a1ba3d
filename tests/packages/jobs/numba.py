"""Compiling: a loop, a ufunc, threads, a callback from compiled code."""

import numba
import numpy as np


@numba.njit
def squares(values):
    total = 0.0
    for value in values:
        total += value * value
    return total


@numba.vectorize(["float64(float64)"])
def plus_one(value):
    return value + 1


@numba.njit(nogil=True)
def with_objects(values):
    return {value: value * 2 for value in values}


def work() -> object:
    doubled = with_objects(np.arange(5))
    return squares(np.ones(10)), plus_one(np.arange(5.0)).tolist(), int(sum(doubled.values()))
