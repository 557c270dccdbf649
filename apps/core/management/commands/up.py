"""``manage.py up``: the whole of vsearch in one process tree."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

NAMES = ("web", "gpu", "lookup", "default", "training", "scheduler")


class Command(BaseCommand):
    help = "Start database, web, workers and scheduler; Ctrl-C stops them all."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=settings.PORT, help="default %(default)s")
        parser.add_argument("--host", default=settings.HOST, help="address to listen on, default %(default)s")
        parser.add_argument("--only", nargs="+", choices=NAMES, default=[], help="start only these processes")

    def handle(self, *args: Any, **options: Any) -> None:
        from vsearch.postgres.embedded import EmbeddedProblem
        from vsearch.processes import startup

        try:
            startup.up(host=options["host"], port=options["port"], only=options["only"])
        except (startup.CannotStart, EmbeddedProblem) as problem:
            raise CommandError(str(problem)) from problem
