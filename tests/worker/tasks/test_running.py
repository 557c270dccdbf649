"""A job is claimed once, keeps its lease, and ends in exactly one way."""

from __future__ import annotations

import errno
import threading
import time
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import Settings

from apps.core import jobs
from apps.core.jobs import sweep
from apps.core.models import Job
from worker.tasks import running
from worker.tasks.running import JobFailed, JobLost, RunningJob, claim, run

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def short_lease(settings: Settings) -> None:
    settings.JOB_LEASE_SECONDS = 2


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    sent: list[str] = []

    def publish(job: Job) -> bool:
        sent.append(str(job.id))
        return True

    monkeypatch.setattr(jobs, "publish", publish)
    return sent


def make_job(**fields: object) -> Job:
    return Job.objects.create(kind="match", **fields)


def test_of_many_deliveries_one_claims() -> None:
    job = make_job()
    won: list[RunningJob] = []
    gate = threading.Barrier(6)

    def deliver() -> None:
        gate.wait()
        claimed = claim(str(job.id))
        if claimed is not None:
            won.append(claimed)
        connection.close()

    threads = [threading.Thread(target=deliver) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    job.refresh_from_db()
    assert (job.state, job.attempts, job.fencing_token) == ("running", 1, 1)


def test_a_finished_job_does_not_run_again() -> None:
    job = make_job()
    calls: list[int] = []
    run(str(job.id), lambda _: calls.append(1))
    run(str(job.id), lambda _: calls.append(2))
    job.refresh_from_db()
    assert calls == [1] and job.state == "done" and job.percent == 100


def test_a_failure_keeps_its_reason() -> None:
    job = make_job()

    def body(_: RunningJob) -> None:
        raise JobFailed("empty", "The file is empty.")

    run(str(job.id), body)
    job.refresh_from_db()
    assert (job.state, job.error_code, job.error) == ("failed", "empty", "The file is empty.")


def test_a_surprise_is_recorded_and_raised() -> None:
    job = make_job()

    def body(_: RunningJob) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(str(job.id), body)
    job.refresh_from_db()
    assert job.state == "failed" and job.error_code == "internal" and job.error


def test_the_heartbeat_outlives_the_lease_and_a_cancel_reaches_the_body() -> None:
    job = make_job()

    def body(running_job: RunningJob) -> None:
        end = time.monotonic() + 20
        started = timezone.now()
        while time.monotonic() < end:
            if timezone.now() > started + timedelta(seconds=3):  # past the first lease
                assert sweep() == 0
                Job.objects.filter(id=job.id).update(cancel_requested=True)
            running_job.check()
            time.sleep(0.05)

    run(str(job.id), body)
    job.refresh_from_db()
    assert job.state == "cancelled"


def test_a_dead_workers_job_is_handed_out_again(published: list[str]) -> None:
    job = make_job()
    assert claim(str(job.id)) is not None
    Job.objects.filter(id=job.id).update(lease_until=timezone.now() - timedelta(seconds=1))
    sweep()
    job.refresh_from_db()
    assert job.state == "queued"
    Job.objects.filter(id=job.id).update(created_at=timezone.now() - timedelta(minutes=1))
    sweep()
    assert str(job.id) in published
    run(str(job.id), lambda _: None)
    job.refresh_from_db()
    assert (job.state, job.attempts, job.fencing_token) == ("done", 2, 2)


def test_who_lost_the_lease_can_change_nothing() -> None:
    job = make_job()
    loser = claim(str(job.id))
    assert loser is not None
    Job.objects.filter(id=job.id).update(state="queued", lease_until=None)
    winner = claim(str(job.id))
    assert winner is not None
    with pytest.raises(JobLost):
        loser.progress("late", 0.5)
    with transaction.atomic(), pytest.raises(JobLost):
        loser.hold()
    loser._finish(state="failed")
    job.refresh_from_db()
    assert job.state == "running" and job.fencing_token == winner.token


def test_a_stopping_worker_hands_its_job_back_without_counting_the_attempt() -> None:
    job = make_job()

    def body(running_job: RunningJob) -> None:
        running.shutting_down.set()
        running_job.progress("half", 0.5)

    try:
        run(str(job.id), body)
    finally:
        running.shutting_down.clear()
    job.refresh_from_db()
    assert (job.state, job.attempts, job.published_at) == ("queued", 0, None)


@pytest.mark.parametrize(
    "no_space",
    [JobFailed("no_space", "full"), OSError(errno.ENOSPC, "full"), OSError(errno.EDQUOT, "quota")],
    ids=["told", "system", "quota"],
)
def test_a_job_that_finds_no_space_waits_for_it(no_space: Exception, published: list[str]) -> None:
    job = make_job(published_at=timezone.now())

    def body(running_job: RunningJob) -> None:
        raise no_space

    run(str(job.id), body)
    job.refresh_from_db()
    assert (job.state, job.attempts, job.error_code) == ("queued", 0, "no_space") and job.error
    Job.objects.filter(id=job.id).update(created_at=timezone.now() - timedelta(minutes=1))
    sweep()
    assert published == [] and claim(str(job.id)) is None  # not yet, whoever delivers what
    Job.objects.filter(id=job.id).update(not_before=timezone.now() - timedelta(seconds=1))
    sweep()
    assert published == [str(job.id)]
    run(str(job.id), lambda _: None)
    job.refresh_from_db()
    assert (job.state, job.attempts, job.error) == ("done", 1, "")


def test_with_almost_no_space_a_job_is_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "LEAST_FREE_BYTES", 2**62)
    job = make_job()
    run(str(job.id), lambda _: pytest.fail("begun"))
    job.refresh_from_db()
    assert (job.state, job.error_code) == ("queued", "no_space")
