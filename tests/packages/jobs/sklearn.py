"""Classifying, clustering, trees, neighbours, a pipeline."""

import numpy as np
from sklearn.cluster import KMeans
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC


def work() -> object:
    generator = np.random.default_rng(5)
    x = generator.normal(size=(200, 4)) + (np.arange(200) % 2)[:, None] * 3
    y = np.arange(200) % 2
    line = make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y)
    forest = RandomForestClassifier(10, random_state=1).fit(x, y)
    clusters = KMeans(2, n_init=2, random_state=1).fit(x)
    near = NearestNeighbors(n_neighbors=3, algorithm="kd_tree").fit(x).kneighbors(x[:2])[1]
    kernel = SVC().fit(x, y)
    return (
        line.score(x, y),
        forest.score(x, y),
        kernel.score(x, y),
        round(float(clusters.inertia_), 3),
        near.tolist(),
    )
