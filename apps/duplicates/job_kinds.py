"""Jobs that look for copies, and what becomes of a lookup whose job failed, was cancelled or is tried again."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from uuid import UUID

from django.db import transaction

from apps.core.exceptions import Conflict, NotFound
from apps.core.jobs import job_kind
from apps.duplicates.models import Lookup
from apps.videos.job_kinds import TRANSIENT_FAILURES

CANCELLED = "This lookup was cancelled. Start it again at any time."


def lookup_failed(lookup_id: UUID, code: str, message: str) -> None:
    """Record the reason. A file that can never be read is removed at once; an answer that was written stays."""
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


def lookup_cancelled(lookup_id: UUID) -> None:
    lookup_failed(lookup_id, "cancelled", CANCELLED)


def lookup_retried(lookup_id: UUID) -> None:
    """Conflict when its file is gone."""
    lookup = Lookup.objects.filter(id=lookup_id).first()
    if lookup is None:
        raise NotFound("This lookup has expired. Start a new one.")
    if lookup.video_id is None and not (lookup.path and Path(lookup.path).is_file()):
        raise Conflict("The file of this lookup was deleted. Upload it again.")
    Lookup.objects.filter(id=lookup.id).update(
        state=Lookup.State.WAITING, stage="waiting", percent=0.0, failure="", failure_code=""
    )


# Subject: Video. Match it against the library, then build the groups again.
MATCH = job_kind("match", queue="default", library=True)
# No subject. Match every ready video again.
SCAN = job_kind("scan", queue="default", library=True)
# Subject: Lookup. Fingerprint a query file and match it.
LOOKUP = job_kind(
    "lookup", queue="lookup", on_failure=lookup_failed, on_cancel=lookup_cancelled, on_retry=lookup_retried
)
# Subject: MatrixPicture. Draw the similarity of two library videos; somebody waits for it.
PICTURE = job_kind("picture", queue="lookup")
# Subject: ClusterRun. Explore the library by DBSCAN or HDBSCAN.
CLUSTERS = job_kind("clusters", queue="default")
