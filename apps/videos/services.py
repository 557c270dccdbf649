"""What changes the catalogue: register, retry, cancel, edit, delete. Uploads are in apps.videos.uploads."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path, PurePath
from typing import Any
from uuid import UUID, uuid4

from django.db import IntegrityError, transaction

from apps.core.exceptions import Conflict, InvalidInput, NotFound
from apps.core.models import Job
from apps.core.services import job_cancel, job_retry, jobs_drop
from apps.videos.indexing import video_mark_failed
from apps.videos.models import Tag, TextSegment, Video
from apps.videos.storage import (
    file_sha256,
    folder_remove,
    is_managed,
    move_into,
    original_path,
)
from vsearch.jobs import JobKind, enqueue

TITLE_LENGTH = 300
DESCRIPTION_LENGTH = 20_000
TAG_LENGTH = 64
TAGS_A_VIDEO = 50
CANCELLED = "It was cancelled before it was indexed. Press Retry to index it after all."


def video_register(
    *,
    path: str | Path,
    original_name: str,
    source: str,
    owner: Any = None,
    sha256: str | None = None,
    title: str | None = None,
    description: str = "",
    tags: Iterable[str] = (),
) -> tuple[Video, bool]:
    """Make the file a video of the library; returns (video, whether it is new).

    An upload is moved to its place in MEDIA_DIR; an import stays where it is. Content decides: of two calls with
    the same bytes, even at the same time, one makes the row and the other gets it (its uploaded file is removed,
    unless the stored one is missing). A failed video of the same content is tried again.
    """
    path = Path(path)
    sha256 = sha256 or file_sha256(path)
    names = tags_clean(tags)
    video_id = uuid4()
    try:
        with transaction.atomic():
            video = Video.objects.create(
                id=video_id,
                sha256=sha256,
                title=title_from(title, original_name),
                description=description[:DESCRIPTION_LENGTH],
                original_name=PurePath(original_name).name[:300],
                source=source,
                path=str(original_path(video_id, original_name) if source == Video.Source.UPLOAD else path),
                owner=owner,
                size_bytes=path.stat().st_size,
            )
            _text_segments_write(video)
            _tags_add(video, names)
            enqueue(kind=JobKind.INGEST, subject_id=video.id, title=video.title)
            if source == Video.Source.UPLOAD:
                # Before the commit: whoever sees the row finds the file.
                move_into(path, Path(video.path))
        return video, True
    except FileNotFoundError as error:
        folder_remove(video_id)
        raise InvalidInput(f"{path} is not there any more.", field="path") from error
    except IntegrityError:
        folder_remove(video_id)
        existing = Video.objects.filter(sha256=sha256).first()
        if existing is None:
            raise  # not the content was there twice: something else is wrong
    except BaseException:
        _take_back(video_id, path, original_name)
        raise
    return _join_existing(existing.id, path, original_name, source, names), False


def _take_back(video_id: UUID, path: Path, original_name: str) -> None:
    """The row was not committed: the moved file returns, so that the caller may try again or remove it."""
    moved = original_path(video_id, original_name)
    if moved.exists() and not path.exists():
        move_into(moved, path)
    folder_remove(video_id)


@transaction.atomic
def _join_existing(video_id: UUID, path: Path, original_name: str, source: str, tags: list[str]) -> Video:
    video = Video.objects.select_for_update().get(id=video_id)
    stored = bool(video.path) and Path(video.path).is_file()
    if source == Video.Source.UPLOAD:
        if stored:
            path.unlink(missing_ok=True)
        else:
            target = original_path(video.id, original_name)
            move_into(path, target)
            _path_set(video, target, Video.Source.UPLOAD)
    elif not stored:
        _path_set(video, path, Video.Source.IMPORT)
    _tags_add(video, tags)
    if video.state == Video.State.FAILED:
        _ingest_again(video)
    return video


def _path_set(video: Video, path: Path, source: str) -> None:
    video.path, video.source = str(path), source
    video.save(update_fields=["path", "source", "updated_at"])


def _ingest_again(video: Video) -> None:
    """Queue a failed video again: its own failed job if there is one, so that its history stays in one row."""
    job = Job.objects.filter(kind=JobKind.INGEST, subject_id=video.id).order_by("-created_at").first()
    if job is not None and job.active:
        return
    if job is not None and job.state in {Job.State.FAILED, Job.State.CANCELLED}:
        job_retry(job_id=job.id)
    else:
        video_reset(video_id=video.id)
        enqueue(kind=JobKind.INGEST, subject_id=video.id, title=video.title)
    video.refresh_from_db()


def video_retry(*, video_id: UUID) -> Video:
    """Index a failed video again; Conflict when it did not fail or its file is gone."""
    with transaction.atomic():
        video = _locked(video_id)
        if video.state != Video.State.FAILED:
            raise Conflict(f"Only failed videos can be tried again; this one is {video.get_state_display()}.")
        _file_needed(video)
        _ingest_again(video)
        return video


def video_cancel(*, video_id: UUID) -> Video:
    """Stop indexing; the video ends as failed with the reason "cancelled". Conflict when nothing is going on."""
    _existing(video_id)
    jobs = Job.objects.filter(
        subject_id=video_id,
        kind=JobKind.INGEST,
        state__in=[Job.State.QUEUED, Job.State.RUNNING],
    )
    job_id = jobs.values_list("id", flat=True).first()
    if job_id is None:
        raise Conflict("This video is not being indexed; there is nothing to cancel.")
    job_cancel(job_id=job_id)
    return _existing(video_id)


def video_delete(*, video_id: UUID) -> None:
    """Remove the video, all that was derived from it and its uploaded file. An imported file stays in place."""
    with transaction.atomic():
        jobs_drop(subject_id=video_id)
        _locked(video_id).delete()
        transaction.on_commit(partial(folder_remove, video_id))


@transaction.atomic
def video_update(
    *,
    video_id: UUID,
    title: str | None = None,
    description: str | None = None,
    tags: Iterable[str] | None = None,
) -> Video:
    """Change what is not None. Titles and descriptions are searched, so their text segments change along."""
    video = _locked(video_id)
    if title is not None:
        video.title = title.strip()
        if not video.title:
            raise InvalidInput("The title cannot be empty.", field="title")
        if len(video.title) > TITLE_LENGTH:
            raise InvalidInput(f"The title may have at most {TITLE_LENGTH} characters.", field="title")
    if description is not None:
        video.description = description.strip()
        if len(video.description) > DESCRIPTION_LENGTH:
            raise InvalidInput(
                f"The description may have at most {DESCRIPTION_LENGTH:,} characters.",
                field="description",
            )
    video.save(update_fields=["title", "description", "updated_at"])
    if title is not None or description is not None:
        _text_segments_write(video)
    if tags is not None:
        names = tags_clean(tags)
        video.tags.clear()
        _tags_add(video, names)
    return video


def video_reset(*, video_id: UUID) -> None:
    """Back to "waiting", for a job that is queued again; Conflict when the file is gone."""
    video = _existing(video_id)
    _file_needed(video)
    if video.state == Video.State.FAILED:
        Video.objects.filter(id=video_id).update(state=Video.State.UPLOADED, failure="", failure_code="")


def ingest_cancelled(job: Job) -> None:
    """Hook of apps.core.services: an ingest was cancelled before a worker took it."""
    if job.subject_id is not None:
        video_mark_failed(video_id=job.subject_id, code="cancelled", message=CANCELLED)


def ingest_retried(job: Job) -> None:
    """Hook of apps.core.services: a failed ingest is queued again."""
    if job.subject_id is not None:
        video_reset(video_id=job.subject_id)


def title_from(title: str | None, original_name: str) -> str:
    """The given title, or the file's name made readable: "beach_day.mp4" -> "beach day"."""
    chosen = (title or "").strip() or PurePath(original_name).stem.replace("_", " ").strip()
    return (chosen or "untitled")[:TITLE_LENGTH]


def tags_clean(tags: Iterable[str]) -> list[str]:
    """Stripped, lower case, each once, in order; InvalidInput for too long or too many."""
    names = list(dict.fromkeys(name for tag in tags if (name := " ".join(tag.split()).lower())))
    if len(names) > TAGS_A_VIDEO:
        raise InvalidInput(f"A video may have at most {TAGS_A_VIDEO} tags.", field="tags")
    for name in names:
        if len(name) > TAG_LENGTH:
            raise InvalidInput(f"A tag may have at most {TAG_LENGTH} characters.", field="tags")
    return names


def _tags_add(video: Video, names: list[str]) -> None:
    if names:
        Tag.objects.bulk_create([Tag(name=name) for name in names], ignore_conflicts=True)
        video.tags.add(*Tag.objects.filter(name__in=names))


def _text_segments_write(video: Video) -> None:
    whole = {
        TextSegment.Source.TITLE: video.title,
        TextSegment.Source.DESCRIPTION: video.description,
    }
    TextSegment.objects.filter(video=video, source__in=whole).delete()
    TextSegment.objects.bulk_create(
        TextSegment(
            video=video,
            source=source,
            start=0.0,
            end=video.duration_seconds or 0.0,
            text=text,
        )
        for source, text in whole.items()
        if text
    )


def _file_needed(video: Video) -> None:
    if video.path and Path(video.path).is_file():
        return
    if video.source == Video.Source.UPLOAD or is_managed(video.path):
        raise Conflict("The file was not kept because it cannot be used as it is. Upload a repaired copy instead.")
    raise Conflict(f"The file is not at {video.path or 'its old place'} any more. Put it back or import it again.")


def _existing(video_id: UUID) -> Video:
    video = Video.objects.filter(id=video_id).first()
    if video is None:
        raise NotFound("There is no such video. It may have been deleted.")
    return video


def _locked(video_id: UUID) -> Video:
    video = Video.objects.select_for_update().filter(id=video_id).first()
    if video is None:
        raise NotFound("There is no such video. It may have been deleted.")
    return video
