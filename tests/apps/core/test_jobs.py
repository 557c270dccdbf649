from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.utils import timezone
from kombu.exceptions import OperationalError
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks, Settings

from apps.core import jobs
from apps.core.exceptions import Conflict, NotFound
from apps.core.jobs import JobKind, enqueue, job_cancel, job_kind, job_retry, jobs_drop, sweep
from apps.core.models import Job
from apps.core.selectors import JobTiles, job_list, job_tiles
from apps.duplicates.job_kinds import SCAN
from vsearch.celery import app

pytestmark = pytest.mark.django_db
S = Job.State


def job(state: str, **fields: object) -> Job:
    return Job.objects.create(**{"kind": "scan", "state": state, **fields})


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the hooks of the kind "heard" heard."""
    calls: list[str] = []
    kind = JobKind(
        "heard", "default", on_cancel=lambda _: calls.append("cancelled"), on_retry=lambda _: calls.append("retried")
    )
    monkeypatch.setitem(jobs._kinds, kind.name, kind)
    return calls


def test_a_waiting_job_is_cancelled_at_once_and_its_subject_with_it(heard: list[str]) -> None:
    waiting = job(S.QUEUED, kind="heard", subject_id=uuid4())
    assert job_cancel(job_id=waiting.id).state == S.CANCELLED
    waiting.refresh_from_db()
    assert waiting.finished_at is not None
    assert heard == ["cancelled"]


def test_a_running_job_is_asked_to_stop_and_its_worker_ends_it(heard: list[str]) -> None:
    running = job(S.RUNNING, kind="heard", subject_id=uuid4(), percent=30)
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
    monkeypatch.setattr(jobs, "publish", lambda job: sent.append(job.id))
    ended = job(
        state, kind="heard", subject_id=uuid4(), attempts=3, percent=80, error="x", error_code="y",
        cancel_requested=True, fencing_token=7, finished_at=timezone.now(),
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
    def refuse(_: UUID) -> None:
        raise Conflict("The file is gone.")

    monkeypatch.setitem(jobs._kinds, "refuses", JobKind("refuses", "default", on_retry=refuse))
    failed = job(S.FAILED, kind="refuses", subject_id=uuid4())
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
    wanted = job(S.FAILED, kind="proxy", subject_id=subject)
    job(S.FAILED, kind="proxy")
    job(S.FAILED, subject_id=subject)
    job(S.DONE, kind="proxy", subject_id=subject)
    assert list(job_list(state=S.FAILED, kind="proxy", subject_id=subject)) == [wanted]


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
        waiting = enqueue(kind=SCAN)
    waiting.refresh_from_db()
    assert (waiting.state, waiting.published_at) == (S.QUEUED, None)


def test_a_kind_is_declared_once() -> None:
    with pytest.raises(ValueError, match="scan is declared already"):
        job_kind("scan", queue="default")


def test_a_lost_message_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[UUID] = []

    def publish(waiting: Job) -> bool:
        sent.append(waiting.id)
        return True

    monkeypatch.setattr(jobs, "publish", publish)
    waiting = job(S.QUEUED)
    sweep()
    assert sent == []  # its own message may still be on the way
    Job.objects.filter(id=waiting.id).update(created_at=timezone.now() - timedelta(seconds=10))
    sweep()
    assert sent == [waiting.id]


def test_of_a_queue_with_too_few_messages_the_oldest_jobs_are_sent_again(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    sent: list[UUID] = []

    def publish(waiting: Job) -> bool:
        sent.append(waiting.id)
        return True

    monkeypatch.setattr(jobs, "publish", publish)
    ages = (300, 200, 100, 1)  # seconds since the message went; of the last one it may just be on its way
    waiting = [job(S.QUEUED, published_at=timezone.now() - timedelta(seconds=age)) for age in ages]
    for length, expected in ((3, []), (2, [0]), (0, [0, 1, 2])):
        sent.clear()
        monkeypatch.setattr("vsearch.celery.queue_lengths", lambda length=length: {"default": length, "gpu": 0})
        sweep()
        assert sent == [waiting[place].id for place in expected]

    def away() -> dict[str, int]:
        raise OperationalError("no broker")

    monkeypatch.setattr("vsearch.celery.queue_lengths", away)
    sent.clear()
    sweep()
    assert sent == []


def test_a_job_that_keeps_killing_its_worker_is_given_up(settings: Settings) -> None:
    settings.JOB_MAX_ATTEMPTS = 2
    lapsed = job(S.RUNNING, attempts=2, lease_until=timezone.now() - timedelta(seconds=1))
    sweep()
    lapsed.refresh_from_db()
    assert (lapsed.state, lapsed.error_code) == (S.FAILED, "worker_died")
