"""Between model versions in the database and embedders in memory, and between vectors and their tables."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import numpy as np

from apps.embeddings.models import ModelVersion
from apps.embeddings.vector_index import PgVectorIndex
from apps.videos.models import Video
from worker.embedders.base import Embedder, EmbedderError
from worker.embedders.copy_descriptor import CopyDescriptor
from worker.embedders.registry import load_copy, load_semantic
from worker.indexing import Indexed


def _same_weights(version: ModelVersion, found: str) -> None:
    if found != version.weights_sha256:
        raise EmbedderError(
            f"The weights in {version.folder} are not those that {version.name} was registered with. "
            "Restore the folder, or run `manage.py model install` again."
        )


def semantic_embedder(version: ModelVersion) -> Embedder:
    """Loaded once a process. Raises EmbedderError when the files are gone or have changed."""
    embedder = load_semantic(Path(version.folder), version.name, version.revision)
    _same_weights(version, embedder.spec.weights_sha256)
    return embedder


def copy_embedder(version: ModelVersion) -> CopyDescriptor:
    """Loaded once a process. Raises EmbedderError when the files are gone or have changed."""
    embedder = load_copy(Path(version.folder))
    _same_weights(version, embedder.spec.weights_sha256)
    return embedder


def mirrored_file(video: Video, version_id: UUID) -> Path:
    """Descriptors of the flipped frames, (N, D) float16 in the order of the frame rows of that version."""
    return video.folder / f"copy_mirrored_{version_id}.npy"


def store_clips(index: PgVectorIndex, video: Video, version: ModelVersion, result: Indexed) -> None:
    rows = [(i, w.start, w.end, vector) for i, (w, vector) in enumerate(result.clips)]
    index.upsert("clip", video.id, version.id, rows)


def store_frames(index: PgVectorIndex, video: Video, version: ModelVersion, result: Indexed) -> None:
    rows = [
        (i, time, informative, vector)
        for i, (time, informative, vector) in enumerate(
            zip(result.times, result.informative, result.copies, strict=True)
        )
    ]
    index.upsert("frame", video.id, version.id, rows)
    np.save(mirrored_file(video, version.id), np.stack(result.mirrored).astype(np.float16))
