"""A plot with text, as PNG and SVG."""

import hashlib
import io

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np


def work() -> object:
    figure, axes = plt.subplots()
    x = np.linspace(0, 6, 200)
    axes.plot(x, np.sin(x), label="sine $x^2$")
    axes.hist(np.sin(x), bins=20)
    axes.contourf(np.outer(x[:20], x[:20]))
    axes.legend()
    picture, drawing = io.BytesIO(), io.BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": None})
    figure.savefig(drawing, format="svg")
    plt.close(figure)
    assert b"</svg>" in drawing.getvalue()
    return hashlib.sha256(picture.getvalue()).hexdigest()
