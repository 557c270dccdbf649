"""Resumable uploads (the core of tus 1.0 with creation, termination and expiration).

The file in UPLOAD_DIR is the truth: the offset is its size, so after a broken connection or a killed server the
client continues where the bytes end. What a whole file becomes is decided by the caller of ``upload_finish``: it is
written with the end of the upload in one transaction, and the file is removed only after it.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path, PurePath
from typing import BinaryIO, Protocol
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from apps.core.disk_full import OUT_OF_SPACE
from apps.core.exceptions import Conflict, InvalidInput, NotFound, VSearchError
from apps.videos.exceptions import Locked, NoSpace, TooLarge
from apps.videos.models import Upload
from apps.videos.paths import readable_name
from apps.videos.registration import unregistered_remove
from apps.videos.storage import free_bytes, no_space, readable, space_check, type_check
from apps.videos.upload_room import Unfinished, room_for

log = logging.getLogger(__name__)

BLOCK_BYTES = 1024**2
KEEP = timedelta(hours=24)  # since the last byte
KEEP_VISITORS = timedelta(hours=2)
KEEP_EMPTY = timedelta(minutes=15)  # not one byte came
ABANDONED = timedelta(minutes=2)  # whole, and nobody asks what became of it
OPEN_UPLOADS = 100  # a person; enough for a folder dropped into the browser
OPEN_OF_ADDRESS = 20  # visitors, in all their sessions
_ONE_AT_A_TIME = 0x75706C6F6164  # key of an advisory lock: what is promised is counted by one request at a time


class Body(Protocol):
    def read(self, size: int, /) -> bytes: ...


def upload_create(
    *,
    file_name: str,
    length: int,
    purpose: str,
    owner: User | None = None,
    session_key: str = "",
    address: str = "",
) -> Upload:
    """Accept an upload of ``length`` bytes, or refuse it before a byte was sent. ``address``: of a visitor.

    Raises InvalidInput, TooLarge (413), WrongType (415), Conflict (too many are open) or NoSpace (507).
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
    address = "" if owner is not None else address
    _empty_ones_expire()
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_ONE_AT_A_TIME])
        _count_check(owner, session_key, address)
        _room_check(owner, address, purpose, length)
        upload = Upload.objects.create(
            owner=owner,
            session_key=session_key,
            address=address,
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


def _count_check(owner: User | None, session_key: str, address: str) -> None:
    mine = _open().filter(owner=owner, session_key=session_key).count()
    if mine >= OPEN_UPLOADS:
        raise Conflict(f"{OPEN_UPLOADS} uploads are unfinished already. Finish or remove some of them first.")
    if address and _open().filter(owner=None, address=address).count() >= OPEN_OF_ADDRESS:
        raise Conflict(
            f"{OPEN_OF_ADDRESS} uploads of visitors at your address are unfinished. Finish or remove some of them "
            "first, or log in."
        )


def _room_check(owner: User | None, address: str, purpose: str, length: int) -> None:
    """Raise NoSpace when others were promised the space, or a share is used up."""
    now, free = timezone.now(), free_bytes()
    if free <= 0:
        raise no_space(needed_bytes=length, free_bytes=0)
    unfinished = [
        Unfinished(owner_id, where, kind == Upload.Purpose.LOOKUP, size, received, (now - moved).total_seconds())
        for owner_id, where, kind, size, received, moved in _open().values_list(
            "owner_id", "address", "purpose", "length", "offset", "updated_at"
        )
    ]
    owner_id = None if owner is None else owner.pk
    new = Unfinished(owner_id, address, purpose == Upload.Purpose.LOOKUP, length)
    room = room_for(new, unfinished, free)
    if room.allowed is not None and length > room.allowed:
        raise NoSpace(
            f"{room.whose} can send up to {readable(room.allowed)} at the moment; this file has {readable(length)}. "
            "Try a shorter clip, or try again later."
        )
    space_check(length, promised_bytes=room.promised)


def _empty_ones_expire() -> None:
    """Uploads that began with nothing make room quickly."""
    for upload in _open().filter(offset=0, updated_at__lt=timezone.now() - KEEP_EMPTY):
        if upload_expires_at(upload) < timezone.now():
            upload_remove(upload)


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
    if upload.completed_at is not None:
        return upload.updated_at + KEEP
    if _size(upload) == 0:
        return upload.updated_at + KEEP_EMPTY
    return upload.updated_at + (KEEP if upload.owner_id is not None else KEEP_VISITORS)


def _size(upload: Upload) -> int:
    try:
        return upload.path.stat().st_size
    except FileNotFoundError:
        return 0


def upload_append(*, upload: Upload, offset: int, length: int, body: Body, follow: int = 0) -> int:
    """Append up to ``length`` bytes of ``body`` at ``offset``; returns the new offset. Constant memory.

    ``follow``: bytes of the same request that come in later calls, so that too many are refused before the first.
    What arrived before a connection broke stays. Raises Conflict (wrong offset), Locked (another request is
    writing), TooLarge (more than was announced), or NoSpace, after which nothing of the upload is left.
    """
    if upload.completed_at is not None:
        if (offset, length) == (upload.length, 0):
            return offset  # a client that did not hear the answer asks again
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
                if now_have > have:  # an empty request does not renew anything
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
    """Hand a whole file to ``become`` and keep the id of what it became, in one transaction.

    Safe to call at any time and again, also after a kill at any moment: does nothing while bytes are missing or when
    it is done. ``become`` leaves the file where it is; it is removed after the commit.
    """
    if upload.completed_at is None:
        if upload_offset(upload) < upload.length:
            return upload
        with _locked_file(upload):
            try:
                upload.refresh_from_db()
            except Upload.DoesNotExist as error:
                raise NotFound("This upload was removed.") from error
            if upload.completed_at is None:
                with transaction.atomic():
                    upload.result_id = become(upload)
                    upload.completed_at, upload.offset, upload.address = timezone.now(), upload.length, ""
                    upload.save(update_fields=["result_id", "completed_at", "offset", "address", "updated_at"])
    upload.path.unlink(missing_ok=True)
    return upload


def upload_remove(upload: Upload) -> None:
    """Forget the upload and its bytes (not what it became)."""
    if upload.completed_at is None:
        upload.path.unlink(missing_ok=True)
        unregistered_remove(upload.path)
    upload.delete()


def uploads_finish(*, become: Callable[[Upload], UUID], now: datetime | None = None) -> int:
    """Finish the uploads that are whole and whose client has not come back since; returns how many."""
    count = 0
    for upload in _open().filter(updated_at__lt=(now or timezone.now()) - ABANDONED):
        if _size(upload) < upload.length or not upload.path.exists():
            continue
        try:
            upload_finish(upload=upload, become=become)
        except VSearchError as error:  # the person may no longer upload, or a client is at it
            log.info("upload %s stays unfinished: %s", upload.id, error)
        else:
            count += 1
    return count


def uploads_expire(*, now: datetime | None = None) -> int:
    """Remove uploads that nobody touched for their time, with their files, and files that belong to none; returns how
    many rows went."""
    now = now or timezone.now()
    count = 0
    for upload in Upload.objects.filter(updated_at__lt=now - KEEP_EMPTY):
        if upload_expires_at(upload) < now:
            upload_remove(upload)
            count += 1
    known = {str(upload_id) for upload_id in _open().values_list("id", flat=True)}
    for path in Path(settings.UPLOAD_DIR).iterdir() if Path(settings.UPLOAD_DIR).is_dir() else ():
        # Of a server that was killed between the commit and the removal; a young one may belong to a request.
        if path.is_file() and path.name not in known and path.stat().st_mtime < (now - KEEP).timestamp():
            path.unlink(missing_ok=True)
    return count
