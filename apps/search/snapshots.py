"""The ranking of one question while somebody pages through it.

The first page ranks the nearest clips. A page beyond what was ranked makes the same question again with more depth
and appends the videos that are new: what is already in the ranking keeps its place, so no page repeats or skips a
video, and every page up to the last video of the library can be reached. A cursor is a signed (snapshot, offset).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.core import signing
from django.utils import timezone

from apps.core.exceptions import Expired
from apps.search.models import SearchSnapshot
from apps.search.ranking import Moment, RankedVideo, Scale
from apps.search.retrieval import Question, retrieve

LIFETIME = timedelta(hours=1)
FIRST_DEPTH = 200
CLIPS_PER_RESULT = 10
DEEPER = 4
PURGED_AT_ONCE = 50
SALT = "apps.search.cursor"


@dataclass(frozen=True)
class Cursor:
    snapshot_id: UUID
    offset: int


def cursor_make(snapshot: SearchSnapshot, offset: int) -> str:
    return signing.dumps([snapshot.id.hex, offset], salt=SALT)


def cursor_read(text: str) -> Cursor:
    """Expired for anything that this server did not sign, or signed with another key."""
    try:
        name, offset = signing.loads(text, salt=SALT)
    except signing.BadSignature as error:
        raise _expired() from error
    return Cursor(UUID(name), int(offset))


def _expired() -> Expired:
    return Expired("This page of results is not kept any more. Search again from the first page.", field="cursor")


def snapshot_new(question: Question) -> SearchSnapshot:
    """Not yet saved: a search whose first page shows everything leaves no row."""
    return SearchSnapshot(parameters={"question": question.as_json()}, expires_at=timezone.now() + LIFETIME)


def snapshot_held(cursor: Cursor) -> SearchSnapshot:
    """The row, locked for the caller's transaction: two pages at once extend it one after the other."""
    snapshot = SearchSnapshot.objects.select_for_update().filter(id=cursor.snapshot_id).first()
    if snapshot is None or snapshot.expires_at <= timezone.now():
        raise _expired()
    return snapshot


def snapshot_extend(snapshot: SearchSnapshot, needed: int) -> None:
    """Rank, in memory, until ``needed`` videos are there or the library is exhausted."""
    while len(snapshot.ranking) < needed and not snapshot.complete:
        floor = max(FIRST_DEPTH, CLIPS_PER_RESULT * needed)
        depth = max(floor, DEEPER * snapshot.depth) if snapshot.depth else floor
        found = retrieve(Question.from_json(snapshot.parameters["question"]), depth)
        snapshot.parameters.setdefault("scale", asdict(found.scale))  # bars of all pages compare with each other
        snapshot.ranking = snapshot.ranking + _new(snapshot.ranking, found.videos)
        snapshot.depth, snapshot.complete = depth, found.complete


def scale_of(snapshot: SearchSnapshot) -> Scale:
    return Scale(**snapshot.parameters["scale"])


def moments_of(entry: list[Any]) -> list[Moment]:
    return [Moment(start, end, list(matched), cosine, text_rank) for start, end, matched, cosine, text_rank in entry[1]]


def snapshots_purge(at_most: int = PURGED_AT_ONCE) -> int:
    """Remove expired snapshots; rows that another process is removing are left to it."""
    expired = SearchSnapshot.objects.filter(expires_at__lte=timezone.now())
    ids = list(expired.select_for_update(skip_locked=True).values_list("id", flat=True)[:at_most])
    return SearchSnapshot.objects.filter(id__in=ids).delete()[0] if ids else 0


def _new(ranking: list[Any], videos: Iterable[RankedVideo]) -> list[Any]:
    known = {entry[0] for entry in ranking}
    return [
        [
            str(video.video_id),
            [[m.start, m.end, m.matched, m.cosine, m.text_rank] for m in video.moments],
        ]
        for video in videos
        if str(video.video_id) not in known
    ]
