"""``manage.py restore FILE``: what ``backup`` wrote, into an empty installation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser


class Command(BaseCommand):
    help = (
        "Bring a backup back into an empty data directory (and the empty database of DATABASE_URL, if that is set). "
        "The file is checked whole; nothing is ever overwritten. A restore that broke off can be started again."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="a file that `manage.py backup` wrote")
        parser.add_argument("--check", action="store_true", help="only check that the file is whole")

    def handle(self, *args: Any, **options: Any) -> None:
        from vsearch.backup.archive import BackupProblem, read_archive
        from vsearch.backup.restoring import restore

        file: Path = options["file"]
        try:
            facts = read_archive(file) if options["check"] else restore(file, say=self.stdout.write)
        except BackupProblem as problem:
            raise CommandError(str(problem)) from problem
        videos = facts.rows["videos_video"]
        if options["check"]:
            self.stdout.write(f"{file} is whole: made {facts.created_at}, {videos} videos.")
            return
        self.stdout.write(f"Restored the backup of {facts.created_at}: {videos} videos. Start it: manage.py up")
        self.stdout.write(
            "Imported videos are found where they were; if they lie elsewhere now, import that folder. "
            "restored-settings.env in the data directory lists the settings of the old installation."
        )
