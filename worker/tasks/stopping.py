"""The word of a stopping worker to its running jobs."""

from __future__ import annotations

from celery.signals import worker_shutting_down

from worker.tasks.running import shutting_down


@worker_shutting_down.connect
def _tell_running_jobs(**_: object) -> None:
    shutting_down.set()
