"""Background work: the kinds of job, and what the web and the sweeper do with jobs.

A job is a row (apps.core.models.Job) written in the transaction that makes the work; the message that wakes a worker
carries nothing but the job's id and is published on commit. A lost message costs a delay, never the work: ``sweep``
publishes again. How a worker holds a job: worker.tasks.running.

core knows no videos and no lookups. The app that owns the subject of a kind declares the kind in its module
``job_kinds`` and says there what becomes of the subject when a job fails, is cancelled or is tried again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.module_loading import import_string
from kombu.exceptions import OperationalError

from apps.core.exceptions import Conflict, NotFound
from apps.core.models import Job

log = logging.getLogger(__name__)

PUBLISH_AGAIN_MINUTES = 30  # for the case that the broker does not tell how many messages it holds
SETTLE_SECONDS = 5  # a worker that has just taken a message is given the time to say so in the row
WORKER_DIED = "The worker died at every attempt. The file may be damaged; see the log of the worker."


def _nothing(*_: object) -> None:
    """For subjects that show no state."""


@dataclass(frozen=True)
class JobKind:
    """``name`` is in the rows and in the API, ``queue`` one of vsearch.message_queues.QUEUES.

    ``library``: concerns the shared library, so not only administrators see such jobs. The hooks get the id of the
    subject and run in the transaction that changes the job: ``on_failure(id, code, message)``, ``on_cancel(id)``
    whether or not a worker had the job, and ``on_retry(id)``, which may raise Conflict or NotFound to refuse.
    """

    name: str
    queue: str
    library: bool = False
    on_failure: Callable[[UUID, str, str], None] = _nothing
    on_cancel: Callable[[UUID], None] = _nothing
    on_retry: Callable[[UUID], None] = _nothing

    @property
    def task(self) -> str:
        """Name of the Celery task."""
        return f"worker.{self.name}"


_kinds: dict[str, JobKind] = {}


def job_kind(
    name: str,
    *,
    queue: str,
    library: bool = False,
    on_failure: Callable[[UUID, str, str], None] = _nothing,
    on_cancel: Callable[[UUID], None] = _nothing,
    on_retry: Callable[[UUID], None] = _nothing,
) -> JobKind:
    """Declare a kind, once, in the module ``job_kinds`` of an app: CoreConfig.ready imports them all."""
    if name in _kinds:
        raise ValueError(f"The kind of job {name} is declared already.")
    _kinds[name] = JobKind(name, queue, library, on_failure, on_cancel, on_retry)
    return _kinds[name]


def job_kinds() -> list[JobKind]:
    return list(_kinds.values())


def library_kinds() -> list[str]:
    """Names of the kinds that not only administrators see."""
    return [kind.name for kind in _kinds.values() if kind.library]


def enqueue(
    *, kind: JobKind, subject_id: UUID | None = None, title: str = "", arguments: dict[str, Any] | None = None
) -> Job:
    """Write the job row now and publish its id when the surrounding transaction commits."""
    job = Job.objects.create(kind=kind.name, subject_id=subject_id, title=title[:200], arguments=arguments or {})
    transaction.on_commit(partial(publish, job))
    return job


def publish(job: Job) -> bool:
    """Send the message. False when the broker is unreachable: the sweeper will try again."""
    kind = _kinds[job.kind]
    try:
        import_string(settings.CELERY_APP).send_task(kind.task, args=[str(job.id)], queue=kind.queue, retry=False)
    except (OperationalError, OSError) as error:
        log.warning("job %s waits: the broker did not take it (%s)", job.id, error)
        return False
    Job.objects.filter(id=job.id).update(published_at=timezone.now())
    return True


def may_start(now: datetime) -> Q:
    """Condition on waiting jobs: they are not postponed."""
    return Q(not_before__isnull=True) | Q(not_before__lte=now)


def subject_failed(job: Job, code: str, message: str) -> None:
    """Call it in the transaction that ends the job; ``message`` is for people."""
    if job.subject_id is not None:
        _kinds[job.kind].on_failure(job.subject_id, code, message)


def subject_cancelled(job: Job) -> None:
    """Call it in the transaction that ends the job."""
    if job.subject_id is not None:
        _kinds[job.kind].on_cancel(job.subject_id)


@transaction.atomic
def job_cancel(*, job_id: UUID) -> Job:
    """A waiting job ends now; a running one is asked to stop and ends at its next step (about a second).

    Raises NotFound, or Conflict when the job has ended already.
    """
    job = _locked(job_id)
    if job.state == Job.State.QUEUED:
        job.state, job.cancel_requested, job.finished_at = Job.State.CANCELLED, True, timezone.now()
        job.save(update_fields=["state", "cancel_requested", "finished_at", "updated_at"])
        subject_cancelled(job)
    elif job.state == Job.State.RUNNING:
        # Only this column: progress and lease belong to the worker.
        Job.objects.filter(id=job.id).update(cancel_requested=True)
        job.cancel_requested = True
    else:
        raise Conflict(f"The job has ended already ({job.get_state_display()}); there is nothing to cancel.")
    return job


@transaction.atomic
def job_retry(*, job_id: UUID) -> Job:
    """Queue a failed or cancelled job again, with all its attempts; raises NotFound or Conflict."""
    job = _locked(job_id)
    if job.state not in {Job.State.FAILED, Job.State.CANCELLED}:
        raise Conflict(f"Only failed or cancelled jobs can be retried; this one is {job.get_state_display()}.")
    if job.subject_id is not None:
        _kinds[job.kind].on_retry(job.subject_id)
    Job.objects.filter(id=job.id).update(
        state=Job.State.QUEUED,
        stage="",
        percent=0.0,
        seconds_left=None,
        attempts=0,
        lease_until=None,
        published_at=None,
        not_before=None,
        started_at=None,
        finished_at=None,
        cancel_requested=False,
        error="",
        error_code="",
    )
    transaction.on_commit(partial(publish, job))
    job.refresh_from_db()
    return job


def jobs_drop(*, subject_id: UUID) -> None:
    """End all work on a subject that is about to be deleted; a worker that holds a job loses it at its next step.

    Call inside the transaction that deletes, before the subject is touched: waits for a worker that is committing.
    """
    jobs = Job.objects.filter(subject_id=subject_id, state__in=[Job.State.QUEUED, Job.State.RUNNING])
    jobs.update(
        state=Job.State.CANCELLED,
        cancel_requested=True,
        fencing_token=F("fencing_token") + 1,
        lease_until=None,
        seconds_left=None,
        finished_at=timezone.now(),
    )


def sweep() -> int:
    """Publish lost messages again and take back jobs whose worker is gone; returns how many were touched."""
    now = timezone.now()
    touched = 0
    lapsed = Job.objects.filter(state=Job.State.RUNNING, lease_until__lt=now)
    lapsed.filter(attempts__lt=settings.JOB_MAX_ATTEMPTS).update(
        state=Job.State.QUEUED, lease_until=None, published_at=None
    )
    waiting = Job.objects.filter(state=Job.State.QUEUED).filter(may_start(now))
    unpublished = waiting.filter(published_at__isnull=True, created_at__lt=now - timedelta(seconds=2))
    overdue = unpublished | waiting.filter(published_at__lt=now - timedelta(minutes=PUBLISH_AGAIN_MINUTES))
    for job in [*overdue, *_lost(waiting, now)]:
        touched += 1
        if not publish(job):
            break
    for job in lapsed.filter(attempts__gte=settings.JOB_MAX_ATTEMPTS):
        touched += 1
        _give_up(job)
    return touched


def _lost(waiting: QuerySet[Job], now: datetime) -> Iterator[Job]:
    """Jobs without a message: a queue holds fewer than jobs wait for it (a broker that was killed, a worker that died
    between taking a message and taking the job). Which ones is unknown, so the oldest; a second message does no harm,
    and as sending makes them the youngest, the others have their turn at the next sweep."""
    try:
        lengths = import_string(settings.QUEUE_LENGTHS)()
    except (OperationalError, OSError) as error:
        log.warning("the broker does not say how many messages it holds (%s)", error)
        return
    for queue, length in lengths.items():
        names = [kind.name for kind in _kinds.values() if kind.queue == queue]
        published = waiting.filter(kind__in=names, published_at__lt=now - timedelta(seconds=SETTLE_SECONDS))
        yield from published.order_by("published_at")[: max(0, published.count() - length)]


@transaction.atomic
def _give_up(job: Job) -> None:
    ended = Job.objects.filter(id=job.id, fencing_token=job.fencing_token, state=Job.State.RUNNING).update(
        state=Job.State.FAILED,
        fencing_token=F("fencing_token") + 1,
        lease_until=None,
        finished_at=timezone.now(),
        error_code="worker_died",
        error=WORKER_DIED,
    )
    if ended:
        subject_failed(job, "worker_died", WORKER_DIED)


def _locked(job_id: UUID) -> Job:
    job = Job.objects.select_for_update().filter(id=job_id).first()
    if job is None:
        raise NotFound("There is no such job. Finished jobs are removed after a while.")
    return job
