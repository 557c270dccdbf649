"""manage.py search "a dog on the beach" [--json] [--limit N] [--cursor C]"""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from apps.core.exceptions import VSearchError
from apps.core.management.prepared import PreparedCommand
from apps.core.plain import escaped, json_text
from apps.core.timespan import timecode
from apps.search.answers import SearchAnswer, answer_as_dict
from apps.search.searching import DEFAULT_LIMIT, search_moments


class Command(PreparedCommand):
    needs_model = "semantic"
    help = "Find moments by what they show, and titles and subtitles by their words."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "text", help='what to see; -word excludes, "quoted text" is searched in titles and subtitles'
        )
        parser.add_argument("--limit", type=int, default=DEFAULT_LIMIT, help="videos to show (1 to 100)")
        parser.add_argument("--cursor", default=None, help="cursor of the previous page, to continue after it")
        parser.add_argument("--json", action="store_true", help="print the JSON answer of the API")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            answer = search_moments(text=options["text"], limit=options["limit"], cursor=options["cursor"])
        except VSearchError as error:
            raise CommandError(error.message) from error
        if options["json"]:
            self.stdout.write(json_text(answer_as_dict(answer), indent=2))
            return
        for warning in answer.warnings:
            self.stderr.write(self.style.WARNING(warning))
        for hint in answer.hints:
            self.stderr.write(f"{hint.text} {hint.query}")
        self._print(answer)

    def _print(self, answer: SearchAnswer) -> None:
        if not answer.results:
            self.stdout.write("Nothing found.")
        for suggestion in answer.suggestions:
            self.stdout.write(f"Did you mean: {suggestion}")
        for result in answer.results:
            lost = " (file missing)" if result.video.missing_since else ""
            self.stdout.write(self.style.MIGRATE_HEADING(f"{result.rank}. {escaped(result.video.title)}{lost}"))
            for moment in result.moments:
                span = f"{timecode(moment.start)}-{timecode(moment.end)}"
                bar = "#" * round(10 * moment.relative)
                found = ", ".join(moment.matched) + (" (weak)" if moment.weak else "")
                self.stdout.write(f"   {span:<16} {bar:<10} {found}")
            self.stdout.write(f"   {escaped(result.video.path)}")
        if answer.next_cursor:
            self.stdout.write(f"More: --cursor {answer.next_cursor}")
