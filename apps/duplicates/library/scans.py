"""Scanning the whole library again: asking for it, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from apps.core.jobs import enqueue
from apps.core.models import Job
from apps.duplicates.groups.locks import SCANS, take_turns
from apps.duplicates.job_kinds import SCAN

ACTIVE = (Job.State.QUEUED, Job.State.RUNNING)
LEAST_PERCENT = 2.0  # before that nobody can say how long it takes


@dataclass(frozen=True, slots=True)
class Scan:
    """The latest scan. A long one works in slices and waits for other work in between, so it counts as active then."""

    job: Job
    percent: float
    seconds_left: float | None

    @property
    def active(self) -> bool:
        return self.job.active


def scan_start(*, title: str = "") -> tuple[Job, bool]:
    """Match every ready video again: (job, whether it is new). Two scans at once would do the same work twice."""
    with transaction.atomic():
        take_turns(SCANS)
        running = Job.objects.filter(kind=SCAN.name, state__in=ACTIVE, cancel_requested=False).first()
        if running is not None:
            return running, False
        return enqueue(kind=SCAN, title=title), True


def scan_latest(*, now: datetime | None = None) -> Scan | None:
    job = Job.objects.filter(kind=SCAN.name).order_by("-created_at").first()
    return scan_of(job, now=now) if job is not None else None


def scan_of(job: Job, *, now: datetime | None = None) -> Scan:
    left = job.seconds_left
    if left is None and job.active and job.percent >= LEAST_PERCENT:
        # A slice is too short to tell: the pace since it was asked for, waiting included.
        took = ((now or timezone.now()) - job.created_at).total_seconds()
        left = took * (100.0 - job.percent) / job.percent
    return Scan(job, job.percent, left if job.active else None)
