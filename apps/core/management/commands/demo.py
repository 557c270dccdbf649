"""``manage.py demo``: a running vsearch with the demo library, or with a folder of one's own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser


class Command(BaseCommand):
    help = "Start vsearch, create an administrator, import the demo library or --videos, and say what to try."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--videos", type=Path, help="a folder of videos instead of the demo library")
        parser.add_argument("--port", type=int, default=settings.PORT, help="default %(default)s")
        parser.add_argument("--host", default=settings.HOST, help="default %(default)s")
        parser.add_argument("--install-seconds", type=float, help="how long the installation took, for the record")

    def handle(self, *args: Any, **options: Any) -> None:
        from vsearch.processes.demo_run import demo
        from vsearch.processes.startup import CannotStart

        videos: Path | None = options["videos"]
        if videos is not None:
            videos = videos.expanduser().resolve()
            if not videos.is_dir():
                raise CommandError(f"{videos} is not a folder. Name the folder with your videos: VIDEOS=/path")
        try:
            code = demo(
                host=options["host"], port=options["port"], videos=videos, install_seconds=options["install_seconds"]
            )
        except CannotStart as problem:
            raise CommandError(str(problem)) from problem
        sys.exit(code)
