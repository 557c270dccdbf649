"""What a whole upload becomes: a video of the library or a lookup. Here, because only the API knows both apps."""

from __future__ import annotations

from uuid import UUID

from apps.accounts.permissions import may_upload
from apps.core.exceptions import NotAllowed
from apps.videos.models import Upload, Video
from apps.videos.registration import video_register
from apps.videos.storage import file_sha256


def become(upload: Upload) -> UUID:
    """Give the bytes their place and return the id of the Video or Lookup. Inside the transaction of the upload."""
    return _video(upload) if upload.purpose == Upload.Purpose.LIBRARY else _lookup(upload)


def _video(upload: Upload) -> UUID:
    sha256 = file_sha256(upload.path)  # before the first query: a large file takes minutes
    if upload.owner is None or not may_upload(upload.owner):
        raise NotAllowed("Your account is no longer allowed to upload videos.")
    video, _ = video_register(
        path=upload.path,
        original_name=upload.file_name,
        source=Video.Source.UPLOAD,
        owner=upload.owner,
        sha256=sha256,
    )
    return video.id


def _lookup(upload: Upload) -> UUID:
    from apps.duplicates.lookups.asking import lookup_create

    lookup = lookup_create(
        path=upload.path,
        file_name=upload.file_name,
        owner=upload.owner,
        session_key=upload.session_key,
    )
    return lookup.id
