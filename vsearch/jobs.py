"""The one door from the web to the workers: kinds of job, their queues, and ``enqueue``.

A job is a row (apps.core.models.Job) written in the transaction that makes the work; the message that wakes a
worker carries nothing but the job's id and is published on commit. A lost message costs a delay, never the
work: the sweeper (worker.tasks.sweep) publishes again.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

if TYPE_CHECKING:
    from apps.core.models import Job

log = logging.getLogger(__name__)


class JobKind(StrEnum):
    INGEST = "ingest"  # subject: Video. probe, decode, embed, write, ready
    PROXY = "proxy"  # subject: Video. a copy that browsers can play
    MATCH = "match"  # subject: Video. against the gallery, then duplicate groups
    LOOKUP = "lookup"  # subject: Lookup. fingerprint a query file and match it
    MODEL_INSTALL = "model_install"  # subject: ModelVersion. fetch, export, index beside, switch
    SCAN = "scan"  # subject: none. match every ready video again
    PICTURE = "picture"  # subject: MatrixPicture. draw the similarity of two library videos
    CLUSTERS = "clusters"  # subject: ClusterRun. explore the library by DBSCAN or HDBSCAN
    DATASET = "dataset"  # subject: Dataset. gather, check and freeze it
    TRAIN = "train"  # subject: TrainingRun. check, train, register the candidate
    CANDIDATE = "candidate"  # subject: TrainingRun. index its candidate beside the serving version, evaluate both


@dataclass(frozen=True)
class Route:
    task: str
    queue: str


# gpu: one solo worker a device, models stay loaded. lookup: the same, but people wait for it, so bulk ingest
# must not stand before it. decode: transcoding in prefork processes. default: short work without models.
# training: one solo worker of its own, so that hours of training block nobody; it loads torch at its first job.
ROUTES: dict[JobKind, Route] = {
    JobKind.INGEST: Route("worker.ingest", "gpu"),
    JobKind.LOOKUP: Route("worker.lookup", "lookup"),
    JobKind.PROXY: Route("worker.proxy", "decode"),
    JobKind.MATCH: Route("worker.match", "default"),
    JobKind.SCAN: Route("worker.scan", "default"),
    JobKind.PICTURE: Route("worker.picture", "lookup"),  # somebody waits for it
    JobKind.CLUSTERS: Route("worker.clusters", "default"),
    JobKind.MODEL_INSTALL: Route("worker.model_install", "gpu"),
    JobKind.DATASET: Route("worker.dataset", "default"),
    JobKind.TRAIN: Route("worker.train", "training"),
    JobKind.CANDIDATE: Route("worker.candidate", "training"),
}
QUEUES = ("gpu", "lookup", "decode", "default", "training")


def enqueue(
    *, kind: JobKind, subject_id: UUID | None = None, title: str = "", arguments: dict[str, Any] | None = None
) -> Job:
    """Write the job row now and publish its id when the surrounding transaction commits."""
    from apps.core.models import Job

    job = Job.objects.create(kind=kind, subject_id=subject_id, title=title[:200], arguments=arguments or {})
    transaction.on_commit(partial(publish, job.id, kind))
    return job


def publish(job_id: UUID, kind: JobKind | str) -> bool:
    """Send the message. False when the broker is unreachable: the sweeper will try again."""
    from apps.core.models import Job
    from vsearch.celery import app

    route = ROUTES[JobKind(kind)]
    try:
        app.send_task(route.task, args=[str(job_id)], queue=route.queue, retry=False)
    except (OperationalError, OSError) as error:
        log.warning("job %s waits: the broker did not take it (%s)", job_id, error)
        return False
    Job.objects.filter(id=job_id).update(published_at=timezone.now())
    return True
