"""manage.py scan [--wait]: match every video of the library with all others again, in the background."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError, CommandParser

from apps.core.management.prepared import PreparedCommand
from apps.core.models import Job
from apps.duplicates.library.scans import scan_start

POLL_SECONDS = 1.0


class Command(PreparedCommand):
    help = (
        "Compare all videos of the library again. A worker must run (manage.py up); a stopped scan continues by itself."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--wait", action="store_true", help="wait until it is done; exit code 1 when it failed")

    def handle(self, *, wait: bool, **options: Any) -> None:
        job, new = scan_start(title="requested by manage.py scan")
        self.stdout.write("The scan is queued." if new else "A scan is running already.")
        if wait:
            self._wait(job.id)

    def _wait(self, job_id: UUID) -> None:
        said = -1
        while True:
            job = Job.objects.filter(id=job_id).first()
            if job is None or job.state == Job.State.DONE:
                self.stdout.write("The scan is done.")
                return
            if not job.active:
                raise CommandError(f"The scan ended: {job.get_state_display()}. {job.error}".strip())
            if int(job.percent) // 10 > said:
                said = int(job.percent) // 10
                self.stdout.write(f"{job.percent:.0f} %")
            time.sleep(POLL_SECONDS)
