"""The search itself, by NumPy and scikit-learn. Each interpreter has its own `Finder`."""

from typing import Any

import numpy
from sklearn.neighbors import KDTree

WAYS = ("tree", "product")


class Finder:
    """Finds the points that are nearest to another one.

    The points are a view of `pixels`, bytes that all interpreters read in place: NumPy makes no
    copy, nor does the tree. The tree's own part is a tenth of that and is each interpreter's.
    """

    def __init__(self, pixels: bytes, labels: bytes, width: int = 64) -> None:
        self.points = numpy.frombuffer(pixels).reshape(-1, width)
        self.labels = numpy.frombuffer(labels, numpy.uint8)
        self.tree = KDTree(self.points)
        self.squares = numpy.einsum("ij,ij->i", self.points, self.points)

    def nearest(self, point: list[float], count: int, way: str) -> tuple[Any, Any]:
        """Rows and distances of the nearest points, the nearest first."""
        wanted = numpy.array(point)
        count = min(count, len(self.points))
        if way == "tree":
            distances, rows = self.tree.query(wanted[None], count)
            return rows[0], distances[0]
        # |a - b|² = |a|² - 2ab + |b|²: one product of all the points with this one.
        squares = self.squares - 2 * (self.points @ wanted) + wanted @ wanted
        rows = numpy.argpartition(squares, count - 1)[:count]
        rows = rows[numpy.lexsort((rows, squares[rows]))]
        return rows, numpy.sqrt(numpy.maximum(squares[rows], 0))

    def answer(self, point: list[float], count: int = 5, way: str = "tree") -> dict[str, Any]:
        """Which digit it looks like, and the neighbours that say so; the nearer the louder."""
        rows, distances = self.nearest(point, count, way)
        labels = self.labels[rows]
        votes = numpy.bincount(labels, 1 / (distances + 1e-3), minlength=10)
        digit = int(votes.argmax())
        return {
            "digit": digit,
            "share": round(float(votes[digit] / votes.sum()), 3),
            "neighbours": [
                {"row": row, "digit": label, "distance": round(distance, 3)}
                for row, label, distance in zip(
                    rows.tolist(), labels.tolist(), distances.tolist(), strict=True
                )
            ],
        }
