"""DBSCAN and HDBSCAN over the library, exploratory: bounded in size, and nothing is written to groups."""

from __future__ import annotations

from django.db import transaction

from apps.duplicates.job_kinds import CLUSTERS
from apps.duplicates.library.clusters import cluster_run_finish, parameters_from
from apps.duplicates.models import ClusterRun, VideoMatch
from apps.embeddings.vector_index import PgVectorIndex
from apps.videos.models import Video
from worker.library.clusters import cluster, descriptor_distances, score_distances
from worker.tasks.matching import copy_version
from worker.tasks.running import RunningJob, task

MAX_VIDEOS = 2000  # a distance for every pair: 32 MB; the newest ones are taken


@task(CLUSTERS)
def clusters(job: RunningJob) -> None:
    wanted = ClusterRun.objects.filter(id=job.subject).first()
    if wanted is None or wanted.result is not None:
        return
    version = copy_version()
    parameters = parameters_from(wanted.parameters)
    ready = Video.objects.filter(state=Video.State.READY).order_by("-created_at", "id")
    total = ready.count()
    videos = list(ready.values_list("id", flat=True)[:MAX_VIDEOS])
    job.progress("reading", 0.02)
    if parameters.metric == "pair_score":
        rows = VideoMatch.objects.filter(model_version=version, a_id__in=videos, b_id__in=videos)
        distances = score_distances(videos, rows.values_list("a_id", "b_id", "score").iterator())
    else:
        distances = descriptor_distances(
            PgVectorIndex(), version.id, videos, lambda share: job.progress("reading", 0.02 + 0.7 * share)
        )
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
