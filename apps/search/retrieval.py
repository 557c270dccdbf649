"""One question against the library, or one video of it: what pictures and words give, and how it is ranked."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from uuid import UUID

import numpy as np
from django.db.models import Exists, OuterRef
from numpy.typing import NDArray

from apps.embeddings.models import ClipEmbedding, ModelVersion
from apps.embeddings.selectors import model_version_serving
from apps.embeddings.vector_index import PgVectorIndex
from apps.search.filters import videos_passing
from apps.search.moments import VISUAL, Moment
from apps.search.query import ParsedQuery
from apps.search.question import Question, question_of
from apps.search.ranking import NO_SCALE, Scale, make_scale, rank_videos
from apps.search.words import text_hits, videos_with
from apps.videos.models import Video

FIRST_DEPTH = 200
CLIPS_PER_RESULT = 10
DEEPER = 4
DEPTH_IN_VIDEO = 50
BACKGROUND_CLIPS = 512
BACKGROUND_SECONDS = 600.0  # how long a sample of the library stays good enough
SMALL_SECONDS = 15.0  # the same while the library is smaller than a sample: it is probably growing


def nearest_clips(
    question: Question, depth: int, *, video_ids: Collection[UUID] | None = None, exclude: Collection[UUID] = ()
) -> list[Moment]:
    """The ``depth`` clips whose pictures are nearest to the question, best first; none when it has no vector.

    Clips of videos that are not ready are among them unless the caller leaves those out."""
    if question.vector is None or question.version_id is None:
        return []
    (hits,) = PgVectorIndex().search(
        "clip", question.version_id, question.vector[None], depth, video_ids=video_ids, exclude=exclude
    )
    return [Moment(hit.video_id, hit.start, hit.end, (VISUAL,), cosine=hit.score) for hit in hits]


@dataclass(slots=True)
class Ranking:
    """The videos that answer a question, best first, with their moments. It only ever grows at its end.

    ``depth``: clips and texts that were looked at. ``complete``: nothing was left out for want of depth, so a deeper
    look finds no more. ``scale`` is that of the first look, so that the bars of all pages compare with each other.
    """

    question: Question
    scale: Scale = NO_SCALE
    videos: dict[UUID, list[Moment]] = field(default_factory=dict)
    depth: int = 0
    complete: bool = False

    def extend(self, needed: int) -> None:
        """Until ``needed`` videos are there or the library is exhausted; three to six statements a look."""
        asked = self.question
        while len(self.videos) < needed and not self.complete:
            depth = max(FIRST_DEPTH, CLIPS_PER_RESULT * needed, DEEPER * self.depth)
            only, exclude = _scope(asked)
            clips = nearest_clips(asked, depth, video_ids=only, exclude=exclude)
            words = text_hits(text=asked.text, phrases=asked.phrases, video_ids=only, exclude=exclude, limit=depth)
            self.complete = max(len(clips), len(words)) < depth
            clips = [clip for clip in clips if not _is_itself(asked, clip)]
            if not self.depth:
                self.scale = make_scale(_background(asked), clips, words)
            self.depth = depth
            for video_id, moments in rank_videos(clips, words).items():
                self.videos.setdefault(video_id, moments)


def found_in_words(question: Question) -> bool:
    """Whether any video that may answer the question has its words."""
    only, exclude = _scope(question)
    return bool(text_hits(text=question.text, phrases=question.phrases, video_ids=only, exclude=exclude, limit=1))


def moments_in(video: Video, parsed: ParsedQuery) -> list[Moment]:
    """The best five moments of one video, best first, none overlapping another; empty for an empty query.

    Unavailable when the text encoder is down."""
    if parsed.empty:
        return []
    question = question_of(parsed, model_version_serving(ModelVersion.Role.SEMANTIC))
    clips = nearest_clips(question, DEPTH_IN_VIDEO, video_ids={video.id})
    words = text_hits(text=parsed.text, phrases=parsed.phrases, video_ids={video.id}, limit=DEPTH_IN_VIDEO)
    return rank_videos(clips, words).get(video.id, [])


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


def _is_itself(question: Question, clip: Moment) -> bool:
    if question.like is None:
        return False
    video_id, start, end = question.like
    return clip.video_id == video_id and clip.start < end and start < clip.end


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
            _samples.clear()  # one version answers searches; samples of others would only take space
            _samples[question.version_id] = kept
    return kept[1] @ question.vector if len(kept[1]) else np.zeros(0, np.float32)
