"""Rows that tests plant: videos, model versions and random directions."""

from __future__ import annotations

from uuid import UUID, uuid4

import numpy as np
from numpy.typing import NDArray

from apps.embeddings.models import ModelVersion
from apps.videos.models import Video


def directions(count: int, dim: int = 16, seed: int = 0) -> NDArray[np.float32]:
    """(count, dim) random unit vectors."""
    vectors = np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def clip_rows(vectors: NDArray[np.float32], seconds: float = 4.0):  # type: ignore[no-untyped-def]
    return [(i, i * seconds, (i + 1) * seconds, vector) for i, vector in enumerate(vectors)]


def frame_rows(vectors: NDArray[np.float32], informative: bool = True):  # type: ignore[no-untyped-def]
    return [(i, float(i), informative, vector) for i, vector in enumerate(vectors)]


def make_video(title: str = "a video", *, state: str = Video.State.READY, duration: float = 60.0) -> Video:
    token = uuid4().hex
    return Video.objects.create(
        sha256=token * 2,
        title=title,
        original_name=f"{title[:100]}.mp4",
        source=Video.Source.IMPORT,
        path=f"/nowhere/{token}.mp4",
        state=state,
        duration_seconds=duration,
    )


def make_version(*, state: str = ModelVersion.State.SERVING, role: str = "semantic", dim: int = 16) -> ModelVersion:
    return ModelVersion.objects.create(role=role, name="test", dim=dim, state=state, weights_sha256=uuid4().hex)


def many_video_ids(count: int) -> list[UUID]:
    videos = [
        Video(
            sha256=uuid4().hex * 2,
            title=f"v{i}",
            original_name="v",
            source="import",
            path="v",
            state="ready",
            duration_seconds=60.0,
        )
        for i in range(count)
    ]
    return [video.id for video in Video.objects.bulk_create(videos)]
