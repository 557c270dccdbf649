"""One question against the library: which videos may answer, what their pictures and words give, how it is ranked.

A Question is complete in itself (it carries its vector), so that a later page asks exactly what the first one asked,
whatever model serves by then.
"""

from __future__ import annotations

import base64
import threading
import time
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

import numpy as np
from django.db.models import Exists, OuterRef
from numpy.typing import NDArray

from apps.embeddings.models import ClipEmbedding
from apps.embeddings.vector_index import PgVectorIndex
from apps.search.filters import SearchFilters, videos_passing
from apps.search.ranking import VISUAL, Found, RankedVideo, Scale, make_scale, rank_videos
from apps.search.words import text_hits, videos_with
from apps.videos.models import Video

BACKGROUND_CLIPS = 512
BACKGROUND_SECONDS = 600.0  # how long a sample of the library stays good enough
SMALL_SECONDS = 15.0  # the same while the library is smaller than a sample: it is probably growing


@dataclass(frozen=True)
class Question:
    """``vector``: (D,) of ``version_id``, or None when only words are looked for. ``like``: (video, start, end) that
    must not answer "more like this"."""

    text: str = ""
    phrases: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    filters: SearchFilters = field(default_factory=SearchFilters)
    version_id: UUID | None = None
    vector: NDArray[np.float32] | None = None
    like: tuple[UUID, float, float] | None = None

    def as_json(self) -> dict[str, Any]:
        halves = b"" if self.vector is None else self.vector.astype("<f2").tobytes()
        return {
            "text": self.text,
            "phrases": self.phrases,
            "excluded": self.excluded,
            "filters": self.filters.as_json(),
            "version_id": str(self.version_id) if self.version_id else None,
            "vector": base64.b64encode(halves).decode(),
            "like": [str(self.like[0]), self.like[1], self.like[2]] if self.like else None,
        }

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Question:
        filters = dict(kept["filters"])
        for name in ("since", "until"):
            filters[name] = date.fromisoformat(filters[name]) if filters[name] else None
        filters["tags"] = tuple(filters["tags"])
        halves = np.frombuffer(base64.b64decode(kept["vector"]), "<f2").astype(np.float32)
        like = kept["like"]
        return cls(
            text=kept["text"],
            phrases=tuple(kept["phrases"]),
            excluded=tuple(kept["excluded"]),
            filters=SearchFilters(**filters),
            version_id=UUID(kept["version_id"]) if kept["version_id"] else None,
            vector=halves if len(halves) else None,
            like=(UUID(like[0]), like[1], like[2]) if like else None,
        )


@dataclass(frozen=True)
class Retrieved:
    """``complete``: nothing was left out for want of depth, so a deeper look finds no more."""

    videos: list[RankedVideo]
    scale: Scale
    complete: bool


def retrieve(question: Question, depth: int) -> Retrieved:
    """Look at the ``depth`` nearest clips and the ``depth`` best texts. Costs three to six statements."""
    video_ids, exclude = _scope(question)
    visual: list[Found] = []
    exhausted = True
    if question.vector is not None and question.version_id is not None:
        (hits,) = PgVectorIndex().search(
            "clip", question.version_id, question.vector[None], depth, video_ids=video_ids, exclude=exclude
        )
        exhausted = len(hits) < depth
        found = [Found(hit.video_id, hit.start, hit.end, VISUAL, hit.score) for hit in hits]
        visual = [one for one in found if not _is_itself(question, one)]
    words = text_hits(text=question.text, phrases=question.phrases, video_ids=video_ids, exclude=exclude, limit=depth)
    scale = make_scale(_background(question), visual, words)
    return Retrieved(rank_videos(visual, words), scale, exhausted and len(words) < depth)


def removed_by_filters(question: Question) -> dict[str, int]:
    """How many ready videos each active filter removes by itself, most first."""
    ready = Video.objects.filter(state=Video.State.READY)
    everything = ready.count()
    removed = {
        name: everything - videos_passing(question.filters.only(name), ready).distinct().count()
        for name in question.filters.active
    }
    return dict(sorted(removed.items(), key=lambda item: -item[1]))


def _scope(question: Question) -> tuple[set[UUID] | None, set[UUID]]:
    """(videos that may answer or None for all, videos that may not). Only ready videos ever answer."""
    excluded = videos_with(question.excluded, all_of=False)
    if question.filters.active or question.phrases:
        ready = videos_passing(question.filters, Video.objects.filter(state=Video.State.READY))
        allowed = set(ready.order_by().values_list("id", flat=True))
        if question.phrases:
            allowed &= videos_with(question.phrases, all_of=True)
        return allowed - excluded, set()
    if question.version_id is None:
        return None, excluded
    clips = ClipEmbedding.objects.filter(video_id=OuterRef("id"), model_version_id=question.version_id)
    unready = Video.objects.exclude(state=Video.State.READY).filter(Exists(clips)).order_by()
    return None, excluded | set(unready.values_list("id", flat=True))


def _is_itself(question: Question, found: Found) -> bool:
    if question.like is None:
        return False
    video_id, start, end = question.like
    return found.video_id == video_id and found.start < end and start < found.end


_samples: dict[UUID, tuple[float, NDArray[np.float32]]] = {}
_sampling = threading.Lock()


def _background(question: Question) -> NDArray[np.float32]:
    """Cosines of the question with clips picked at random: what a typical clip scores."""
    if question.vector is None or question.version_id is None:
        return np.zeros(0, np.float32)
    with _sampling:
        kept = _samples.get(question.version_id)
    if kept is None or kept[0] < time.monotonic():
        sample = PgVectorIndex().sample("clip", question.version_id, BACKGROUND_CLIPS)
        seconds = BACKGROUND_SECONDS if len(sample) >= BACKGROUND_CLIPS / 2 else SMALL_SECONDS
        kept = (time.monotonic() + seconds, sample)
        with _sampling:
            _samples.clear()  # one version serves; samples of others would only take room
            _samples[question.version_id] = kept
    return kept[1] @ question.vector if len(kept[1]) else np.zeros(0, np.float32)


def forget_background() -> None:
    """Take a fresh sample at the next search (after a bulk change, and in tests)."""
    with _sampling:
        _samples.clear()
