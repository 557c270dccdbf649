"""manage.py lookup FILE: where does this video exist already? Needs no running worker and stores nothing."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from apps.core.management.prepared import PreparedCommand
from apps.core.plain import escaped, json_text
from apps.duplicates.lookups.answers import answer_matches
from apps.duplicates.lookups.notes import INSTEAD, note_message
from apps.duplicates.wording import overall_words, span_words
from apps.embeddings.models import ModelVersion
from apps.embeddings.selectors import model_version_serving
from apps.videos.models import Video

DEFAULT_LIMIT = 20


class Command(PreparedCommand):
    needs_model = "copy"
    help = "Show which library videos share footage with FILE, and which of their segments match."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--json", action="store_true", help="print the JSON answer of the API")
        parser.add_argument("--limit", type=int, default=DEFAULT_LIMIT, help="matches to print (default: %(default)s)")

    def handle(self, *, file: Path, json: bool, limit: int, **options: Any) -> None:
        if limit < 1:
            raise CommandError("--limit must be 1 or more.")
        if not file.is_file():
            raise CommandError(f"There is no file {file}.")
        version = model_version_serving(ModelVersion.Role.COPY)
        if version is None:
            raise CommandError("No copy model is ready yet. Run `manage.py prepare` first.")
        matches, note = self._ask(file.resolve(), version, quiet=json)
        self.stdout.write(as_json(matches[:limit], note) if json else as_table(file.name, matches[:limit], note))

    def _ask(self, file: Path, version: ModelVersion, *, quiet: bool) -> tuple[list[dict[str, Any]], str]:
        """The matches and the code of a note, "" for none."""
        # Imported here, because the fingerprint needs torch and `manage.py help` does not.
        from worker.embedders.base import EmbedderError
        from worker.media.errors import MediaError
        from worker.tasks.lookup import lookup_file

        def on_stage(stage: str, fraction: float) -> None:
            if not quiet and sys.stderr.isatty():
                self.stderr.write(f"\r{stage} {100 * fraction:3.0f} %\033[K", ending="")
                self.stderr.flush()

        try:
            result = lookup_file(file, version, on_stage=on_stage)
        except MediaError as error:
            raise CommandError(error.message) from error
        except EmbedderError as error:
            raise CommandError(str(error)) from error
        finally:
            if not quiet and sys.stderr.isatty():
                self.stderr.write("\r\033[K", ending="")
        videos = Video.objects.in_bulk({match.video_id for match in result.found})
        return answer_matches(result.found, videos), result.note


def as_json(matches: list[dict[str, Any]], note: str) -> str:
    told = {"code": note, "message": note_message(note)} if note else None
    return json_text({"matches": matches, "note": told}, indent=2)


def as_table(name: str, matches: list[dict[str, Any]], note: str) -> str:
    """For people: why the answer is weak if it is, then one block a match, spans as timecodes."""
    verdict = INSTEAD[note] if not matches and note in INSTEAD else overall_words([m["relation"] for m in matches])
    lines = [f"{escaped(name)}: {verdict}"]
    if note_message(note):
        lines.append(note_message(note))
    for number, match in enumerate(matches, start=1):
        lines += ["", f"{number}. {escaped(match['video']['title'])}   score {match['score']:.2f}"]
        lines += [f"   {match['verdict']}", f"   {escaped(match['video']['path'])}"]
        for segment in match["segments"]:
            query, reference = span_words(*segment["query"]), span_words(*segment["reference"])
            lines.append(f"   {query} here = {reference} there" + (" (backwards)" if segment["reversed"] else ""))
    return "\n".join(lines)
