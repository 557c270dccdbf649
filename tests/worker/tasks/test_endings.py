"""The subject of a job learns once, and from the worker that holds the job, that the work did not succeed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from apps.core.models import Job
from apps.duplicates.models import Lookup
from apps.videos.models import Video
from worker.tasks.endings import failed
from worker.tasks.running import RunningJob, claim, sweep

pytestmark = pytest.mark.django_db


def make_video() -> Video:
    return Video.objects.create(title="one", sha256="a" * 64, path="/nowhere/one.mp4")


def make_lookup(state: str) -> Lookup:
    expires = timezone.now() + timedelta(days=1)
    return Lookup.objects.create(state=state, expires_at=expires, path="/nowhere/asked.mp4")


def claimed(kind: str, subject: Video | Lookup) -> RunningJob:
    job = claim(str(Job.objects.create(kind=kind, subject_id=subject.id).id))
    assert job is not None
    return job


def test_who_holds_the_job_marks_its_subject() -> None:
    video = make_video()
    failed(claimed("ingest", video), "damaged", "This file is damaged.")
    video.refresh_from_db()
    assert (video.state, video.failure_code, video.failure) == ("failed", "damaged", "This file is damaged.")


def test_who_lost_the_job_leaves_its_subject_to_the_other_worker() -> None:
    video = make_video()
    late = claimed("ingest", video)
    Job.objects.filter(id=late.id).update(state="queued", lease_until=None)
    assert claim(str(late.id)) is not None
    failed(late, "damaged", "This file is damaged.")
    video.refresh_from_db()
    assert video.state != "failed"


def test_an_answer_that_was_written_outlives_the_death_of_its_worker(settings: Settings) -> None:
    settings.JOB_MAX_ATTEMPTS = 1
    lapsed = timezone.now() - timedelta(seconds=1)
    for state, ends in (("done", "done"), ("waiting", "failed")):
        lookup = make_lookup(state)
        Job.objects.create(kind="lookup", subject_id=lookup.id, state="running", attempts=1, lease_until=lapsed)
        sweep()
        lookup.refresh_from_db()
        assert lookup.state == ends
