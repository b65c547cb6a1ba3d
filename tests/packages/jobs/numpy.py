"""Linear algebra, random numbers, FFT, objects, saving and loading."""

import io

import numpy as np


def work() -> object:
    a = np.arange(90_000, dtype=float).reshape(300, 300) % 17 + np.eye(300) * 1000
    assert np.allclose(np.linalg.inv(a) @ a, np.eye(300))
    draws = np.random.default_rng(7).normal(size=10_000)
    objects = np.array([{"key": i} for i in range(1000)], dtype=object)[::-1]
    table = np.zeros(100, dtype=[("name", "U8"), ("value", "f8")])
    table["name"] = [f"n{i}" for i in range(100)]
    file = io.BytesIO()
    np.savez_compressed(file, a=a, table=table)
    file.seek(0)
    again = np.load(file)
    assert (again["a"] == a).all() and (again["table"] == table).all()
    doubled = np.vectorize(lambda x: x * 2)(np.arange(1000))
    with np.errstate(divide="ignore"):
        infinite = float(np.float64(1) / np.float64(0))
    return (
        f"{np.einsum('ij,ij->', a, a):.6g} {np.sort(draws)[5000]:.9f} {np.fft.fft(draws)[3]:.6f}",
        str(objects[0]),
        int(doubled.sum()),
        infinite,
    )
