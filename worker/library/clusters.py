"""Distances between the videos of the library, and DBSCAN and HDBSCAN over them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from worker.library.stored import VectorIndex

Distances = NDArray[np.float64]


class Density(Protocol):
    """apps.duplicates.library.clusters.ClusterParameters is one, and explains them."""

    @property
    def method(self) -> str: ...
    @property
    def eps(self) -> float: ...
    @property
    def min_samples(self) -> int: ...
    @property
    def min_cluster_size(self) -> int: ...


def score_distances(videos: Sequence[UUID], scores: Iterable[tuple[UUID, UUID, float]]) -> Distances:
    """(N, N) 1 - score of the match of each pair, 1 where there is none, 0 on the diagonal."""
    number = {video: n for n, video in enumerate(videos)}
    distances = np.ones((len(videos), len(videos)))
    np.fill_diagonal(distances, 0.0)
    for a, b, score in scores:
        distances[number[a], number[b]] = distances[number[b], number[a]] = min(max(1.0 - score, 0.0), 1.0)
    return distances


def descriptor_distances(
    index: VectorIndex, version_id: UUID, videos: Sequence[UUID], on_share: Callable[[float], None]
) -> Distances:
    """(N, N) cosine distance, 0..2, of the means of the descriptors that may vote; 1 to a video without any."""
    means = []
    for done, video in enumerate(videos):
        on_share(done / len(videos))
        whole = index.frames_of(version_id, video).of_region(0)
        mean = whole.vectors[whole.informative].mean(axis=0) if whole.informative.any() else None
        means.append(mean)
    if not means:
        return np.zeros((0, 0))
    size = next((len(mean) for mean in means if mean is not None), 1)
    matrix = np.stack([np.zeros(size) if mean is None else mean for mean in means]).astype(np.float64)
    norms = np.linalg.norm(matrix, axis=1, keepdims=True)
    matrix = np.divide(matrix, norms, out=np.zeros_like(matrix), where=norms > 1e-12)
    distances: Distances = np.clip(1.0 - matrix @ matrix.T, 0.0, 2.0)
    np.fill_diagonal(distances, 0.0)
    return distances


def cluster(distances: Distances, parameters: Density) -> list[list[int]]:
    """Rows of each cluster; noise is left out."""
    from sklearn.cluster import DBSCAN, HDBSCAN  # 60 MB that no other task needs

    count = len(distances)
    if count < 2:
        return []
    if parameters.method == "dbscan":
        model = DBSCAN(eps=parameters.eps, min_samples=parameters.min_samples, metric="precomputed")
    else:
        size, samples = min(parameters.min_cluster_size, count), min(parameters.min_samples, count)
        model = HDBSCAN(min_cluster_size=size, min_samples=samples, metric="precomputed", copy=True)
    labels = np.asarray(model.fit_predict(distances))
    # A lone core point is a cluster to DBSCAN with one sample; to people it is none.
    found = [np.flatnonzero(labels == label).tolist() for label in range(int(labels.max(initial=-1)) + 1)]
    return [rows for rows in found if len(rows) > 1]
