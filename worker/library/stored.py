"""What the library's computations read of the rows and of the vector index that are passed to them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from worker.types import FloatArray

Kind = Literal["clip", "frame"]
# clip: (ordinal, start, end, vector); frame: (ordinal, time, informative, vector, number of its region or 0)
Row = tuple[int, float, Any, FloatArray] | tuple[int, float, Any, FloatArray, int]


class InstalledModel(Protocol):
    """A model version with its files; apps.embeddings.models.ModelVersion is one."""

    @property
    def id(self) -> UUID: ...
    @property
    def name(self) -> str: ...
    @property
    def revision(self) -> str: ...
    @property
    def folder(self) -> str: ...
    @property
    def weights_sha256(self) -> str: ...


class LibraryVideo(Protocol):
    """apps.videos.models.Video is one. ``folder``: where its derived files lie."""

    @property
    def id(self) -> UUID: ...
    @property
    def folder(self) -> Path: ...
    @property
    def duration_seconds(self) -> float | None: ...


class Hit(Protocol):
    """One stored vector near a query. ``score``: cosine; ``start``: seconds."""

    @property
    def video_id(self) -> UUID: ...
    @property
    def start(self) -> float: ...
    @property
    def score(self) -> float: ...


class StoredFrames(Protocol):
    """The frames of one video in order, N of them; region 0 is the whole picture."""

    @property
    def times(self) -> NDArray[np.float64]: ...
    @property
    def informative(self) -> NDArray[np.bool_]: ...
    @property
    def region(self) -> NDArray[np.int64]: ...
    @property
    def vectors(self) -> FloatArray: ...
    def of_region(self, number: int) -> StoredFrames: ...


class VectorIndex(Protocol):
    """See apps.embeddings.vector_index."""

    def upsert(self, kind: Kind, video_id: UUID, version_id: UUID, rows: Sequence[Row]) -> None: ...
    def search(
        self, kind: Kind, version_id: UUID, vectors: FloatArray, k: int, *, exclude: Collection[UUID] = ()
    ) -> Sequence[Sequence[Hit]]: ...
    def frames_of(self, version_id: UUID, video_id: UUID) -> StoredFrames: ...
    def clips_of(self, version_id: UUID, video_id: UUID) -> tuple[NDArray[np.float64], FloatArray]: ...
