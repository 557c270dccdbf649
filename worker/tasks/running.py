"""How a task holds its Job: claim, heartbeat, progress, cancel, and how it ends.

A claim is one UPDATE that raises the fencing token and takes the lease, so of two deliveries of one message only
one works. A heartbeat thread renews the lease while the body runs; if the lease was lost (this process was
paused and the sweeper gave the job to another), every later write with the old token changes nothing and the
body is stopped by ``JobLost`` at its next ``progress`` call.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from uuid import UUID

from celery.signals import worker_shutting_down
from django.conf import settings
from django.db import close_old_connections, connection, transaction
from django.db.models import F
from django.utils import timezone

from apps.core.disk_full import is_disk_full
from apps.core.jobs import JobKind, may_start, subject_cancelled, subject_failed
from apps.core.models import Job
from vsearch.celery import app

log = logging.getLogger(__name__)

SAVE_PROGRESS_SECONDS = 0.5
POSTPONE_SECONDS = 60  # of a job that found no space on the disk
LEAST_FREE_BYTES = 64 * 1024**2  # with less, a job is not begun: it would fail at its end
NO_SPACE = "There is no space left on the server's disk. This goes on by itself when some is free."


class JobStopped(Exception):
    """The body must end now and write nothing more."""


class JobLost(JobStopped):
    """Another worker holds the job."""


class JobCancelled(JobStopped):
    """A person asked for it."""


class JobInterrupted(JobStopped):
    """This worker is shutting down; the job goes back to the queue."""


class JobContinues(JobStopped):
    """The body did a slice of long work and lets others pass; the job goes to the end of the queue."""


class JobFailed(Exception):
    """The work cannot succeed; ``message`` is for people. No retry will help."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


MODEL_BROKEN = "The model cannot be used. Run `manage.py doctor` on the server; the log of the worker says more."


def model_failed(error: Exception) -> JobFailed:
    """What people see when a model does not work. What it says itself names folders, and goes to the log."""
    log.error("a model cannot be used: %s", error)
    return JobFailed("model", MODEL_BROKEN)


shutting_down = threading.Event()  # set when Celery begins to stop


class RunningJob:
    """The claimed job as its body sees it."""

    def __init__(self, job: Job) -> None:
        self._row = job
        self.id: UUID = job.id
        self.token = job.fencing_token
        self.subject_id = job.subject_id
        self.arguments = job.arguments
        self.attempt = job.attempts
        self._started = time.monotonic()
        self._first_fraction: float | None = None
        self._saved = 0.0
        self._lost = threading.Event()
        self._cancelled = threading.Event()
        self._stop_heartbeat = threading.Event()

    @property
    def subject(self) -> UUID:
        """Of a kind of job that has one."""
        if self.subject_id is None:
            raise JobFailed("internal", "This job names nothing to work on.")
        return self.subject_id

    def _mine(self):  # type: ignore[no-untyped-def]
        return Job.objects.filter(id=self.id, fencing_token=self.token, state=Job.State.RUNNING)

    def stopped(self) -> bool:
        """True when the body should end: for loops and for the ``cancelled`` argument of worker.media."""
        return self._lost.is_set() or self._cancelled.is_set() or shutting_down.is_set()

    def check(self) -> None:
        """Raise the JobStopped that applies, if any."""
        if self._lost.is_set():
            raise JobLost(str(self.id))
        if self._cancelled.is_set():
            raise JobCancelled(str(self.id))
        if shutting_down.is_set():
            raise JobInterrupted(str(self.id))

    def progress(self, stage: str, fraction: float) -> None:
        """Record ``fraction`` (0..1 of the whole job) at most twice a second; time left from the pace so far."""
        self.check()
        now = time.monotonic()
        if now - self._saved < SAVE_PROGRESS_SECONDS and fraction < 1.0:
            return
        self._saved = now
        if self._first_fraction is None:  # an attempt may continue where an earlier one stopped
            self._first_fraction, self._started = fraction, now
        done = fraction - self._first_fraction
        left = (now - self._started) * (1 - fraction) / done if done > 0.02 else None
        if not self._mine().update(stage=stage, percent=round(100 * fraction, 1), seconds_left=left):
            self._lost.set()
            self.check()

    def hold(self) -> None:
        """Lock the job row inside the caller's transaction and raise JobLost unless the claim still stands."""
        if not self._mine().select_for_update().exists():
            raise JobLost(str(self.id))

    def _beat(self) -> None:
        lease = settings.JOB_LEASE_SECONDS
        while not self._stop_heartbeat.wait(min(lease / 3, 2.0)):
            now = timezone.now()
            renewed = self._mine().update(heartbeat_at=now, lease_until=now + timedelta(seconds=lease))
            if not renewed:
                self._lost.set()
            elif self._mine().filter(cancel_requested=True).exists():
                self._cancelled.set()
        connection.close()

    def _finish(self, **changes: object) -> None:
        self._mine().update(lease_until=None, finished_at=timezone.now(), seconds_left=None, **changes)

    def _postpone(self) -> None:
        """Not a failure: nothing is wrong with the work, and it is done when there is space again."""
        log.warning("job %s waits for space on the disk", self.id)
        self._mine().update(
            state=Job.State.QUEUED,
            lease_until=None,
            published_at=None,
            not_before=timezone.now() + timedelta(seconds=POSTPONE_SECONDS),
            attempts=F("attempts") - 1,
            error_code="no_space",
            error=NO_SPACE,
        )

    def _end(self, end_subject: Callable[[Job], None], **changes: object) -> None:
        """The job and its subject in one transaction; nothing when another worker has the job by now."""
        with contextlib.suppress(JobLost), transaction.atomic():
            self.hold()
            end_subject(self._row)
            self._finish(**changes)

    def _fail(self, code: str, message: str) -> None:
        end_subject = partial(subject_failed, code=code, message=message)
        self._end(end_subject, state=Job.State.FAILED, error_code=code, error=message)


def claim(job_id: str) -> RunningJob | None:
    """Take a queued job, or return None when it is taken, done, cancelled or gone."""
    now = timezone.now()
    with transaction.atomic():
        taken = Job.objects.filter(may_start(now), id=job_id, state=Job.State.QUEUED).update(
            state=Job.State.RUNNING,
            not_before=None,
            fencing_token=F("fencing_token") + 1,
            attempts=F("attempts") + 1,
            lease_until=now + timedelta(seconds=settings.JOB_LEASE_SECONDS),
            heartbeat_at=now,
            started_at=now,
            percent=0.0,
            seconds_left=None,
            error="",
            error_code="",
        )
        return RunningJob(Job.objects.get(id=job_id)) if taken else None


def run(job_id: str, body: Callable[[RunningJob], None]) -> None:
    """Claim ``job_id`` and run ``body``; the job ends done, failed, cancelled, or queued again on shutdown.

    Its subject learns of a failure or a cancel by the hooks of the job's kind. An unexpected exception marks the job
    failed with a general message and is raised on, so that it reaches the log.
    """
    close_old_connections()
    job = claim(job_id)
    if job is None:
        log.info("job %s is not waiting any more", job_id)
        return
    heartbeat = threading.Thread(target=job._beat, name=f"heartbeat-{job_id}", daemon=True)
    heartbeat.start()
    try:
        if shutil.disk_usage(settings.DATA_DIR).free < LEAST_FREE_BYTES:
            raise JobFailed("no_space", NO_SPACE)
        body(job)
        job._finish(state=Job.State.DONE, percent=100.0)
    except JobFailed as failure:
        if failure.code == "no_space":
            job._postpone()
        else:
            job._fail(failure.code, failure.message)
    except JobLost:
        log.warning("job %s was taken over by another worker", job_id)
    except JobCancelled:
        job._end(subject_cancelled, state=Job.State.CANCELLED)
    except (JobInterrupted, JobContinues):
        job._mine().update(state=Job.State.QUEUED, lease_until=None, published_at=None, attempts=F("attempts") - 1)
    except BaseException as error:
        if is_disk_full(error):
            job._postpone()
            return
        job._fail("internal", "Something unexpected went wrong; see the log of the worker. Try again.")
        raise
    finally:
        job._stop_heartbeat.set()
        heartbeat.join(timeout=5)


def task(kind: JobKind) -> Callable[[Callable[[RunningJob], None]], Callable[[str], None]]:
    """Make the Celery task of ``kind`` from its body; the task takes the id of a job and calls ``run``."""

    def of_body(body: Callable[[RunningJob], None]) -> Callable[[str], None]:
        def entry(job_id: str) -> None:
            run(job_id, body)

        entry.__doc__, entry.__module__ = body.__doc__, body.__module__
        registered: Callable[[str], None] = app.task(entry, name=kind.task)
        return registered

    return of_body


@worker_shutting_down.connect
def _stop_running_jobs(**_: object) -> None:
    shutting_down.set()
