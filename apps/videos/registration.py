"""How a file becomes a video of the library. Its content decides: the same bytes are one video, however they come."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path, PurePath
from uuid import UUID, uuid4, uuid5

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from apps.core.exceptions import InvalidInput
from apps.core.jobs import enqueue
from apps.videos.editing import TITLE_LENGTH, tags_add, tags_clean, text_segments_write
from apps.videos.identity import identity_from
from apps.videos.ingest import ingest_again
from apps.videos.job_kinds import INGEST
from apps.videos.models import Video
from apps.videos.paths import path_text, readable_name
from apps.videos.presence import WHOLE, Place, file_place
from apps.videos.storage import file_sha256, folder_remove, original_path, place_into


def video_register(
    *,
    path: str | Path,
    original_name: str,
    source: str,
    owner: User | None = None,
    sha256: str | None = None,
    title: str | None = None,
    tags: Iterable[str] = (),
) -> tuple[Video, bool]:
    """Make the file a video of the library; returns (video, whether it is new).

    An upload also gets its place in MEDIA_DIR; the caller removes ``path`` after its own transaction. Content
    decides: of two calls with the same bytes, even at the same time, one makes the row and the other gets it (its
    file is used only when the stored one is missing). A failed video of the same content is tried again.
    """
    path = Path(path)
    sha256 = sha256 or file_sha256(path)
    original_name = readable_name(PurePath(original_name).name)
    names = tags_clean(tags)
    video_id = upload_video_id(path) if source == Video.Source.UPLOAD else uuid4()
    try:
        with transaction.atomic():
            video = Video.objects.create(
                id=video_id,
                sha256=sha256,
                title=title_from(title, original_name),
                original_name=original_name[:300],
                source=source,
                path=path_text(original_path(video_id, original_name) if source == Video.Source.UPLOAD else path),
                owner=owner,
                **asdict(identity_from(path.stat())),
            )
            text_segments_write(video)
            tags_add(video, names)
            enqueue(kind=INGEST, subject_id=video.id, title=video.title)
            if source == Video.Source.UPLOAD:
                # Before the commit: whoever sees the row finds the file.
                place_into(path, video.file)
                _path_set(video, video.file, source)
        return video, True
    except FileNotFoundError as error:
        raise InvalidInput(f"{path} no longer exists.", field="path") from error
    except IntegrityError:
        existing = Video.objects.filter(sha256=sha256).first()
        if existing is None:
            raise  # not the content was there twice: something else is wrong
    if source == Video.Source.UPLOAD:
        unregistered_remove(path)
    return _join_existing(existing.id, path, original_name, source, names), False


def upload_video_id(path: Path) -> UUID:
    """The id of the video that an uploaded file becomes: the same in every attempt, so that one that was cut off by a
    kill is repeated in the same place. Files of uploads and lookups have an id as their name."""
    try:
        return uuid5(UUID(path.stem), "video")
    except ValueError:
        return uuid4()


def unregistered_remove(path: Path) -> None:
    """The uploaded file becomes no video after all: remove what an attempt that was cut off has left in MEDIA_DIR."""
    video_id = upload_video_id(path)
    if not Video.objects.filter(id=video_id).exists():
        folder_remove(video_id)


@transaction.atomic
def _join_existing(video_id: UUID, path: Path, original_name: str, source: str, tags: list[str]) -> Video:
    video = Video.objects.select_for_update().get(id=video_id)
    if file_place(video, read_up_to=WHOLE)[0] != Place.HERE:
        if source == Video.Source.UPLOAD:
            place_into(path, original_path(video.id, original_name))
            _path_set(video, original_path(video.id, original_name), source)
        else:
            _path_set(video, path, source)
    tags_add(video, tags)
    if video.state == Video.State.FAILED:
        ingest_again(video)
    return video


def _path_set(video: Video, path: Path, source: str) -> None:
    found = identity_from(path.stat())
    video.path, video.source, video.missing_since = path_text(path), source, None
    video.size_bytes, video.modified_ns, video.file_id = found.size_bytes, found.modified_ns, found.file_id
    video.save(update_fields=["path", "source", "missing_since", "size_bytes", "modified_ns", "file_id", "updated_at"])


def title_from(title: str | None, original_name: str) -> str:
    """The given title, or the file's name made readable: "beach_day.mp4" -> "beach day"."""
    chosen = (
        readable_name((title or "").strip()) or PurePath(readable_name(original_name)).stem.replace("_", " ").strip()
    )
    return (chosen or "untitled")[:TITLE_LENGTH]
