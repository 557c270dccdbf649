"""Indexing the whole library with one model version, in slices: what is left to do is read from the database.

Installing a model and building a candidate both use it; after a crash or a pause the next slice continues by itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from uuid import UUID

from django.db import transaction

from apps.embeddings.models import ModelVersion
from apps.embeddings.vector_index import PgVectorIndex
from apps.videos.models import Video
from apps.videos.presence import Place, video_check
from worker.media.errors import MediaError
from worker.tasks.running import JobContinues, RunningJob

SLICE_SECONDS = 60.0


def _nothing() -> None:
    """For work that lets nobody pass but by its slices."""


def videos_waiting(version: ModelVersion) -> list[UUID]:
    """Ready videos without vectors of this version, oldest first."""
    kind = version.role == ModelVersion.Role.SEMANTIC
    table = "clipembedding" if kind else "frameembedding"
    return list(
        Video.objects.filter(state=Video.State.READY)
        .exclude(**{f"{table}__model_version_id": version.id})
        .exclude(id__in=version.details.get("unreadable", {}))
        .order_by("created_at")
        .values_list("id", flat=True)
    )


def index_library(
    job: RunningJob,
    version: ModelVersion,
    *,
    shares: tuple[float, float],
    before_each: Callable[[], None] = _nothing,
) -> None:
    """One slice; JobContinues when videos are left. ``shares``: from where to where the job's progress goes.

    ``before_each`` is called before every video and may wait or raise. Raises EmbedderError.
    """
    total = max(Video.objects.filter(state=Video.State.READY).count(), 1)
    first, last = shares
    started = time.monotonic()
    waiting = videos_waiting(version)
    for done, video_id in enumerate(waiting):
        if time.monotonic() - started > SLICE_SECONDS:
            raise JobContinues(str(job.id))
        before_each()
        left = len(waiting) - done
        job.progress("indexing", first + (last - first) * (1 - left / total))
        video = Video.objects.filter(id=video_id, state=Video.State.READY).first()
        if video is not None:
            _index_one(job, version, video)


def _index_one(job: RunningJob, version: ModelVersion, video: Video) -> None:
    # Here and not above: they load torch, which the worker of the training queue does only when it must.
    from worker.indexing.video import index_video
    from worker.library.vectors import copy_embedder, semantic_embedder, store_clips, store_fingerprint

    index = PgVectorIndex()
    semantic = version.role == ModelVersion.Role.SEMANTIC
    try:
        if video_check(video) != Place.HERE:  # other content must not be indexed as this video
            raise MediaError("missing")
        result = index_video(
            video.file,
            semantic=semantic_embedder(version) if semantic else None,
            copy=None if semantic else copy_embedder(version),
            folder=None,
            cancelled=job.stopped,
        )
    except MediaError as error:
        job.check()
        # A file that vanished since it was indexed must not block the switch; it is listed in the version's card.
        version.details.setdefault("unreadable", {})[str(video.id)] = error.message
        version.save(update_fields=["details", "updated_at"])
        return
    with transaction.atomic():
        job.hold()
        if semantic:
            store_clips(index, video, version, result)
        elif result.fingerprint is not None:
            store_fingerprint(index, video, version, result.fingerprint)
