"""A ranking as it is stored while somebody pages through it, and the cursors that lead back to it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from uuid import UUID

from django.core import signing
from django.db import transaction
from django.utils import timezone

from apps.core.exceptions import Expired
from apps.search.models import SearchSnapshot
from apps.search.moments import Moment
from apps.search.question import Question
from apps.search.ranking import Scale
from apps.search.retrieval import Ranking

LIFETIME = timedelta(hours=1)
PURGE_EVERY = 16  # snapshots, about
PURGED_AT_ONCE = 50
SALT = "apps.search.cursor"


def cursor_make(snapshot: SearchSnapshot, offset: int) -> str:
    return signing.dumps([snapshot.id.hex, offset], salt=SALT)


def cursor_read(text: str) -> tuple[UUID, int]:
    """(snapshot, offset). Expired for anything that this server did not sign, or signed with another key."""
    try:
        name, offset = signing.loads(text, salt=SALT)
    except signing.BadSignature as error:
        raise _expired() from error
    return UUID(name), int(offset)


def _expired() -> Expired:
    return Expired("This page of results has expired. Search again from the first page.", field="cursor")


def snapshot_create(*, ranking: Ranking, query_hash: str) -> SearchSnapshot:
    """One in sixteen removes some that have expired."""
    snapshot = SearchSnapshot(query_hash=query_hash, expires_at=timezone.now() + LIFETIME)
    if snapshot.id.int % PURGE_EVERY == 0:
        snapshots_purge(at_most=PURGED_AT_ONCE)
    snapshot_update(snapshot=snapshot, ranking=ranking)
    return snapshot


def snapshot_update(*, snapshot: SearchSnapshot, ranking: Ranking) -> None:
    snapshot.parameters = {"question": ranking.question.as_json(), "scale": asdict(ranking.scale)}
    snapshot.ranking = [
        [str(video_id), [[m.start, m.end, m.matched, m.cosine, m.text_rank] for m in moments]]
        for video_id, moments in ranking.videos.items()
    ]
    snapshot.depth, snapshot.complete = ranking.depth, ranking.complete
    snapshot.save()


def snapshot_held(snapshot_id: UUID) -> SearchSnapshot:
    """The row, locked for the caller's transaction: two pages at once extend it one after the other."""
    snapshot = SearchSnapshot.objects.select_for_update().filter(id=snapshot_id).first()
    if snapshot is None or snapshot.expires_at <= timezone.now():
        raise _expired()
    return snapshot


def ranking_of(snapshot: SearchSnapshot) -> Ranking:
    ranking = Ranking(
        question=Question.from_json(snapshot.parameters["question"]),
        scale=Scale(**snapshot.parameters["scale"]),
        depth=snapshot.depth,
        complete=snapshot.complete,
    )
    for name, stored in snapshot.ranking:
        video_id = UUID(name)
        ranking.videos[video_id] = [
            Moment(video_id, start, end, tuple(matched), cosine, text_rank, rank)
            for rank, (start, end, matched, cosine, text_rank) in enumerate(stored, start=1)
        ]
    return ranking


def snapshots_purge(*, at_most: int = 10_000) -> int:
    """Remove expired snapshots; rows that another process is removing are left to it."""
    expired = SearchSnapshot.objects.filter(expires_at__lte=timezone.now())
    with transaction.atomic():
        ids = list(expired.select_for_update(skip_locked=True).values_list("id", flat=True)[:at_most])
        return SearchSnapshot.objects.filter(id__in=ids).delete()[0] if ids else 0
