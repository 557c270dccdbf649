"""``manage.py backup FILE``: everything that vsearch stores, in one checked file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser


class Command(BaseCommand):
    help = (
        "Write database, media, models, training and settings to one file and check it; vsearch may run meanwhile. "
        "Imported videos are not in it. The file holds accounts and keys: keep it as safe as the server."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="a file that does not exist yet")
        parser.add_argument(
            "--without", nargs="+", choices=("media", "models", "training"), default=[],
            help="leave a folder out because it is kept elsewhere",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        from vsearch.backup.archive import BackupProblem
        from vsearch.backup.making import backup

        file: Path = options["file"]
        try:
            facts = backup(file, say=self.stdout.write, without=frozenset(options["without"]))
        except BackupProblem as problem:
            raise CommandError(str(problem)) from problem
        for name in facts.vanished:
            self.stderr.write(f"{name} was deleted while the backup ran; it is not in it.")
        size = file.expanduser().stat().st_size
        self.stdout.write(f"{file}: {size / 1e6:.1f} MB, {facts.rows['videos_video']} videos, checked.")
