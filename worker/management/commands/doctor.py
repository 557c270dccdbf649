"""``manage.py doctor``: looks at everything vsearch needs and says, for each part, what to do."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from worker.management.examinations import Finding, examine

_SIGNS = {"ok": "ok     ", "warning": "warning", "problem": "PROBLEM"}


class Command(BaseCommand):
    help = "Check database, broker, ffmpeg, models, disk and GPU. Exit code 1 when something must be fixed."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON array instead of lines")

    def handle(self, *args: Any, **options: Any) -> None:
        findings = list(examine())
        if options["json"]:
            self.stdout.write(json.dumps([asdict(finding) for finding in findings], indent=1))
        else:
            for finding in findings:
                self._line(finding)
        if any(finding.state == "problem" for finding in findings):
            sys.exit(1)

    def _line(self, finding: Finding) -> None:
        style = {"ok": self.style.SUCCESS, "warning": self.style.WARNING, "problem": self.style.ERROR}[finding.state]
        self.stdout.write(f"{style(_SIGNS[finding.state])}  {finding.part:<12} {finding.detail}")
        if finding.remedy:
            self.stdout.write(f"{'':<23}-> {finding.remedy}")
