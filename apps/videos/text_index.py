"""Filling the text index of rows that are there already, after a change of what it stores."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from operator import attrgetter
from typing import Any

from django.db import connections
from django.db.models import Model, QuerySet

from apps.videos.words.rows import row_vectors

ROWS_AT_ONCE = 2_000


def text_index_fill(segments: QuerySet[Any]) -> int:
    """Index ``segments`` again; returns how many there were. For migrations, so any state of the model will do.

    Rows of a video must be chosen together: its cues know each other.
    """
    by_video = attrgetter("video_id")
    filled: list[tuple[int, str]] = []
    count = 0
    rows: Iterable[Any] = segments.order_by("video_id").iterator(chunk_size=ROWS_AT_ONCE)
    for _, group in groupby(rows, by_video):
        of_video = list(group)
        filled += zip((row.pk for row in of_video), row_vectors(of_video), strict=True)
        if len(filled) >= ROWS_AT_ONCE:
            count += _store(segments, filled)
            filled = []
    return count + _store(segments, filled)


def _store(segments: QuerySet[Any], filled: list[tuple[int, str]]) -> int:
    model: type[Model] = segments.model
    connection = connections[segments.db]
    table = connection.ops.quote_name(model._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} AS row SET words = new.words::tsvector"  # noqa: S608 (a name of ours)
            " FROM unnest(%s::bigint[], %s::text[]) AS new (id, words) WHERE row.id = new.id",
            [[key for key, _ in filled], [words for _, words in filled]],
        )
    return len(filled)
