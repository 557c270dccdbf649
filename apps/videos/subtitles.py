"""Subtitles of a video: its tracks, the stored cues, and the WebVTT that a player takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath
from uuid import UUID

from django.db.models import QuerySet

from apps.videos.languages import language_name
from apps.videos.models import SubtitleFile, TextSegment

MAX_CUES = 20_000


@dataclass(frozen=True, slots=True)
class Track:
    """``label`` is the name of the language in the language itself, with a number where there are several."""

    number: int
    language: str
    label: str


@dataclass(frozen=True, slots=True)
class Cue:
    """``start`` and ``end`` in seconds. ``text`` has a line for each line on the screen."""

    start: float
    end: float
    text: str


def subtitle_tracks(video_id: UUID) -> list[Track]:
    """Those in the file first; empty when the video has none."""
    languages = dict(_cues_of(video_id).order_by("track", "-language").values_list("track", "language").distinct())
    seen: Counter[str] = Counter()
    tracks = []
    for number, language in languages.items():
        name = language_name(language) or "Subtitles"
        seen[name] += 1
        tracks.append(Track(number, language, f"{name} {seen[name]}" if seen[name] > 1 else name))
    return tracks


def subtitle_cues(video_id: UUID, *, track: int, limit: int = MAX_CUES) -> list[Cue]:
    """By time; empty when the video has no such track."""
    rows = _cues_of(video_id).filter(track=track).order_by("start", "end", "id").values_list("start", "end", "text")
    return [Cue(*row) for row in rows[:limit]]


def unread_subtitle_files(video_id: UUID) -> list[tuple[str, str]]:
    """(name of the file, why nothing of it could be read)"""
    rows = SubtitleFile.objects.filter(video_id=video_id).exclude(problem="")
    return [(PurePath(path).name, problem) for path, problem in rows.values_list("path", "problem")]


def _cues_of(video_id: UUID) -> QuerySet[TextSegment]:
    return TextSegment.objects.filter(video_id=video_id, source=TextSegment.Source.SUBTITLE)


def as_webvtt(cues: Iterable[Cue]) -> str:
    """ "" without cues. Text is escaped, so that no cue becomes markup or ends the one before."""
    blocks = []
    for cue in cues:
        text = "\n".join(line for line in cue.text.splitlines() if line.strip())
        for sign, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
            text = text.replace(sign, escaped)
        blocks.append(f"{_clock(cue.start)} --> {_clock(cue.end)}\n{text}\n")
    return "WEBVTT\n\n" + "\n".join(blocks) if blocks else ""


def _clock(seconds: float) -> str:
    milliseconds = round(max(0.0, seconds) * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}.{rest % 1000:03d}"
