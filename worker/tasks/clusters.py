"""DBSCAN and HDBSCAN over the library, exploratory: bounded in size, and nothing is written to groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

import numpy as np
from django.db import transaction
from numpy.typing import NDArray

from apps.duplicates.job_kinds import CLUSTERS
from apps.duplicates.library.clusters import ClusterParameters, cluster_run_finish, parameters_from
from apps.duplicates.models import ClusterRun, VideoMatch
from apps.embeddings.models import ModelVersion
from apps.embeddings.selectors import model_version_serving
from apps.embeddings.vector_index import PgVectorIndex
from apps.videos.models import Video
from worker.tasks.running import JobFailed, RunningJob, task

MAX_VIDEOS = 2000  # a distance for every pair: 32 MB; the newest ones are taken

Distances = NDArray[np.float64]
OnShare = Callable[[float], None]


def score_distances(videos: Sequence[UUID], version_id: UUID) -> Distances:
    """(N, N) 1 - score of the match of each pair, 1 where there is none, 0 on the diagonal."""
    number = {video: n for n, video in enumerate(videos)}
    distances = np.ones((len(videos), len(videos)))
    np.fill_diagonal(distances, 0.0)
    rows = VideoMatch.objects.filter(model_version_id=version_id, a_id__in=videos, b_id__in=videos)
    for a, b, score in rows.values_list("a_id", "b_id", "score").iterator():
        distances[number[a], number[b]] = distances[number[b], number[a]] = min(max(1.0 - score, 0.0), 1.0)
    return distances


def descriptor_distances(videos: Sequence[UUID], version_id: UUID, on_share: OnShare) -> Distances:
    """(N, N) cosine distance, 0..2, of the means of the descriptors that may vote; 1 to a video without any."""
    index, means = PgVectorIndex(), []
    for done, video in enumerate(videos):
        on_share(done / len(videos))
        whole = index.frames_of(version_id, video).of_region(0)
        mean = whole.vectors[whole.informative].mean(axis=0) if whole.informative.any() else None
        means.append(mean)
    size = next((len(mean) for mean in means if mean is not None), 1)
    matrix = np.stack([np.zeros(size) if mean is None else mean for mean in means]).astype(np.float64)
    norms = np.linalg.norm(matrix, axis=1, keepdims=True)
    matrix = np.divide(matrix, norms, out=np.zeros_like(matrix), where=norms > 1e-12)
    distances: Distances = np.clip(1.0 - matrix @ matrix.T, 0.0, 2.0)
    np.fill_diagonal(distances, 0.0)
    return distances


def cluster(distances: Distances, parameters: ClusterParameters) -> list[list[int]]:
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


@task(CLUSTERS)
def clusters(job: RunningJob) -> None:
    wanted = ClusterRun.objects.filter(id=job.subject).first()
    if wanted is None or wanted.result is not None:
        return
    version = model_version_serving(ModelVersion.Role.COPY)
    if version is None:
        raise JobFailed("model", "No copy model is ready yet. Run `manage.py prepare`, then try again.")
    parameters = parameters_from(wanted.parameters)
    ready = Video.objects.filter(state=Video.State.READY).order_by("-created_at", "id")
    total = ready.count()
    videos = list(ready.values_list("id", flat=True)[:MAX_VIDEOS])
    job.progress("reading", 0.02)
    if parameters.metric == "pair_score":
        distances = score_distances(videos, version.id)
    elif videos:
        distances = descriptor_distances(videos, version.id, lambda share: job.progress("reading", 0.02 + 0.7 * share))
    else:
        distances = np.zeros((0, 0))
    job.progress("clustering", 0.75)
    found = cluster(distances, parameters)
    with transaction.atomic():
        job.hold()
        cluster_run_finish(
            run_id=wanted.id,
            clusters=[[videos[row] for row in rows] for rows in found],
            videos=len(videos),
            left_out=total - len(videos),
        )
