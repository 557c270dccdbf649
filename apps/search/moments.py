"""A moment, from the hit to the page: the only type that search passes on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from django.urls import reverse

from apps.videos.selectors import thumbnail_url

VISUAL = "visual"
TOUCHING_SECONDS = 0.05  # spans that share no more than this do not overlap: rounding of neighbouring clips


@dataclass(slots=True)
class Moment:
    """A span of a video that answers a query.

    A hit is a moment that was found in one way; ranking joins hits of the same place. ``matched``: visual, title,
    name (of the file), description, subtitle. ``rank``: 1 is the best of its video. ``relative`` and ``weak`` are set
    by the Scale of an answer: 0..1, for a bar, and below the line.
    """

    video_id: UUID
    start: float
    end: float
    matched: tuple[str, ...]
    cosine: float | None = None  # of the picture, when it was found by its picture
    text_rank: float | None = None  # 0..1, of the words, when it was found by words
    rank: int = 0
    weight: float = 0.0  # of its hits, by their places
    relative: float = 0.0
    weak: bool = False

    @property
    def score(self) -> float:
        """Cosine of the picture; for a moment found by words only, their text rank. Compares only within one answer."""
        return self.cosine if self.cosine is not None else self.text_rank or 0.0

    @property
    def thumbnail_url(self) -> str:
        return thumbnail_url(self.video_id, self.start, self.end)

    @property
    def play_url(self) -> str:
        seconds = f"{self.start:.2f}".rstrip("0").rstrip(".")
        return f"{_player(self.video_id)}?t={seconds}"

    def overlaps(self, other: Moment) -> bool:
        return min(self.end, other.end) - max(self.start, other.start) > TOUCHING_SECONDS or (
            self.start == other.start  # a cue without length
        )

    def absorb(self, hit: Moment) -> None:
        """The same moment was found another way: it keeps the span of the better hit and gains the other's weight."""
        if hit.matched[0] in self.matched:
            return
        self.matched += hit.matched
        if (self.cosine if hit.text_rank is None else self.text_rank) is None:
            self.weight += hit.weight
        self.cosine = _larger(self.cosine, hit.cosine)
        self.text_rank = _larger(self.text_rank, hit.text_rank)


@lru_cache(maxsize=1024)
def _player(video_id: UUID) -> str:
    """Kept, because looking up an address costs more than all else of a moment."""
    return reverse("videos:detail", args=[video_id])


def _larger(one: float | None, other: float | None) -> float | None:
    return max(one, other) if one is not None and other is not None else one if other is None else other
