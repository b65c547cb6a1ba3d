"""Decompositions, optimizing with a Python function, sparse solving, integrating, distributions."""

import numpy as np
import scipy.integrate
import scipy.interpolate
import scipy.linalg
import scipy.optimize
import scipy.signal
import scipy.sparse
import scipy.sparse.linalg
import scipy.spatial
import scipy.stats


def work() -> object:
    a = np.random.default_rng(3).normal(size=(60, 60))
    u, s, v = scipy.linalg.svd(a)
    assert np.allclose(u @ np.diag(s) @ v, a)
    best = scipy.optimize.minimize(lambda x: ((x - 3) ** 2).sum(), np.ones(3))
    root = scipy.optimize.brentq(lambda x: x**3 - 2, 0, 2)
    area, _ = scipy.integrate.quad(lambda x: np.exp(-x * x), -np.inf, np.inf)
    matrix = scipy.sparse.diags([-1.0, 2.5, -1.0], [-1, 0, 1], shape=(200, 200), format="csc")
    solved = scipy.sparse.linalg.spsolve(matrix, np.ones(200))
    tree = scipy.spatial.cKDTree(a)
    near = tree.query(a[5], k=3)[1].tolist()
    way = scipy.integrate.solve_ivp(lambda t, y: -y, (0, 1), [1.0])
    smooth = scipy.signal.savgol_filter(a[0], 5, 2)
    return (
        np.round(best.x, 4).tolist(),
        round(root, 9),
        round(area, 9),
        round(float(solved[100]), 9),
        near,
        round(float(way.y[0, -1]), 5),
        round(float(smooth.sum()), 9),
        round(float(scipy.stats.norm.ppf(0.975)), 9),
    )
