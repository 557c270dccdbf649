"""manage.py import DIR [--watch] [--wait] [--tag T]"""

from __future__ import annotations

import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError, CommandParser
from django.db import close_old_connections
from watchfiles import watch
from watchfiles._rust_notify import WatchfilesRustInternalError

from apps.core.exceptions import VSearchError
from apps.core.management.prepared import PreparedCommand
from apps.videos.editing import tags_clean
from apps.videos.identity import Identity, identity_of
from apps.videos.importing import Imported, Outcome, file_import, import_end, manifest_read
from apps.videos.management.import_progress import Progress, show_outcomes, show_summary
from apps.videos.paths import path_text, readable_name
from apps.videos.storage import space_check
from apps.videos.subtitle_files import subtitles_look
from apps.videos.walking import WITHOUT_VIDEO, LeftOut, files_under, is_growing

WATCH_STEP_MS = 2000
SHOW_HASHING_ABOVE = 512 * 1024**2


class Command(PreparedCommand):
    help = (
        "Add the videos of a folder to the library. Imported files are never copied. "
        "Known files are skipped, so you can run this again at any time."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", metavar="DIR", help="a folder (with all folders in it) or one file")
        parser.add_argument("--watch", action="store_true", help="keep running and add new files")
        parser.add_argument("--wait", action="store_true", help="show progress until every video is ready or failed")
        parser.add_argument("--tag", action="append", default=[], metavar="T", help="tag every video; can be repeated")

    def handle(self, *args: Any, **options: Any) -> None:
        folder = Path(options["folder"]).expanduser().absolute()
        if not folder.exists():
            raise CommandError(f"{path_text(folder)} does not exist.")
        try:
            self.tags = tags_clean(options["tag"])
            space_check(0)
        except VSearchError as error:
            raise CommandError(error.message) from error
        self.quiet = options["verbosity"] == 0
        self.seen: dict[Path, Identity] = {}
        self.counts: Counter[Outcome] = Counter()
        self.skipped: Counter[str] = Counter()  # by reason
        self.video_ids: dict[UUID, None] = {}
        self.missing: set[Path] = set()
        self.subtitles = 0  # files beside videos
        try:
            growing = self._pass(folder)
            self._say_totals(folder)
            failed = 0
            if options["wait"]:
                Progress(self.stdout, interactive=self.stdout.isatty()).until_done(list(self.video_ids))
                failed = show_summary(self.stdout, list(self.video_ids))
            if options["watch"]:
                self._watch(folder, growing)
        except KeyboardInterrupt:
            self.stdout.write("\nStopped. Added videos are still being indexed; run the command again to add the rest.")
            sys.exit(130)
        if failed:
            sys.exit(1)

    def _pass(self, folder: Path, *, again: bool = False) -> list[Path]:
        """Import what is new since the last pass; returns files that are still being written."""
        labels = manifest_read(folder) if folder.is_dir() else {}
        growing: list[Path] = []
        present: set[str] = set()
        done: list[Imported] = []
        subtitles: set[str] = set()
        for path in files_under(folder) if folder.is_dir() else [folder]:
            if isinstance(path, LeftOut):
                if path.reason == WITHOUT_VIDEO:
                    subtitles.add(path_text(path.path))
                else:
                    self.skipped[path.reason] += 1
                continue
            present.add(path_text(path))
            look = _look(path)
            if look is not None and self.seen.get(path) == look:
                continue
            if look is not None and is_growing(path):
                growing.append(path)
                if not again:
                    self._report(Imported(path, Outcome.SKIPPED, "still being written"))
                continue
            label = labels.get(str(path.relative_to(folder))) if folder.is_dir() else None
            size = look.size_bytes if look is not None else 0
            result = file_import(path=path, tags=self.tags, label=label, progress=self._hashing(path, size))
            if look is not None:
                self.seen[path] = look
            elif again:
                continue  # a link that leads nowhere, as before
            self._report(result)
            done.append(result)
        for result in import_end(folder=folder if folder.is_dir() else None, present=present, done=done):
            if result.outcome != Outcome.MISSING or result.path not in self.missing:
                self._report(result)
            if result.outcome == Outcome.MISSING:
                self.missing.add(result.path)
            if result.outcome == Outcome.REPLACED:
                self.counts[Outcome.NEW] -= 1
        self._look_for_subtitles(folder, subtitles)
        return growing

    def _look_for_subtitles(self, folder: Path, seen: set[str]) -> None:
        look = subtitles_look(folder=folder if folder.is_dir() else folder.parent)
        self.subtitles = len(look.found)
        if seen - look.found:
            self.skipped[WITHOUT_VIDEO] = len(seen - look.found)
        for path in look.changed:
            if not self.quiet:
                self.stdout.write(f"{'subtitles':>14}  {path}  (read again)")

    def _hashing(self, path: Path, size: int) -> Any:
        """A line that shows how far a large file is read; nothing for small ones."""
        if size < SHOW_HASHING_ABOVE or self.quiet or not self.stdout.isatty():
            return None

        def show(done: int) -> None:
            if done % (64 * 1024**2) < 1024**2 or done >= size:
                self.stdout.write(f"\r  reading {readable_name(path.name)}: {100 * done // size} %\033[K", ending="")
                self.stdout.flush()
            if done >= size:
                self.stdout.write("\r\033[K", ending="")

        return show

    def _report(self, result: Imported) -> None:
        self.counts[result.outcome] += 1
        if result.outcome == Outcome.SKIPPED:
            self.skipped[result.note] += 1
        if result.video is not None:
            self.video_ids[result.video.id] = None
        if not self.quiet:
            note = f"  ({path_text(result.note)})" if result.note else ""
            self.stdout.write(f"{result.outcome:>14}  {path_text(result.path)}{note}")

    def _say_totals(self, folder: Path) -> None:
        if not self.counts:
            self.stdout.write(f"No videos in {path_text(folder)}.")
        size = sum(look.size_bytes for look in self.seen.values())
        show_outcomes(self.stdout, self.counts, self.skipped, size, self.subtitles)

    def _watch(self, folder: Path, growing: list[Path]) -> None:
        """Whole passes are cheap, so an event only says that one is due; growing files are looked at every step."""
        self.stdout.write(f"Watching {path_text(folder)}. Press Ctrl-C to stop.")
        stop = threading.Event()
        due = False
        while True:
            try:
                for changes in watch(
                    folder, stop_event=stop, step=100, rust_timeout=WATCH_STEP_MS, yield_on_timeout=True,
                    raise_interrupt=True,
                ):  # fmt: skip
                    if changes or growing or due:
                        due = False
                        close_old_connections()
                        growing = self._pass(folder, again=True)
                return
            except WatchfilesRustInternalError as error:
                if "decode path" not in str(error):
                    raise
                due = True  # watchfiles cannot tell a name that is no UTF-8; a whole pass finds the file


def _look(path: Path) -> Identity | None:
    """None for what leads nowhere or is no regular file."""
    try:
        return identity_of(path)
    except OSError:
        return None
