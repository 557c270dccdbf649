"""From hits to a ranking of videos with their moments. Pure: no Django, no database.

Reciprocal rank fusion: a video scores 1 / (60 + its place) in the list of pictures and in the list of words, and the
sum ranks it; cosines and text ranks are never added, for they have no common scale. Inside a video the moments are
fused in the same way by the places of their hits. Equal scores are ordered by what was found in words first, then by
id and start, so that the same hits always give the same ranking.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

RRF_K = 60
MAX_MOMENTS = 5
TOUCHING_SECONDS = 0.05  # spans that share no more than this do not overlap: rounding of neighbouring clips
VISUAL = "visual"


@dataclass(frozen=True, slots=True)
class Found:
    """One hit. ``source``: visual, title, description or subtitle. ``score``: cosine, or text rank in 0..1."""

    video_id: UUID
    start: float
    end: float
    source: str
    score: float


@dataclass(slots=True)
class Moment:
    start: float
    end: float
    matched: list[str]
    cosine: float | None = None  # of the picture, when it was found by its picture
    text_rank: float | None = None  # of the words, when it was found by words
    fused: float = 0.0

    def overlaps(self, found: Found) -> bool:
        return min(self.end, found.end) - max(self.start, found.start) > TOUCHING_SECONDS or (
            self.start == found.start  # a cue without length
        )

    def absorb(self, found: Found, weight: float) -> None:
        """The same moment was found another way: it keeps the span of the better hit and gains the other's weight."""
        if found.source not in self.matched:
            self.matched.append(found.source)
        is_new = (self.cosine if found.source == VISUAL else self.text_rank) is None
        if is_new:
            self.fused += weight
        self._note(found)

    def _note(self, found: Found) -> None:
        if found.source == VISUAL:
            self.cosine = found.score if self.cosine is None else max(self.cosine, found.score)
        else:
            self.text_rank = found.score if self.text_rank is None else max(self.text_rank, found.score)

    @classmethod
    def of(cls, found: Found, weight: float) -> Moment:
        moment = cls(found.start, found.end, [found.source], fused=weight)
        moment._note(found)
        return moment


@dataclass(slots=True)
class RankedVideo:
    video_id: UUID
    fused: float
    moments: list[Moment] = field(default_factory=list)


def rank_videos(visual: Sequence[Found], words: Sequence[Found]) -> list[RankedVideo]:
    """Each list comes best first. Every video that was hit appears once, with one to five moments."""
    fused: dict[UUID, float] = {}
    for hits in (visual, words):
        for place, video_id in enumerate(dict.fromkeys(hit.video_id for hit in hits), start=1):
            fused[video_id] = fused.get(video_id, 0.0) + 1 / (RRF_K + place)
    weighted: dict[UUID, list[tuple[float, Found]]] = {}
    for place, hit in chain(enumerate(visual, start=1), enumerate(words, start=1)):
        weighted.setdefault(hit.video_id, []).append((1 / (RRF_K + place), hit))
    in_words = {hit.video_id for hit in words}
    order = sorted(fused, key=lambda video_id: (-fused[video_id], video_id not in in_words, video_id))
    return [RankedVideo(video_id, fused[video_id], pick_moments(weighted[video_id])) for video_id in order]


def pick_moments(weighted: Iterable[tuple[float, Found]]) -> list[Moment]:
    """The best moments of one video, none overlapping another: (weight, hit) pairs in any order."""
    kept: list[Moment] = []
    for weight, found in sorted(weighted, key=lambda pair: (-pair[0], pair[1].start, pair[1].end, pair[1].source)):
        same = next((moment for moment in kept if moment.overlaps(found)), None)
        if same is None:
            kept.append(Moment.of(found, weight))
        elif found.source not in same.matched:
            same.absorb(found, weight)
    kept.sort(key=lambda moment: (-moment.fused, moment.start))
    return kept[:MAX_MOMENTS]


@dataclass(frozen=True, slots=True)
class Scale:
    """What the scores of one answer mean beside each other; a cosine alone means nothing to people.

    ``floor`` is the cosine of a typical clip of the library with this query, ``top`` that of the best one. The bar of
    a moment is its place between them. A moment is weak when it lies below half of that way, or closer to the typical
    clip than two of the library's spreads (then even the best one is weak: the library shows nothing like it).
    Moments found by words are never weak.
    """

    floor: float
    line: float
    top: float
    top_words: float

    def relative(self, cosine: float | None, text_rank: float | None) -> float:
        """0..1, for a bar."""
        values = [0.0]
        if cosine is not None and self.top > self.floor:
            values.append((cosine - self.floor) / (self.top - self.floor))
        if text_rank is not None and self.top_words > 0:
            values.append(text_rank / self.top_words)
        return float(min(1.0, max(values)))

    def weak(self, cosine: float | None, text_rank: float | None) -> bool:
        return text_rank is None and (cosine is None or cosine < self.line)


def make_scale(background: NDArray[np.float32], visual: Sequence[Found], words: Sequence[Found]) -> Scale:
    """``background``: (N,) cosines of the query with clips picked at random; may be empty."""
    top_words = max((hit.score for hit in words), default=0.0)
    top = max((hit.score for hit in visual), default=0.0)
    if not len(background):
        return Scale(floor=0.0, line=top / 2, top=top, top_words=top_words)
    floor = float(np.median(background))
    spread = 1.4826 * float(np.median(np.abs(background - floor))) if len(background) >= 20 else 0.0
    line = max(floor + (top - floor) / 2, floor + 2 * spread)
    return Scale(floor=floor, line=line, top=top, top_words=top_words)
