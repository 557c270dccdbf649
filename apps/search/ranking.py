"""From hits to a ranking of videos with their moments, in memory.

Reciprocal rank fusion: a video scores 1 / (60 + its place) in the list of pictures and in the list of words, and the
sum ranks it; cosines and text ranks are never added, for they have no common scale. Inside a video the moments are
fused in the same way by the places of their hits. Equal scores are ordered by what was found in words first, then by
id and start, so that the same hits always give the same ranking.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from apps.search.moments import Moment

RRF_K = 60
MAX_MOMENTS = 5


def rank_videos(visual: Sequence[Moment], words: Sequence[Moment]) -> dict[UUID, list[Moment]]:
    """Every video that was hit, best first, with one to five moments. The hits of each list come best first; they are
    taken over and changed."""
    fused: dict[UUID, float] = {}
    for hits in (visual, words):
        for place, video_id in enumerate(dict.fromkeys(hit.video_id for hit in hits), start=1):
            fused[video_id] = fused.get(video_id, 0.0) + 1 / (RRF_K + place)
    by_video: dict[UUID, list[Moment]] = {}
    for place, hit in chain(enumerate(visual, start=1), enumerate(words, start=1)):
        hit.weight = 1 / (RRF_K + place)
        by_video.setdefault(hit.video_id, []).append(hit)
    in_words = {hit.video_id for hit in words}
    order = sorted(fused, key=lambda video_id: (-fused[video_id], video_id not in in_words, video_id))
    return {video_id: _best_moments(by_video[video_id]) for video_id in order}


def _best_moments(hits: list[Moment]) -> list[Moment]:
    """Of one video, none overlapping another."""
    kept: list[Moment] = []
    for hit in sorted(hits, key=lambda hit: (-hit.weight, hit.start, hit.end, hit.matched)):
        same = next((moment for moment in kept if moment.overlaps(hit)), None)
        if same is None:
            kept.append(hit)
        else:
            same.absorb(hit)
    best = sorted(kept, key=lambda moment: (-moment.weight, moment.start))[:MAX_MOMENTS]
    for rank, moment in enumerate(best, start=1):
        moment.rank = rank
    return best


@dataclass(frozen=True, slots=True)
class Scale:
    """What the scores of one answer mean beside each other; a cosine alone means nothing to people.

    ``floor`` is the cosine of a typical clip of the library with this query, ``top`` that of the best one. The bar of
    a moment is its place between them. A moment is weak when it lies below half of that way, or closer to the typical
    clip than two of the library's spreads (then even the best one is weak: the library shows nothing like it).
    Moments found by words are never weak.
    """

    floor: float = 0.0
    line: float = 0.0
    top: float = 0.0
    top_words: float = 0.0

    def mark(self, moments: Iterable[Moment]) -> None:
        for moment in moments:
            bars = [0.0]
            if moment.cosine is not None and self.top > self.floor:
                bars.append((moment.cosine - self.floor) / (self.top - self.floor))
            if moment.text_rank is not None and self.top_words > 0:
                bars.append(moment.text_rank / self.top_words)
            moment.relative = min(1.0, max(bars))
            moment.weak = moment.text_rank is None and (moment.cosine is None or moment.cosine < self.line)


NO_SCALE = Scale()


def make_scale(background: NDArray[np.float32], visual: Sequence[Moment], words: Sequence[Moment]) -> Scale:
    """``background``: (N,) cosines of the query with clips picked at random; may be empty.
    The hits are those before ranking."""
    top_words = max((hit.score for hit in words), default=0.0)
    top = max((hit.score for hit in visual), default=0.0)
    if not len(background):
        return Scale(line=top / 2, top=top, top_words=top_words)
    floor = float(np.median(background))
    spread = 1.4826 * float(np.median(np.abs(background - floor))) if len(background) >= 20 else 0.0
    line = max(floor + (top - floor) / 2, floor + 2 * spread)
    return Scale(floor=floor, line=line, top=top, top_words=top_words)
