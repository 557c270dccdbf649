"""A Celery app for broker tests: the product's app, queues and job handling with a body that the test controls."""

from __future__ import annotations

import os
import time
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vsearch.settings")

import django

django.setup()

from apps.duplicates.job_kinds import SCAN  # noqa: E402
from vsearch.celery import app  # noqa: E402, F401
from worker.tasks import running  # noqa: E402

NOTES = Path(os.environ["VSEARCH_DATA_DIR"])


@running.task(SCAN)
def scan(job: running.RunningJob) -> None:
    """Notes its start and its end; holds in between while a file says so."""
    with (NOTES / "notes").open("a") as notes:
        notes.write(f"start {job.attempt}\n")
    while (NOTES / "hold").exists():
        time.sleep(0.05)
    job.check()
    with (NOTES / "notes").open("a") as notes:
        notes.write(f"end {job.attempt}\n")
