"""Random descriptors with copied spans, stored as ingest stores them: matching end to end without a model."""

from __future__ import annotations

import numpy as np

from apps.embeddings.models import ModelVersion
from apps.embeddings.vector_index import PgVectorIndex
from apps.videos.models import Video
from tests.apps.duplicates.rows import make_video
from worker.embedders.copies.looks_file import write_looks
from worker.library.vectors import fingerprint_file
from worker.types import Descriptors, View

DIM = 128


def random_frames(seed: int, seconds: int) -> np.ndarray:
    """(N, DIM) unit vectors, one a second; unrelated frames have a cosine near 0."""
    vectors = np.random.default_rng(seed).standard_normal((seconds, DIM)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def edited(vectors: np.ndarray, seed: int, noise: float = 0.3) -> np.ndarray:
    """What re-encoding does to descriptors: cosine of about 0.95 to the original."""
    changed = vectors + noise * random_frames(seed, len(vectors))
    return changed / np.linalg.norm(changed, axis=1, keepdims=True)


def store(version: ModelVersion, video: Video, vectors: np.ndarray, mirrored: np.ndarray | None = None) -> None:
    rows = [(i, float(i), True, vector) for i, vector in enumerate(vectors)]
    PgVectorIndex().upsert("frame", video.id, version.id, rows)
    if mirrored is not None:
        video.folder.mkdir(parents=True, exist_ok=True)
        places = np.arange(len(vectors))
        flipped = View("mirrored", "mirrored", places, mirrored, mirrored=True)
        whole = Descriptors(vectors, places.astype(float), np.ones(len(vectors), bool), float(len(vectors)), (flipped,))
        write_looks(fingerprint_file(video, version.id), whole)


def planted_video(version: ModelVersion, title: str, vectors: np.ndarray, mirrored: np.ndarray | None = None) -> Video:
    video = make_video(title, duration=float(len(vectors)))
    store(version, video, vectors, mirrored)
    return video
