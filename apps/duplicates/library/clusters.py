"""Exploring the library by DBSCAN or HDBSCAN: for administrators who wonder what lies close together.

Nothing follows from a cluster. Duplicate groups come from aligned matches and decisions of people only: a density
method chains look-alikes, and DBSCAN with two samples is nothing but connected components.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet

from apps.core.exceptions import InvalidInput, NotFound
from apps.core.jobs import enqueue
from apps.core.models import Job
from apps.core.selectors import job_latest
from apps.duplicates.job_kinds import CLUSTERS
from apps.duplicates.models import ClusterRun
from apps.videos.models import Video

METHODS = {"dbscan": "DBSCAN", "hdbscan": "HDBSCAN"}
METRICS = {
    "pair_score": "1 - score of the match of a pair (1 without a match)",
    "mean_descriptor": "cosine distance of the mean descriptors",
}
RUNS_KEPT = 20
SHOWN_MEMBERS = 12  # of each cluster, with their pictures
SHOWN_CLUSTERS = 60


@dataclass(frozen=True, slots=True)
class ClusterParameters:
    """``eps``: distance up to which DBSCAN joins; ``min_samples``: neighbours that make a core (both methods);
    ``min_cluster_size``: of HDBSCAN."""

    method: str = "hdbscan"
    metric: str = "pair_score"
    eps: float = 0.3
    min_samples: int = 2
    min_cluster_size: int = 2

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise InvalidInput("method must be dbscan or hdbscan.", field="method")
        if self.metric not in METRICS:
            raise InvalidInput("metric must be pair_score or mean_descriptor.", field="metric")
        if not (math.isfinite(self.eps) and 0 < self.eps <= 2):
            raise InvalidInput("eps must be a distance above 0 and at most 2.", field="eps")
        if not 1 <= self.min_samples <= 100:
            raise InvalidInput("min_samples must be a number from 1 to 100.", field="min_samples")
        if not 2 <= self.min_cluster_size <= 1000:
            raise InvalidInput("min_cluster_size must be a number from 2 to 1000.", field="min_cluster_size")

    @property
    def words(self) -> str:
        own = f"eps {self.eps:g}" if self.method == "dbscan" else f"min_cluster_size {self.min_cluster_size}"
        return f"{METHODS[self.method]}, {own}, min_samples {self.min_samples}, {self.metric.replace('_', ' ')}"


@dataclass(frozen=True, slots=True)
class ShownCluster:
    size: int
    videos: tuple[Video, ...]  # the first ones that are still there


def parameters_from(values: Mapping[str, Any]) -> ClusterParameters:
    """From a form or a stored run; what is missing has its default. Raises InvalidInput."""
    defaults = ClusterParameters()
    return ClusterParameters(
        method=str(values.get("method") or defaults.method),
        metric=str(values.get("metric") or defaults.metric),
        eps=_number(values, "eps", defaults.eps, float),
        min_samples=_number(values, "min_samples", defaults.min_samples, int),
        min_cluster_size=_number(values, "min_cluster_size", defaults.min_cluster_size, int),
    )


def _number(values: Mapping[str, Any], name: str, default: Any, kind: type) -> Any:
    raw = values.get(name)
    if raw is None or raw == "":
        return default
    try:
        return kind(raw)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidInput(f"{name} is a {'whole ' if kind is int else ''}number.", field=name) from error


def cluster_run_create(*, parameters: ClusterParameters, owner: User | None = None) -> ClusterRun:
    """The run and its job; runs older than the newest few are deleted."""
    with transaction.atomic():
        run = ClusterRun.objects.create(owner=owner, parameters=asdict(parameters))
        enqueue(kind=CLUSTERS, subject_id=run.id, title=parameters.words)
        kept = ClusterRun.objects.order_by("-created_at").values_list("id", flat=True)[:RUNS_KEPT]
        ClusterRun.objects.exclude(id__in=list(kept)).delete()
    return run


def cluster_run_finish(*, run_id: UUID, clusters: Sequence[Sequence[UUID]], videos: int, left_out: int) -> None:
    """Write the result, once: clusters by size; the videos in none of them are noise."""
    ordered = sorted(([str(v) for v in cluster] for cluster in clusters), key=lambda c: (-len(c), c))
    noise = videos - sum(len(cluster) for cluster in ordered)
    result = {"videos": videos, "left_out": left_out, "noise": noise, "clusters": ordered}
    ClusterRun.objects.filter(id=run_id, result__isnull=True).update(result=result)


def cluster_run_list() -> QuerySet[ClusterRun]:
    return ClusterRun.objects.select_related("owner").order_by("-created_at")


def cluster_run_get(*, run_id: UUID) -> ClusterRun:
    run = ClusterRun.objects.select_related("owner").filter(id=run_id).first()
    if run is None:
        raise NotFound("There is no such run. Only the newest ones are kept.")
    return run


def cluster_job(run: ClusterRun) -> Job | None:
    return job_latest(kind=CLUSTERS, subject_id=run.id)


def shown_clusters(run: ClusterRun) -> list[ShownCluster]:
    """The largest clusters with their first videos; those that were deleted since are left out. One query."""
    listed = (run.result or {}).get("clusters", [])[:SHOWN_CLUSTERS]
    videos = Video.objects.in_bulk([UUID(v) for cluster in listed for v in cluster[:SHOWN_MEMBERS]])
    shown = []
    for cluster in listed:
        there = tuple(videos[UUID(v)] for v in cluster[:SHOWN_MEMBERS] if UUID(v) in videos)
        if there:
            shown.append(ShownCluster(len(cluster), there))
    return shown
