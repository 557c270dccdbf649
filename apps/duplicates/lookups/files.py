"""What becomes of the files that people ask with: kept, added to the library, removed."""

from __future__ import annotations

import os
import time
from datetime import datetime
from functools import partial
from pathlib import Path, PurePath
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from apps.core.exceptions import Conflict, Expired, NotFound
from apps.core.jobs import jobs_drop
from apps.duplicates.models import Lookup
from apps.videos.models import Video
from apps.videos.registration import unregistered_remove, video_register

FOLDER = "lookups"  # inside UPLOAD_DIR
ORPHAN_SECONDS = 24 * 3600.0


def lookups_folder() -> Path:
    folder = Path(settings.UPLOAD_DIR) / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def lookup_add_to_library(*, lookup_id: UUID, owner: User | None) -> tuple[Video, bool]:
    """The asked file becomes a video of the library: (video, whether it is new). Safe to call twice.

    Raises NotFound, Conflict while the lookup is at work or failed, Expired when the file was removed.
    """
    with transaction.atomic():
        lookup = Lookup.objects.select_for_update().filter(id=lookup_id).first()
        if lookup is None:
            raise NotFound("There is no such lookup. It may have expired.")
        if lookup.video is not None:
            return lookup.video, False
        if lookup.state != Lookup.State.DONE:
            raise Conflict("Wait until the lookup is done; a file that cannot be read cannot be added either.")
        if not Path(lookup.path).is_file():
            raise Expired("The file of this lookup was deleted. Upload it again.")
        video, new = video_register(
            path=lookup.path,
            original_name=lookup.file_name,
            source=Video.Source.UPLOAD,
            owner=owner,
            sha256=lookup.sha256,
        )
        asked = Path(lookup.path)
        lookup.path, lookup.video = "", video
        lookup.save(update_fields=["path", "video", "updated_at"])
    asked.unlink(missing_ok=True)  # after the commit: until then it may be needed again
    return video, new


def lookup_delete(*, lookup_id: UUID) -> None:
    """Forget the question and its file now."""
    with transaction.atomic():
        jobs_drop(subject_id=lookup_id)
        lookup = Lookup.objects.select_for_update().filter(id=lookup_id).first()
        if lookup is None:
            return
        path = lookup.path
        lookup.delete()
        if path:
            transaction.on_commit(partial(_remove, Path(path)))


def _remove(path: Path) -> None:
    unregistered_remove(path)
    path.unlink(missing_ok=True)


def lookups_expire(*, now: datetime | None = None) -> int:
    """Remove lookups past their day with their files, and files that no lookup names; returns how many rows went."""
    expired = list(Lookup.objects.filter(expires_at__lt=now or timezone.now()).values_list("id", flat=True))
    for lookup_id in expired:
        lookup_delete(lookup_id=lookup_id)
    named = {PurePath(path).name for path in Lookup.objects.exclude(path="").values_list("path", flat=True)}
    with os.scandir(lookups_folder()) as entries:
        for entry in entries:
            # A young one may belong to a request that has not committed yet.
            if entry.name not in named and time.time() - entry.stat().st_mtime > ORPHAN_SECONDS:
                Path(entry.path).unlink(missing_ok=True)
    return len(expired)
