"""Cancel and retry of jobs.

core knows no videos and no lookups: the app that owns the subject of a kind of job registers what happens to the
subject when such a job is cancelled before a worker took it, or is queued again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from apps.core.exceptions import Conflict, NotFound
from apps.core.models import Job
from vsearch.jobs import JobKind, publish


def _nothing(job: Job) -> None:
    """Jobs without a subject that shows a state."""


@dataclass(frozen=True)
class SubjectHooks:
    """Both run in the transaction that changes the job; ``on_retry`` may raise Conflict to refuse."""

    on_cancel: Callable[[Job], None] = _nothing
    on_retry: Callable[[Job], None] = _nothing


_hooks: dict[str, SubjectHooks] = {}


def subject_hooks_register(kind: JobKind, hooks: SubjectHooks) -> None:
    """Called once a kind, from the AppConfig.ready of the app that owns the subject."""
    _hooks[kind] = hooks


def hooks_of(kind: str) -> SubjectHooks:
    return _hooks.get(kind, SubjectHooks())


@transaction.atomic
def job_cancel(*, job_id: UUID) -> Job:
    """A waiting job ends now; a running one is asked to stop and ends at its next step (about a second).

    Raises NotFound, or Conflict when the job has ended already.
    """
    job = _locked(job_id)
    if job.state == Job.State.QUEUED:
        job.state, job.cancel_requested, job.finished_at = (
            Job.State.CANCELLED,
            True,
            timezone.now(),
        )
        job.save(update_fields=["state", "cancel_requested", "finished_at", "updated_at"])
        hooks_of(job.kind).on_cancel(job)
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
        raise Conflict(f"Only failed or cancelled jobs can be tried again; this one is {job.get_state_display()}.")
    hooks_of(job.kind).on_retry(job)
    Job.objects.filter(id=job.id).update(
        state=Job.State.QUEUED,
        stage="",
        percent=0.0,
        seconds_left=None,
        attempts=0,
        lease_until=None,
        published_at=None,
        started_at=None,
        finished_at=None,
        cancel_requested=False,
        error="",
        error_code="",
    )
    transaction.on_commit(partial(publish, job.id, job.kind))
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


def _locked(job_id: UUID) -> Job:
    job = Job.objects.select_for_update().filter(id=job_id).first()
    if job is None:
        raise NotFound("There is no such job. Finished jobs are removed after a while.")
    return job
