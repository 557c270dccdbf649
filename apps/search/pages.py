"""Pages of one ranking.

The first page ranks the nearest clips. A page beyond what was ranked asks the same question again with more depth and
appends the videos that are new: what is already ranked keeps its place, so no page repeats or skips a video, and
every page up to the last video of the library can be reached. A cursor is a signed (snapshot, offset).
"""

from __future__ import annotations

from itertools import islice

from django.db import transaction

from apps.core.disk_full import unless_disk_full
from apps.core.exceptions import InvalidInput
from apps.search.answers import Result
from apps.search.question import Question
from apps.search.retrieval import Ranking
from apps.search.snapshots import (
    cursor_make,
    cursor_read,
    ranking_of,
    snapshot_create,
    snapshot_held,
    snapshot_update,
)
from apps.videos.models import Video

Page = tuple[tuple[Result, ...], str | None]  # and the cursor of the next one


def first_page(question: Question, limit: int, *, query_hash: str = "") -> Page:
    """A search whose first page shows everything is not stored."""
    ranking = Ranking(question)
    results, offset = _cut(ranking, 0, limit)
    if not _more(ranking, offset):
        return results, None
    cursor = None  # a page without a following one is better than none
    with unless_disk_full():
        cursor = cursor_make(snapshot_create(ranking=ranking, query_hash=query_hash), offset)
    return results, cursor


def next_page(cursor: str, limit: int, *, query_hash: str | None = None) -> Page:
    """``query_hash``, when given, must be that of the first page: InvalidInput. Expired for a cursor without a row."""
    snapshot_id, offset = cursor_read(cursor)
    with transaction.atomic():
        snapshot = snapshot_held(snapshot_id)
        if query_hash not in (None, snapshot.query_hash):
            raise InvalidInput("The cursor belongs to another query. Search again from the first page.", field="cursor")
        ranking = ranking_of(snapshot)
        results, offset = _cut(ranking, offset, limit)
        if ranking.depth != snapshot.depth:
            snapshot_update(snapshot=snapshot, ranking=ranking)
    return results, cursor_make(snapshot, offset) if _more(ranking, offset) else None


def _more(ranking: Ranking, offset: int) -> bool:
    return offset < len(ranking.videos) or not ranking.complete


def _cut(ranking: Ranking, offset: int, limit: int) -> tuple[tuple[Result, ...], int]:
    """(results, offset after them). Videos that were deleted since they were ranked are passed over."""
    results: list[Result] = []
    while len(results) < limit:
        wanted = limit - len(results)
        ranking.extend(offset + wanted + 1)  # one more says whether a page follows
        ranked = list(islice(ranking.videos.items(), offset, offset + wanted))
        if not ranked:
            break
        videos = Video.objects.filter(state=Video.State.READY).in_bulk([video_id for video_id, _ in ranked])
        for place, (video_id, moments) in enumerate(ranked, start=offset + 1):
            if video_id in videos:
                ranking.scale.mark(moments)
                results.append(Result(place, videos[video_id], moments))
        offset += len(ranked)
    return tuple(results), offset
