"""Subtitles of a video: the stored cues, and the WebVTT that a player takes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from apps.videos.models import TextSegment

MAX_CUES = 20_000


@dataclass(frozen=True, slots=True)
class Cue:
    """``start`` and ``end`` in seconds."""

    start: float
    end: float
    text: str
    language: str


def subtitle_cues(video_id: UUID, *, limit: int = MAX_CUES) -> list[Cue]:
    """By time; empty when the video has none."""
    found = TextSegment.objects.filter(video_id=video_id, source=TextSegment.Source.SUBTITLE)
    rows = found.order_by("start", "end", "id").values_list("start", "end", "text", "language")[:limit]
    return [Cue(*row) for row in rows]


def as_webvtt(cues: Iterable[Cue]) -> str:
    """ "" without cues. Text is escaped, so that no cue becomes markup or ends the one before."""
    blocks = []
    for cue in cues:
        text = " ".join(cue.text.split())
        for sign, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
            text = text.replace(sign, escaped)
        blocks.append(f"{_clock(cue.start)} --> {_clock(cue.end)}\n{text}\n")
    return "WEBVTT\n\n" + "\n".join(blocks) if blocks else ""


def _clock(seconds: float) -> str:
    milliseconds = round(max(0.0, seconds) * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}.{rest % 1000:03d}"
