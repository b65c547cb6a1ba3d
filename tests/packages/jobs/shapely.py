"""Geometry: areas, unions, a tree, text forms."""

import contextlib

import numpy as np
import shapely
import shapely.ops


def work() -> object:
    points = shapely.points(np.arange(100) % 10, np.arange(100) // 10)
    circles = shapely.buffer(points, 0.7)
    union = shapely.union_all(circles)
    tree = shapely.STRtree(circles)
    found = sorted(tree.query(shapely.box(2, 2, 3, 3)).tolist())
    assert shapely.from_wkt(shapely.to_wkt(union)).is_valid
    with contextlib.suppress(shapely.GEOSException):
        shapely.from_wkt("POINT (")
    return round(union.area, 6), found, shapely.Point(1, 2).wkt
