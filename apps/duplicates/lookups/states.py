"""How a lookup moves on: progress, the answer, failure, cancelled and asked again."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from uuid import UUID

from django.db import transaction

from apps.core.exceptions import Conflict, NotFound
from apps.core.models import Job
from apps.duplicates.groups.asset_queries import found_assets
from apps.duplicates.groups.matches import FoundMatch
from apps.duplicates.lookups.answers import answer_matches, asked_with
from apps.duplicates.models import Lookup
from apps.duplicates.pictures.similarity import Drawn, lookup_pictures_store
from apps.videos.ingest import TRANSIENT_FAILURES
from apps.videos.models import Video

CANCELLED = "This lookup was cancelled. Ask again whenever you like."


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


def lookup_mark_failed(*, lookup_id: UUID, code: str, message: str) -> None:
    """Record the reason. A file that can never be read is removed at once."""
    lookup = Lookup.objects.filter(id=lookup_id).exclude(state=Lookup.State.DONE).first()
    if lookup is None:
        return
    path = Path(lookup.path) if lookup.path and code not in TRANSIENT_FAILURES else None
    lookup.state, lookup.failure_code, lookup.failure = Lookup.State.FAILED, code, message
    if path is not None:
        lookup.path = ""
    lookup.save(update_fields=["state", "failure_code", "failure", "path", "updated_at"])
    if path is not None:
        transaction.on_commit(partial(path.unlink, missing_ok=True))


def lookup_cancelled(job: Job) -> None:
    """Hook of apps.core.services: cancelled before a worker took it."""
    if job.subject_id is not None:
        lookup_mark_failed(lookup_id=job.subject_id, code="cancelled", message=CANCELLED)


def lookup_retried(job: Job) -> None:
    """Hook of apps.core.services: a failed lookup is queued again; Conflict when its file is gone."""
    lookup = Lookup.objects.filter(id=job.subject_id).first() if job.subject_id else None
    if lookup is None:
        raise NotFound("This lookup has expired. Ask again.")
    if lookup.video_id is None and not (lookup.path and Path(lookup.path).is_file()):
        raise Conflict("The file of this lookup was not kept. Upload it again.")
    Lookup.objects.filter(id=lookup.id).update(
        state=Lookup.State.WAITING, stage="waiting", percent=0.0, failure="", failure_code=""
    )
