"""Queries whose answers are known: what a version must get right before a person compares it."""

from __future__ import annotations

from typing import Any

import numpy as np

from apps.core.exceptions import Unavailable
from apps.embeddings.models import ClipEmbedding, ModelVersion
from apps.embeddings.text_encoder import encode_query
from apps.embeddings.vector_index import PgVectorIndex
from apps.videos.models import Video
from worker.embedders.base import Embedder

PROBES = ("a dog on the grass", "waves on a beach", "a person walking through a room", "red car at night")
SAME_COSINE = 0.99  # int8 towers differ a little
VIDEOS = 10
DEPTH = 10

Canary = dict[str, Any]


def _canary(name: str, problem: str, fine: str) -> Canary:
    return {"name": name, "ok": not problem, "detail": problem or fine}


def text_canary(version: ModelVersion, embedder: Embedder) -> Canary:
    """The exported text tower, which answers searches, says what the trained one says."""
    name = "text tower"
    try:
        found = encode_query(version, PROBES)
    except Unavailable as error:
        return _canary(name, error.message, "")
    cosine = float((found * embedder.encode_text(PROBES)).sum(1).min())
    wrong = f"the exported tower differs from the trained one (cosine {cosine:.3f})" if cosine < SAME_COSINE else ""
    return _canary(name, wrong, f"cosine {cosine:.4f} or more to the trained one")


def index_canary(version: ModelVersion) -> Canary:
    """Stored clips find themselves through the approximate index."""
    name, index = "index", PgVectorIndex()
    clips = ClipEmbedding.objects.filter(model_version=version, video__state=Video.State.READY).order_by("video_id")
    videos = list(clips.values_list("video_id", flat=True).distinct()[:VIDEOS])
    lost = 0
    for video_id in videos:
        _, vectors = index.clips_of(version.id, video_id)
        if not len(vectors) or not np.isfinite(vectors).all():
            lost += 1
            continue
        (hits,) = index.search("clip", version.id, vectors[:1], DEPTH)
        # A copy of the video may stand before it with the very same score.
        lost += not any(hit.video_id == video_id or hit.score > 0.999 for hit in hits)
    wrong = f"{lost} of {len(videos)} videos are not found by their own pictures" if lost else ""
    return _canary(name, wrong, f"{len(videos)} videos find themselves")


def words_canary(version: ModelVersion) -> Canary:
    """Different words get different answers: a collapsed model puts everything in one place."""
    name = "words"
    try:
        vectors = encode_query(version, PROBES)
    except Unavailable as error:
        return _canary(name, error.message, "")
    likeness = float((vectors @ vectors.T)[~np.eye(len(PROBES), dtype=bool)].max())
    wrong = f"unrelated queries look the same to it (cosine {likeness:.3f})" if likeness > 0.995 else ""
    return _canary(name, wrong, f"unrelated queries differ (cosine at most {likeness:.2f})")
