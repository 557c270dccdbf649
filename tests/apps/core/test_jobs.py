from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.utils import timezone
from kombu.exceptions import OperationalError
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks

from apps.core import services
from apps.core.exceptions import Conflict, NotFound
from apps.core.models import Job
from apps.core.selectors import JobTiles, job_list, job_tiles
from apps.core.services import SubjectHooks, job_cancel, job_retry, jobs_drop
from vsearch.celery import app
from vsearch.jobs import JobKind, enqueue

pytestmark = pytest.mark.django_db
S = Job.State


def job(state: str, **fields: object) -> Job:
    return Job.objects.create(**{"kind": JobKind.SCAN, "state": state, **fields})


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the subject of a match job was told."""
    told: list[str] = []
    hooks = SubjectHooks(on_cancel=lambda _: told.append("cancelled"), on_retry=lambda _: told.append("retried"))
    monkeypatch.setitem(services._hooks, JobKind.MATCH, hooks)
    return told


def test_a_waiting_job_is_cancelled_at_once_and_its_subject_told(heard: list[str]) -> None:
    waiting = job(S.QUEUED, kind=JobKind.MATCH)
    assert job_cancel(job_id=waiting.id).state == S.CANCELLED
    waiting.refresh_from_db()
    assert waiting.finished_at is not None
    assert heard == ["cancelled"]


def test_a_running_job_is_asked_to_stop_and_its_worker_tells_the_subject(heard: list[str]) -> None:
    running = job(S.RUNNING, kind=JobKind.MATCH, percent=30)
    job_cancel(job_id=running.id)
    running.refresh_from_db()
    assert (running.state, running.cancel_requested, running.percent) == (S.RUNNING, True, 30)
    assert heard == []


@pytest.mark.parametrize("state", [S.DONE, S.FAILED, S.CANCELLED])
def test_an_ended_job_cannot_be_cancelled(state: str) -> None:
    with pytest.raises(Conflict):
        job_cancel(job_id=job(state).id)


@pytest.mark.parametrize("state", [S.FAILED, S.CANCELLED])
def test_retry_starts_over_and_publishes_on_commit(
    state: str,
    heard: list[str],
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    sent: list[UUID] = []
    monkeypatch.setattr(services, "publish", lambda job_id, kind: sent.append(job_id))
    ended = job(
        state, kind=JobKind.MATCH, attempts=3, percent=80, error="x", error_code="y", cancel_requested=True,
        fencing_token=7, finished_at=timezone.now(),
    )  # fmt: skip
    with django_capture_on_commit_callbacks(execute=True):
        again = job_retry(job_id=ended.id)
        assert sent == []
    assert sent == [ended.id]
    assert (again.state, again.attempts, again.percent, again.error, again.error_code) == (S.QUEUED, 0, 0, "", "")
    assert (again.cancel_requested, again.finished_at, again.published_at) == (False, None, None)
    assert again.fencing_token == 7  # never goes back: an old worker must stay locked out
    assert heard == ["retried"]


@pytest.mark.parametrize("state", [S.QUEUED, S.RUNNING, S.DONE])
def test_only_what_failed_or_was_cancelled_is_tried_again(state: str) -> None:
    with pytest.raises(Conflict):
        job_retry(job_id=job(state).id)


def test_a_subject_that_refuses_keeps_the_job_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Job) -> None:
        raise Conflict("The file is gone.")

    monkeypatch.setitem(services._hooks, JobKind.SCAN, SubjectHooks(on_retry=refuse))
    failed = job(S.FAILED)
    with pytest.raises(Conflict, match="gone"):
        job_retry(job_id=failed.id)
    failed.refresh_from_db()
    assert failed.state == S.FAILED


def test_unknown_jobs_are_not_found() -> None:
    for act in (job_cancel, job_retry):
        with pytest.raises(NotFound):
            act(job_id=uuid4())


def test_dropping_a_subject_ends_its_active_jobs_only() -> None:
    subject = uuid4()
    states = [job(state, subject_id=subject) for state in S.values]
    other = job(S.QUEUED, subject_id=uuid4())
    jobs_drop(subject_id=subject)
    now = {row.id: row.state for row in Job.objects.all()}
    assert [now[row.id] for row in states] == [S.CANCELLED, S.CANCELLED, S.DONE, S.FAILED, S.CANCELLED]
    assert now[other.id] == S.QUEUED


def test_what_needs_attention_comes_first() -> None:
    now = timezone.now()
    made = {
        "done": job(S.DONE),
        "waiting": job(S.QUEUED),
        "running": job(S.RUNNING, lease_until=now + timedelta(minutes=1)),
        "failed": job(S.FAILED),
        "stalled": job(S.RUNNING, lease_until=now - timedelta(minutes=1)),
    }
    names = {row.id: name for name, row in made.items()}
    assert [names[row.id] for row in job_list()] == ["stalled", "failed", "running", "waiting", "done"]


def test_the_list_is_narrowed_by_state_kind_and_subject() -> None:
    subject = uuid4()
    wanted = job(S.FAILED, kind=JobKind.PROXY, subject_id=subject)
    job(S.FAILED, kind=JobKind.PROXY)
    job(S.FAILED, subject_id=subject)
    job(S.DONE, kind=JobKind.PROXY, subject_id=subject)
    assert list(job_list(state=S.FAILED, kind=JobKind.PROXY, subject_id=subject)) == [wanted]


def test_tiles_count_in_one_query(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    for state in (S.QUEUED, S.QUEUED, S.RUNNING, S.FAILED):
        job(state)
    with django_assert_num_queries(1):
        assert job_tiles() == JobTiles(active=1, waiting=2, failed=1, done=0, stalled=0)


def test_a_broker_that_is_down_loses_no_job(
    monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OperationalError("no broker")

    monkeypatch.setattr(app, "send_task", refuse)
    with django_capture_on_commit_callbacks(execute=True):
        waiting = enqueue(kind=JobKind.SCAN)
    waiting.refresh_from_db()
    assert (waiting.state, waiting.published_at) == (S.QUEUED, None)
