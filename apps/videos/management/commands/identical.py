"""manage.py identical [--json]"""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from apps.core.management.prepared import PreparedCommand
from apps.core.plain import escaped, json_text
from apps.videos.identical import FilePlace, identical_all, identical_rows
from apps.videos.presence import LOST
from apps.videos.storage import readable


class Command(PreparedCommand):
    help = "List files with exactly the same content, those that take most space first. Nothing is deleted."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object a file and line")

    def handle(self, *args: Any, **options: Any) -> None:
        videos = spare = 0
        for identical in identical_all():
            videos += 1
            spare += identical.spare_bytes
            if options["json"]:
                for row in identical_rows(identical):
                    self.stdout.write(json_text(row))
                continue
            freed = f"; {readable(identical.spare_bytes)} could be freed" if identical.spare_files else ""
            size = readable(identical.video.size_bytes)
            self.stdout.write(self.style.MIGRATE_HEADING(f"{escaped(identical.video.title)} ({size}{freed})"))
            for file in identical.files:
                self.stdout.write(f"  {_words(file):>16}  {escaped(file.path)}")
        if not options["json"]:
            self.stdout.write(
                f"{videos} videos have several files; {readable(spare)} could be freed. Nothing was deleted."
                if videos
                else "No identical files."
            )


def _words(file: FilePlace) -> str:
    if file.place in LOST:
        return "missing"
    if not file.is_here:
        return "not reachable"
    if file.is_link:
        return "same file"
    if file.is_played:
        return "played"
    return "protected" if file.is_protected else "copy"
