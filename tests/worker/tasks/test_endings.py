"""However a job ends, its subject learns it by the hooks of its kind: once, and from whoever holds the job."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.utils import timezone
from pytest_django import Settings

from apps.core import jobs
from apps.core.jobs import JobKind, job_cancel, sweep
from apps.core.models import Job
from apps.duplicates.models import Lookup
from apps.videos.models import Video
from worker.tasks.running import JobCancelled, JobFailed, RunningJob, claim, run

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """What the hooks of the kind "heard" heard."""
    calls: list[tuple[object, ...]] = []
    kind = JobKind(
        "heard",
        "default",
        on_failure=lambda *failure: calls.append(failure),
        on_cancel=lambda subject: calls.append((subject, "cancelled")),
    )
    monkeypatch.setitem(jobs._kinds, kind.name, kind)
    return calls


def raising(problem: BaseException) -> Callable[[RunningJob], None]:
    def body(_: RunningJob) -> None:
        raise problem

    return body


def make_job(subject: UUID, *, kind: str = "heard", **fields: object) -> Job:
    return Job.objects.create(kind=kind, subject_id=subject, **fields)


def make_video() -> Video:
    return Video.objects.create(title="one", sha256="a" * 64, path="/nowhere/one.mp4")


def make_lookup(state: str) -> Lookup:
    expires = timezone.now() + timedelta(days=1)
    return Lookup.objects.create(state=state, expires_at=expires, path="/nowhere/asked.mp4")


def test_a_failure_ends_in_the_hook_of_the_kind(heard: list[tuple[object, ...]]) -> None:
    subject = uuid4()
    run(str(make_job(subject).id), raising(JobFailed("damaged", "This file is damaged.")))
    assert heard == [(subject, "damaged", "This file is damaged.")]


def test_so_does_what_nobody_expected(heard: list[tuple[object, ...]]) -> None:
    subject = uuid4()
    with pytest.raises(ZeroDivisionError):
        run(str(make_job(subject).id), raising(ZeroDivisionError()))
    assert [call[:2] for call in heard] == [(subject, "internal")]


def test_and_the_death_of_every_worker_that_tried(settings: Settings, heard: list[tuple[object, ...]]) -> None:
    settings.JOB_MAX_ATTEMPTS = 1
    subject = uuid4()
    make_job(subject, state="running", attempts=1, lease_until=timezone.now() - timedelta(seconds=1))
    sweep()
    sweep()
    assert [call[:2] for call in heard] == [(subject, "worker_died")]


def test_a_cancel_is_one_hook_before_a_worker_took_the_job_and_while_it_runs(heard: list[tuple[object, ...]]) -> None:
    before, during = uuid4(), uuid4()
    job_cancel(job_id=make_job(before).id)
    run(str(make_job(during).id), raising(JobCancelled()))
    assert heard == [(before, "cancelled"), (during, "cancelled")]
    assert set(Job.objects.values_list("state", flat=True)) == {"cancelled"}


def test_a_job_without_a_subject_ends_alone(heard: list[tuple[object, ...]]) -> None:
    run(str(Job.objects.create(kind="heard").id), raising(JobFailed("model", "No model.")))
    assert heard == []


def test_who_lost_the_job_leaves_its_subject_to_the_other_worker() -> None:
    video = make_video()
    job = make_job(video.id, kind="ingest")

    def body(_: RunningJob) -> None:
        Job.objects.filter(id=job.id).update(state="queued", lease_until=None)
        assert claim(str(job.id)) is not None
        raise JobFailed("damaged", "This file is damaged.")

    run(str(job.id), body)
    video.refresh_from_db()
    job.refresh_from_db()
    assert (video.state, job.state) == ("uploaded", "running")


def test_a_video_whose_indexing_failed_says_why() -> None:
    video = make_video()
    run(str(make_job(video.id, kind="ingest").id), raising(JobFailed("damaged", "This file is damaged.")))
    video.refresh_from_db()
    assert (video.state, video.failure_code, video.failure) == ("failed", "damaged", "This file is damaged.")


def test_an_answer_that_was_written_outlives_the_death_of_its_worker(settings: Settings) -> None:
    settings.JOB_MAX_ATTEMPTS = 1
    lapsed = timezone.now() - timedelta(seconds=1)
    for state, ends in (("done", "done"), ("waiting", "failed")):
        lookup = make_lookup(state)
        make_job(lookup.id, kind="lookup", state="running", attempts=1, lease_until=lapsed)
        sweep()
        lookup.refresh_from_db()
        assert lookup.state == ends
