"""Resumable uploads (the core of tus 1.0 with creation, termination and expiration).

The file in UPLOAD_DIR is the truth: the offset is its size, so after a broken connection or a killed server the
client continues where the bytes end. What a whole file becomes is decided by the caller of ``upload_finish``.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import PurePath
from typing import BinaryIO, Protocol
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import F, QuerySet, Sum
from django.utils import timezone

from apps.core.disk_full import OUT_OF_SPACE
from apps.core.exceptions import Conflict, InvalidInput, NotFound
from apps.videos.exceptions import Locked, TooLarge
from apps.videos.models import Upload
from apps.videos.paths import readable_name
from apps.videos.storage import (
    no_space,
    readable,
    space_check,
    type_check,
)

BLOCK_BYTES = 1024**2
KEEP = timedelta(hours=24)  # since the last byte
PROMISE = timedelta(hours=1)  # for how long a paused upload keeps its space on the disk
OPEN_UPLOADS = 100  # a person; enough for a folder dropped into the browser


class Body(Protocol):
    def read(self, size: int, /) -> bytes: ...


def upload_create(
    *,
    file_name: str,
    length: int,
    purpose: str,
    owner: User | None = None,
    session_key: str = "",
) -> Upload:
    """Accept an upload of ``length`` bytes, or refuse it before a byte was sent.

    Raises InvalidInput, TooLarge (413), WrongType (415) or NoSpace (507).
    """
    name = PurePath(file_name.replace("\\", "/").replace("\x00", "")).name.strip()[:300]
    if not name:
        raise InvalidInput(
            "Upload-Metadata must contain the file's name as 'filename'.",
            field="filename",
        )
    if purpose not in Upload.Purpose.values:
        raise InvalidInput(f"purpose must be one of {', '.join(Upload.Purpose.values)}.", field="purpose")
    if length < 0:
        raise InvalidInput("Upload-Length must be the file's size in bytes.", field="Upload-Length")
    type_check(name)
    if length > settings.MAX_UPLOAD_BYTES:
        raise TooLarge(
            f"{name} has {readable(length)}; files up to {readable(settings.MAX_UPLOAD_BYTES)} can be uploaded. "
            "Larger ones can be imported from a folder on the server with manage.py import.",
            field="Upload-Length",
        )
    mine = _open().filter(owner=owner, session_key=session_key)
    if mine.count() >= OPEN_UPLOADS:
        raise Conflict(f"{OPEN_UPLOADS} uploads are unfinished already. Finish or remove some of them first.")
    space_check(length, promised_bytes=_promised_bytes())
    upload = Upload.objects.create(
        owner=owner,
        session_key=session_key,
        purpose=purpose,
        file_name=readable_name(name),
        length=length,
    )
    try:
        upload.path.parent.mkdir(parents=True, exist_ok=True)
        upload.path.touch(mode=0o600)
    except OSError as error:
        upload.delete()
        if error.errno in OUT_OF_SPACE:
            raise no_space(needed_bytes=length, free_bytes=0) from error
        raise
    return upload


def _open() -> QuerySet[Upload]:
    return Upload.objects.filter(completed_at__isnull=True)


def _promised_bytes() -> int:
    moving = _open().filter(updated_at__gte=timezone.now() - PROMISE)
    return int(moving.aggregate(rest=Sum(F("length") - F("offset")))["rest"] or 0)


def upload_get(*, upload_id: UUID, owner: User | None = None, session_key: str = "") -> Upload:
    """The upload of this person (or of this anonymous session); NotFound for anybody else's."""
    uploads = Upload.objects.filter(id=upload_id, owner=owner)
    upload = uploads.first() if owner is not None or session_key else None
    if upload is None or (owner is None and upload.session_key != session_key):
        raise NotFound("There is no such upload. It may have expired; start again.")
    return upload


def upload_offset(upload: Upload) -> int:
    """Bytes that arrived. NotFound when the file is gone."""
    if upload.completed_at is not None:
        return upload.length
    try:
        return upload.path.stat().st_size
    except FileNotFoundError as error:
        raise NotFound("The data of this upload was deleted. Start again.") from error


def upload_expires_at(upload: Upload) -> datetime:
    return upload.updated_at + KEEP


def upload_append(*, upload: Upload, offset: int, length: int, body: Body, follow: int = 0) -> int:
    """Append up to ``length`` bytes of ``body`` at ``offset``; returns the new offset. Constant memory.

    ``follow``: bytes of the same request that come in later calls, so that too many are refused before the first.
    What arrived before a connection broke stays. Raises Conflict (wrong offset), Locked (another request is
    writing), TooLarge (more than was announced), or NoSpace, after which nothing of the upload is left.
    """
    if upload.completed_at is not None:
        raise Conflict("This upload is complete.")
    with _locked_file(upload) as file:
        have = file.seek(0, os.SEEK_END)
        if offset != have:
            raise Conflict(f"The server has {have} bytes of this file, not {offset}. Continue from there.")
        if have + length + follow > upload.length:
            raise TooLarge(f"The file was announced with {upload.length} bytes; this would make it longer.")
        try:
            _copy(body, file, length)
        except OSError as error:
            if error.errno in OUT_OF_SPACE:
                upload_remove(upload)
                raise no_space(needed_bytes=upload.length - have, free_bytes=0) from error
            raise
        finally:
            if upload.pk is not None:
                if not follow:  # the client is about to be told: what it hears must survive a power cut
                    os.fsync(file.fileno())
                now_have = os.fstat(file.fileno()).st_size
                Upload.objects.filter(id=upload.id).update(offset=now_have, updated_at=timezone.now())
                upload.offset = now_have
    return upload.offset


def _copy(body: Body, file: BinaryIO, length: int) -> None:
    left = length
    while left > 0:
        block = body.read(min(BLOCK_BYTES, left))
        if not block:
            return  # the client is gone; it will ask for the offset and continue
        file.write(block)
        left -= len(block)


@contextmanager
def _locked_file(upload: Upload) -> Iterator[BinaryIO]:
    """Open for appending, for one request at a time: the kernel's lock also ends with a killed process."""
    try:
        file = upload.path.open("r+b", buffering=0)
    except FileNotFoundError as error:
        raise NotFound("The data of this upload was deleted. Start again.") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Locked("Another request is writing this upload. Wait for it to end.") from error
        yield file  # type: ignore[misc]


def upload_finish(*, upload: Upload, become: Callable[[Upload], UUID]) -> Upload:
    """Hand a whole file to ``become`` (which moves or removes it) and keep the id of what it became.

    Safe to call at any time and twice: does nothing while bytes are missing or when it is done.
    """
    if upload.completed_at is not None or upload_offset(upload) < upload.length:
        return upload
    with _locked_file(upload):
        upload.refresh_from_db()
        if upload.completed_at is not None:
            return upload
        upload.result_id = become(upload)
        upload.completed_at, upload.offset = timezone.now(), upload.length
        upload.save(update_fields=["result_id", "completed_at", "offset", "updated_at"])
    return upload


def upload_remove(upload: Upload) -> None:
    """Forget the upload and its bytes (not what it became)."""
    if upload.completed_at is None:
        upload.path.unlink(missing_ok=True)
    upload.delete()


def uploads_expire(*, now: datetime | None = None) -> int:
    """Remove uploads (and their unfinished files) that nobody touched for a day; returns how many."""
    limit = (now or timezone.now()) - KEEP
    count = 0
    for upload in Upload.objects.filter(updated_at__lt=limit):
        upload_remove(upload)
        count += 1
    return count
