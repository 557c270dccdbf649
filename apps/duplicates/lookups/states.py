"""What the workers write about a lookup: its progress and its answer."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction

from apps.duplicates.groups.asset_queries import found_assets
from apps.duplicates.groups.matches import FoundMatch
from apps.duplicates.lookups.answers import answer_matches, asked_with
from apps.duplicates.models import Lookup
from apps.duplicates.pictures.similarity import Drawn, lookup_pictures_store
from apps.videos.models import Video


def lookup_mark_progress(*, lookup_id: UUID, stage: str, percent: float) -> None:
    unfinished = Lookup.objects.filter(id=lookup_id, state__in=[Lookup.State.WAITING, Lookup.State.RUNNING])
    unfinished.update(state=Lookup.State.RUNNING, stage=stage, percent=round(percent, 1))


def lookup_mark_done(
    *,
    lookup_id: UUID,
    sha256: str,
    duration_seconds: float,
    found: Sequence[FoundMatch],
    note: str = "",
    pictures: Sequence[Drawn] = (),
) -> None:
    """Write the answer, once. ``note``: a code of apps.duplicates.lookups.notes; ``pictures`` of the best matches."""
    lookup = Lookup.objects.filter(id=lookup_id).exclude(state=Lookup.State.DONE).first()
    if lookup is None:
        return
    videos = Video.objects.in_bulk({match.video_id for match in found})
    matches = answer_matches(found, videos, assets=found_assets(found), asked=asked_with(lookup))
    with transaction.atomic():
        Lookup.objects.filter(id=lookup_id).update(
            state=Lookup.State.DONE,
            stage="done",
            percent=100.0,
            sha256=sha256,
            duration_seconds=duration_seconds,
            matches=matches,
            note=note,
            failure="",
            failure_code="",
        )
        lookup_pictures_store(lookup_id=lookup_id, pictures=[p for p in pictures if p.video_id in videos])
