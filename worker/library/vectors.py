"""Between installed models and embedders in memory, and between vectors and what is stored of them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from worker.alignment import with_penalties
from worker.alignment.decision import DECISION_FILE, DecisionModel, bundled_decision
from worker.embedders.base import Embedder, EmbedderError
from worker.embedders.copies.descriptor import CopyDescriptor
from worker.embedders.copies.looks_file import read_looks, write_looks
from worker.embedders.registry import COPY_WEIGHTS, load_copy, load_semantic
from worker.indexing.video import Indexed
from worker.library.stored import InstalledModel, LibraryVideo, Row, StoredFrames, VectorIndex
from worker.types import Descriptors, FloatArray, View


def require_same_weights(version: InstalledModel, found: str) -> None:
    if found != version.weights_sha256:
        raise EmbedderError(
            f"The weights in {version.folder} are not those that {version.name} was registered with. "
            "Restore the folder, or run `manage.py model install` again."
        )


def semantic_embedder(version: InstalledModel) -> Embedder:
    """Loaded once a process. Raises EmbedderError when the files are gone or have changed."""
    embedder = load_semantic(Path(version.folder), version.name, version.revision)
    require_same_weights(version, embedder.spec.weights_sha256)
    return embedder


def copy_embedder(version: InstalledModel) -> CopyDescriptor:
    """Loaded once a process. Raises EmbedderError when the files are gone or have changed."""
    embedder = load_copy(Path(version.folder))
    require_same_weights(version, embedder.spec.weights_sha256)
    return embedder


@lru_cache(maxsize=4)
def _background(folder: str) -> FloatArray:
    path = Path(folder) / COPY_WEIGHTS
    if not folder or not path.is_file():
        return np.zeros((0, 0), np.float32)  # then no frame loses anything
    return load_copy(Path(folder)).background()


def version_decision(version: InstalledModel) -> DecisionModel:
    """What was fitted to the descriptors of this version; the bundled one where its folder holds none."""
    path = Path(version.folder) / DECISION_FILE.name
    return _decision(path) if version.folder and path.is_file() else bundled_decision()


@lru_cache(maxsize=4)
def _decision(path: Path) -> DecisionModel:
    return DecisionModel.load(path)


def store_clips(index: VectorIndex, video: LibraryVideo, version: InstalledModel, result: Indexed) -> None:
    rows = [(i, w.start, w.end, vector) for i, (w, vector) in enumerate(result.clips)]
    index.upsert("clip", video.id, version.id, rows)


def fingerprint_file(video: LibraryVideo, version_id: UUID) -> Path:
    """What the index does not hold of a video's fingerprint: PDQ hashes and the looks that only ask."""
    return video.folder / f"fingerprint_{version_id}.npz"


def store_fingerprint(index: VectorIndex, video: LibraryVideo, version: InstalledModel, found: Descriptors) -> None:
    """Whole frames and regions go into the index, in the caller's transaction; the rest goes beside the video."""
    rows: list[Row] = [
        (i, time, informative, vector, 0)
        for i, (time, informative, vector) in enumerate(zip(found.times, found.informative, found.vectors, strict=True))
    ]
    regions = [view for view in found.views if view.kind == "region" and not view.mirrored]
    for number, view in enumerate(regions, start=1):
        for row, vector in zip(view.rows, view.vectors, strict=True):
            rows.append((len(rows), float(found.times[row]), bool(found.informative[row]), vector, number))
    index.upsert("frame", video.id, version.id, rows)
    video.folder.mkdir(parents=True, exist_ok=True)
    write_looks(fingerprint_file(video, version.id), found)


def stored_fingerprint(
    index: VectorIndex, video: LibraryVideo, version: InstalledModel, *, asking: bool
) -> Descriptors | None:
    """What was stored of a library video, or None when it has no vectors of this version.

    ``asking``: with the looks of a query. Without the file beside the video (deleted by hand, or written by an older
    release) whole frames and regions still match.
    """
    stored = index.frames_of(version.id, video.id)
    if len(stored.times) == 0:
        return None
    background = _background(version.folder)
    whole = stored.of_region(0)
    looks = read_looks(fingerprint_file(video, version.id), len(whole.times), all_views=asking)
    views = looks.views if asking and looks.views else _regions(stored, whole.times)
    found = Descriptors(
        vectors=whole.vectors,
        times=whole.times,
        informative=whole.informative,
        duration=video.duration_seconds or float(whole.times[-1]),
        views=views,
        hashes=looks.hashes,
    )
    return with_penalties(found, background)


def _regions(stored: StoredFrames, times: NDArray[np.float64]) -> tuple[View, ...]:
    views = []
    for number in range(1, int(stored.region.max(initial=0)) + 1):
        part = stored.of_region(number)
        views.append(View(f"region {number}", "region", np.searchsorted(times, part.times), part.vectors))
    return tuple(views)
