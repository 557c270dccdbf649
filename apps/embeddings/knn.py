"""The statements of a kNN search in Postgres, and the planner settings around them."""

# Statements are put together from the constants of TABLES, from integers and from a version id that went through
# UUID(); everything that comes from outside is a parameter.
# ruff: noqa: S608

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection
from pgvector import HalfVector

from apps.embeddings.rows import FloatArray, Hit, Kind, best_first

MAX_EF_SEARCH = 1_000  # pgvector's limit
EF_SEARCH = 200
MANY_QUERIES = 8
EF_SEARCH_OF_MANY = 80  # hundreds of frames vote together: a neighbour that one of them misses, others find
MAX_SCAN_TUPLES = 200_000


@dataclass(frozen=True)
class Table:
    name: str
    start: str
    end: str
    columns: str  # as COPY takes them, after video and version
    types: tuple[str, ...]
    searched: str  # extra condition of every search and of the index


TABLES: dict[Kind, Table] = {
    "clip": Table(
        "embeddings_clipembedding", "start", '"end"', 'ordinal, start, "end"', ("int4", "float8", "float8"), ""
    ),
    "frame": Table(
        "embeddings_frameembedding",
        "time",
        "time",
        "ordinal, time, informative, region",
        ("int4", "float8", "bool", "int2"),
        " AND informative",
    ),
}


@dataclass(frozen=True)
class Plan:
    """One search: its condition (a literal version, then filters with parameters) and its two ways to run."""

    table: Table
    where: str
    filters: list[Any]
    dim: int
    k: int

    def _columns(self) -> str:
        return f"video_id, ordinal, {self.table.start}, {self.table.end}"

    def _distance(self) -> str:
        return f"(embedding::halfvec({self.dim})) <#> %s::halfvec({self.dim})"

    def count(self, *, at_most: int) -> int:
        with connection.cursor() as cursor:
            inner = f"SELECT 1 FROM {self.table.name} WHERE {self.where} LIMIT %s"
            cursor.execute(f"SELECT count(*) FROM ({inner}) AS some_rows", [*self.filters, at_most])
            return int(cursor.fetchone()[0])

    def exact(self, query: FloatArray) -> list[Hit]:
        columns = f"video_id, ordinal, {self.table.start} AS first, {self.table.end} AS last"
        statement = (
            f"WITH every AS MATERIALIZED (SELECT {columns}, {self._distance()} AS distance"
            f" FROM {self.table.name} WHERE {self.where})"
            " SELECT video_id, ordinal, first, last, distance FROM every ORDER BY distance, video_id, ordinal LIMIT %s"
        )
        with connection.cursor() as cursor:
            cursor.execute(statement, [HalfVector(query).to_text(), *self.filters, self.k])
            return _hits(cursor.fetchall(), self.k)

    def index_statement(self) -> str:
        return (
            f"SELECT {self._columns()}, {self._distance()} AS distance FROM {self.table.name}"
            f" WHERE {self.where} ORDER BY {self._distance()} LIMIT %s"
        )

    def index_parameters(self, query: FloatArray) -> list[Any]:
        text = HalfVector(query).to_text()
        return [text, *self.filters, text, self.k]

    def index_settings(self, *, filtered: bool, many: bool = False) -> dict[str, str]:
        least = EF_SEARCH_OF_MANY if many else EF_SEARCH
        settings = {
            "hnsw.ef_search": str(min(MAX_EF_SEARCH, max(least, 2 * self.k))),
            # A plan without a sort is the plan through the HNSW index; on small tables the planner doubts it.
            "enable_sort": "off",
            "enable_seqscan": "off",
        }
        if filtered or 2 * self.k > MAX_EF_SEARCH:
            settings |= {
                "hnsw.iterative_scan": "relaxed_order",
                "hnsw.max_scan_tuples": str(max(MAX_SCAN_TUPLES, 4 * self.k)),
                "hnsw.scan_mem_multiplier": "4",
            }
        return settings

    def by_index(self, queries: FloatArray, *, filtered: bool) -> list[list[Hit]]:
        answers = []
        many = len(queries) > MANY_QUERIES
        with local_settings(self.index_settings(filtered=filtered, many=many)), connection.cursor() as cursor:
            for query in queries:
                cursor.execute(self.index_statement(), self.index_parameters(query))
                answers.append(_hits(cursor.fetchall(), self.k))
        return answers


def condition(
    kind: Kind, version_id: UUID, video_ids: Collection[UUID] | None, exclude: Collection[UUID]
) -> tuple[str, list[Any]]:
    where = f"model_version_id = '{UUID(str(version_id))}'{TABLES[kind].searched}"
    filters: list[Any] = []
    if video_ids is not None:
        where += " AND video_id = ANY(%s::uuid[])"
        filters.append(list(video_ids))
    if exclude:
        where += " AND video_id <> ALL(%s::uuid[])"
        filters.append(list(exclude))
    return where, filters


def _hits(rows: list[tuple[Any, ...]], k: int) -> list[Hit]:
    return best_first([Hit(row[0], row[1], row[2], row[3], -float(row[4])) for row in rows], k)


@contextmanager
def local_settings(values: dict[str, str]) -> Iterator[None]:
    """SET LOCAL for the statements inside; put back after, because the caller's transaction continues."""
    names = list(values)
    with connection.cursor() as cursor:
        cursor.execute("SELECT " + ", ".join(["current_setting(%s, true)"] * len(names)), names)
        before = dict(zip(names, cursor.fetchone(), strict=True))
        _set_local(cursor, values)
        yield
        _set_local(cursor, {name: value for name, value in before.items() if value})
        for name in (name for name, value in before.items() if not value):  # pgvector was not loaded yet
            cursor.execute(f"SET LOCAL {name} TO DEFAULT")


def _set_local(cursor: Any, values: dict[str, str]) -> None:
    calls = ", ".join(["set_config(%s, %s, true)"] * len(values))
    if values:
        cursor.execute(f"SELECT {calls}", [part for pair in values.items() for part in pair])
