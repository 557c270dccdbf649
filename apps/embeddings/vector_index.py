"""Nearest stored vectors in Postgres with pgvector: the one place that knows how vectors lie in the database.

Vectors are halfvec of unit norm, so cosine is the negated ``<#>``. Each model version has its own partial HNSW
index over ``embedding::halfvec(D)``; two versions live side by side and are never compared. Every statement names
the version as a literal (else the planner could not match the partial index), holds no join, and carries
``video_id`` with every row, so that the same SQL runs on Citus.

How a search is planned (``exactness="auto"``): the filtered set is counted, at most as far as it matters. A small
one is scanned exactly inside a MATERIALIZED CTE: a filter applied behind an HNSW scan would lose most hits. A large
one goes through the index with ef_search >= k, iteratively when there is a filter or k is beyond what ef_search
allows; should that still return fewer than k, the exact scan answers. So k hits come back whenever k rows exist.
"""

# Statements are put together from the constants of TABLES, from integers and from a version id that went through
# UUID(); everything that comes from outside is a parameter.
# ruff: noqa: S608

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from functools import partial
from typing import Any
from uuid import UUID

import numpy as np
from django.db import connection, transaction
from numpy.typing import NDArray
from pgvector import HalfVector
from pgvector.psycopg.halfvec import register_halfvec_info
from psycopg.types import TypeInfo

from apps.embeddings.knn import MANY_QUERIES, TABLES, Plan, condition
from apps.embeddings.rows import (
    Exactness,
    FloatArray,
    Hit,
    Kind,
    Row,
    StoredFrames,
    query_matrix,
    region_of,
    stack_rows,
)

EXACT_ROWS = 20_000  # scanned in some 20 ms; below this an exact answer is as fast as it needs to be
EXACT_ROWS_OF_MANY = 3_000  # the same when many vectors are asked at once (a lookup asks hundreds)
COUNT_SECONDS = 20.0
_counts: dict[tuple[Kind, UUID, int], tuple[float, int]] = {}


class PgVectorIndex:
    def upsert(self, kind: Kind, video_id: UUID, version_id: UUID, rows: Sequence[Row]) -> None:
        """Replace all rows of (video, version) by binary COPY, in the caller's transaction or one of its own."""
        table = TABLES[kind]
        vectors = stack_rows(rows) if rows else np.zeros((0, 0), np.float32)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                f"DELETE FROM {table.name} WHERE video_id = %s AND model_version_id = %s", [video_id, version_id]
            )
            if not rows:
                return
            raw = cursor.cursor  # psycopg's own: COPY runs on the connection that holds the transaction
            info = TypeInfo.fetch(raw.connection, "halfvec")
            if info is None:
                raise RuntimeError("the database lacks pgvector's halfvec; run manage.py migrate")
            register_halfvec_info(raw, info)
            statement = f"COPY {table.name} (video_id, model_version_id, {table.columns}, embedding)"
            with raw.copy(f"{statement} FROM STDIN (FORMAT BINARY)") as copy:
                copy.set_types(["uuid", "uuid", *table.types, info.oid])
                for row, vector in zip(rows, vectors, strict=True):
                    copy.write_row((video_id, version_id, *_values(kind, row), HalfVector(vector)))

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
        """The ``k`` nearest rows of each of the (Q, D) vectors, best first; one kNN statement a vector.

        Only informative frames are searched. ``exactness="approximate"`` always takes the index and may return
        fewer than ``k``; "auto" returns ``k`` whenever that many rows pass the filter.
        """
        queries = query_matrix(vectors)
        if k < 1 or (video_ids is not None and not video_ids):
            return [[] for _ in queries]
        where, filters = condition(kind, version_id, video_ids, exclude)
        plan = Plan(TABLES[kind], where, filters, queries.shape[1], k)
        with transaction.atomic():
            if exactness == "exact":
                return [plan.exact(query) for query in queries]
            if exactness == "approximate":
                return plan.by_index(queries, filtered=bool(filters))
            limit = EXACT_ROWS if len(queries) <= MANY_QUERIES else EXACT_ROWS_OF_MANY
            if self._rows(kind, version_id, plan, limit) <= limit:
                return [plan.exact(query) for query in queries]
            answers = plan.by_index(queries, filtered=bool(filters))
            return [
                answer if len(answer) >= k else plan.exact(query)
                for answer, query in zip(answers, queries, strict=True)
            ]

    def _rows(self, kind: Kind, version_id: UUID, plan: Plan, limit: int) -> int:
        """Rows to look through, counted no further than ``limit`` + 1; only chooses the plan, so it may be some
        seconds old where no filter changes it from search to search."""
        if plan.filters:
            return plan.count(at_most=limit + 1)
        key = (kind, version_id, limit)
        kept = _counts.get(key)
        if kept is None or kept[0] < time.monotonic():
            kept = (time.monotonic() + COUNT_SECONDS, plan.count(at_most=limit + 1))
            if len(_counts) > 50:
                _counts.clear()
            _counts[key] = kept
        return kept[1]

    def delete_video(self, video_id: UUID) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            for table in TABLES.values():
                cursor.execute(f"DELETE FROM {table.name} WHERE video_id = %s", [video_id])

    def count(self, kind: Kind, version_id: UUID) -> int:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {TABLES[kind].name} WHERE model_version_id = %s", [version_id])
            return int(cursor.fetchone()[0])

    def frames_of(self, version_id: UUID, video_id: UUID) -> StoredFrames:
        """All rows of one video in order, whole frames and regions; (0, 0) vectors when it has none."""
        rows = _rows_of("frame", "time, informative, region", version_id, video_id)
        times, flags, regions = ([row[i] for row in rows] for i in range(3))
        return StoredFrames(np.array(times, float), np.array(flags, bool), np.array(regions, np.int64), _unpack(rows))

    def clips_of(self, version_id: UUID, video_id: UUID) -> tuple[NDArray[np.float64], FloatArray]:
        """spans (N, 2) and vectors (N, D) of one video, in order."""
        rows = _rows_of("clip", 'start, "end"', version_id, video_id)
        return np.array([row[:2] for row in rows], float).reshape(-1, 2), _unpack(rows)

    def sample(self, kind: Kind, version_id: UUID, size: int) -> FloatArray:
        """About ``size`` vectors (N, D) picked over the whole version, the same ones while it does not change.

        Reads the table once when it is larger than ``size``: keep the answer."""
        name = TABLES[kind].name
        rows = self.count(kind, version_id)
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT halfvec_send(embedding) FROM {name} TABLESAMPLE BERNOULLI (%s) REPEATABLE (7)"
                " WHERE model_version_id = %s LIMIT %s",
                [min(100.0, 120.0 * size / max(1, rows)), version_id, size],
            )
            return _unpack(cursor.fetchall())

    def ensure_index(self, kind: Kind, version_id: UUID, dim: int) -> None:
        """Build the version's partial HNSW index unless it stands. On an empty version it costs nothing.

        Outside a transaction it is built concurrently, so nobody waits; a remainder of an interrupted build is
        replaced. Inside one it locks out writers for the time of the build.
        """
        table = TABLES[kind]
        name = index_name(kind, version_id)
        concurrently = "" if connection.in_atomic_block else "CONCURRENTLY "
        with connection.cursor() as cursor:
            cursor.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", [f'"{name}"'])
            found = cursor.fetchone()
            if found and found[0]:
                return
            if found:
                cursor.execute(f'DROP INDEX {concurrently}IF EXISTS "{name}"')
            if not concurrently:  # DDL refuses a table with unchecked foreign keys of this transaction
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
            cursor.execute(
                f'CREATE INDEX {concurrently}IF NOT EXISTS "{name}" ON {table.name}'
                f" USING hnsw ((embedding::halfvec({int(dim)})) halfvec_ip_ops)"
                f" WHERE model_version_id = '{UUID(str(version_id))}'{table.searched}"
            )

    def delete_version(self, kind: Kind, version_id: UUID) -> None:
        """Every vector of the version in the caller's transaction, and the index after it; searches keep working."""
        with connection.cursor() as cursor:
            cursor.execute(f"DELETE FROM {TABLES[kind].name} WHERE model_version_id = %s", [version_id])
        transaction.on_commit(partial(self.drop_index, kind, version_id))

    def drop_index(self, kind: Kind, version_id: UUID) -> None:
        """For a model version that was deleted. Outside a transaction nobody waits for it."""
        concurrently = "" if connection.in_atomic_block else "CONCURRENTLY "
        with connection.cursor() as cursor:
            cursor.execute(f'DROP INDEX {concurrently}IF EXISTS "{index_name(kind, version_id)}"')


def _values(kind: Kind, row: Row) -> tuple[Any, ...]:
    """The columns of TABLES between the keys and the vector."""
    if kind == "clip":
        return int(row[0]), float(row[1]), float(row[2])
    return int(row[0]), float(row[1]), bool(row[2]), region_of(row)


def index_name(kind: Kind, version_id: UUID) -> str:
    return f"hnsw_{kind}_{UUID(str(version_id)).hex}"


def _rows_of(kind: Kind, columns: str, version_id: UUID, video_id: UUID) -> list[tuple[Any, ...]]:
    statement = f"SELECT {columns}, halfvec_send(embedding) FROM {TABLES[kind].name}"
    with connection.cursor() as cursor:
        cursor.execute(
            f"{statement} WHERE video_id = %s AND model_version_id = %s ORDER BY ordinal", [video_id, version_id]
        )
        return list(cursor.fetchall())


def _unpack(rows: Sequence[tuple[Any, ...]]) -> FloatArray:
    """Last column of ``rows``, in pgvector's wire format (two int16 of header, then big-endian halves), as (N, D)."""
    if not rows:
        return np.zeros((0, 0), np.float32)
    halves = np.frombuffer(b"".join(bytes(row[-1]) for row in rows), dtype=">f2").reshape(len(rows), -1)
    return halves[:, 2:].astype(np.float32)
