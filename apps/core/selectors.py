"""What the jobs page and the API show."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db.models import Case, Count, IntegerField, Q, QuerySet, Value, When
from django.utils import timezone

from apps.core.exceptions import NotFound
from apps.core.jobs import JobKind
from apps.core.models import Job


@dataclass(frozen=True)
class JobTiles:
    """Counts by state; ``stalled`` ones have workers that do not respond; the sweeper takes them back."""

    active: int
    waiting: int
    failed: int
    done: int
    stalled: int


def job_list(*, state: str = "", kind: str = "", subject_id: UUID | None = None) -> QuerySet[Job]:
    """Needs-attention first: failed and stalled, then running, waiting, and what has ended; newest first in each."""
    jobs = Job.objects.annotate(
        urgency=Case(
            When(_needs_attention(), then=Value(0)),
            When(state=Job.State.RUNNING, then=Value(1)),
            When(state=Job.State.QUEUED, then=Value(2)),
            default=Value(3),
            output_field=IntegerField(),
        )
    )
    if state:
        jobs = jobs.filter(state=state)
    if kind:
        jobs = jobs.filter(kind=kind)
    if subject_id is not None:
        jobs = jobs.filter(subject_id=subject_id)
    return jobs.order_by("urgency", "-created_at", "-id")


def job_get(*, job_id: UUID) -> Job:
    job = Job.objects.filter(id=job_id).first()
    if job is None:
        raise NotFound("There is no such job. Finished jobs are removed after a while.")
    return job


def job_latest(*, kind: JobKind, subject_id: UUID) -> Job | None:
    return Job.objects.filter(kind=kind.name, subject_id=subject_id).order_by("-created_at").first()


def job_tiles() -> JobTiles:
    """One query."""
    return JobTiles(
        **Job.objects.aggregate(
            active=Count("id", filter=Q(state=Job.State.RUNNING)),
            waiting=Count("id", filter=Q(state=Job.State.QUEUED)),
            failed=Count("id", filter=Q(state=Job.State.FAILED)),
            done=Count("id", filter=Q(state=Job.State.DONE)),
            stalled=Count("id", filter=_stalled()),
        )
    )


def _stalled() -> Q:
    return Q(state=Job.State.RUNNING, lease_until__lt=timezone.now())


def _needs_attention() -> Q:
    return Q(state=Job.State.FAILED) | _stalled()
