"""The exact index in memory: the oracle that the Postgres index is tested against."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from apps.embeddings.rows import (
    Exactness,
    FloatArray,
    Hit,
    Kind,
    Row,
    StoredFrames,
    best_first,
    query_matrix,
    region_of,
    stack_rows,
)


class MemoryVectorIndex:
    """Same contract as PgVectorIndex; vectors are rounded to half precision as the database rounds them."""

    def __init__(self) -> None:
        self._rows: dict[tuple[Kind, UUID, UUID], list[Row]] = {}

    def upsert(self, kind: Kind, video_id: UUID, version_id: UUID, rows: Sequence[Row]) -> None:
        if not rows:
            self._rows.pop((kind, video_id, version_id), None)
            return
        vectors = stack_rows(rows).astype(np.float16).astype(np.float32)
        kept: list[Row] = [
            (row[0], row[1], row[2], vector, region_of(row)) for row, vector in zip(rows, vectors, strict=True)
        ]
        self._rows[kind, video_id, version_id] = sorted(kept, key=lambda row: row[0])

    def search(
        self,
        kind: Kind,
        version_id: UUID,
        vectors: FloatArray,
        k: int,
        *,
        video_ids: Collection[UUID] | None = None,
        exclude: Collection[UUID] = (),
        exactness: Exactness = "auto",
    ) -> list[list[Hit]]:
        queries = query_matrix(vectors).astype(np.float16).astype(np.float32)
        answers: list[list[Hit]] = [[] for _ in queries]
        for (row_kind, video_id, row_version), rows in self._rows.items():
            wanted = video_ids is None or video_id in video_ids
            if row_kind != kind or row_version != version_id or not wanted or video_id in exclude:
                continue
            if kind == "frame":
                rows = [row for row in rows if row[2]]
            for answer, query in zip(answers, queries, strict=True):
                for row in rows:
                    ordinal, start, end, vector = row[:4]
                    stop = start if kind == "frame" else end
                    answer.append(Hit(video_id, ordinal, start, stop, float(vector @ query)))
        return [best_first(answer, k) for answer in answers]

    def delete_video(self, video_id: UUID) -> None:
        self._rows = {key: rows for key, rows in self._rows.items() if key[1] != video_id}

    def count(self, kind: Kind, version_id: UUID) -> int:
        return sum(len(rows) for key, rows in self._rows.items() if key[0] == kind and key[2] == version_id)

    def frames_of(self, version_id: UUID, video_id: UUID) -> StoredFrames:
        rows = self._rows.get(("frame", video_id, version_id), [])
        vectors = np.stack([row[3] for row in rows]) if rows else np.zeros((0, 0), np.float32)
        times, flags, regions = ([row[i] for row in rows] for i in (1, 2, 4))
        return StoredFrames(np.array(times, float), np.array(flags, bool), np.array(regions, np.int64), vectors)

    def clips_of(self, version_id: UUID, video_id: UUID) -> tuple[NDArray[np.float64], FloatArray]:
        rows = self._rows.get(("clip", video_id, version_id), [])
        vectors = np.stack([row[3] for row in rows]) if rows else np.zeros((0, 0), np.float32)
        return np.array([[row[1], row[2]] for row in rows], float).reshape(-1, 2), vectors

    def sample(self, kind: Kind, version_id: UUID, size: int) -> FloatArray:
        rows = [row for key, many in self._rows.items() if (key[0], key[2]) == (kind, version_id) for row in many]
        picked = rows[:: max(1, len(rows) // size)][:size] if rows else []
        return np.stack([row[3] for row in picked]) if picked else np.zeros((0, 0), np.float32)

    def ensure_index(self, kind: Kind, version_id: UUID, dim: int) -> None:
        """Every scan is exact; there is nothing to build."""
