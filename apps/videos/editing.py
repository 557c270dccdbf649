"""What people change about a video: title, description, tags, and whether it stays."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from uuid import UUID

from django.db import transaction

from apps.core.exceptions import InvalidInput
from apps.core.jobs import jobs_drop
from apps.core.plain import lines, one_line
from apps.videos.languages import language_detected
from apps.videos.models import ImportedFile, Tag, TextSegment, Video
from apps.videos.paths import path_from, readable_name
from apps.videos.selectors import video_get
from apps.videos.storage import folder_remove

TITLE_LENGTH = 300
DESCRIPTION_LENGTH = 20_000
TAG_LENGTH = 64
TAGS_A_VIDEO = 50
NAMES_A_VIDEO = 50  # of identical files


@transaction.atomic
def video_update(
    *,
    video_id: UUID,
    title: str | None = None,
    description: str | None = None,
    tags: Iterable[str] | None = None,
) -> Video:
    """Change what is not None. Titles and descriptions are searched, so their text segments change along."""
    video = video_get(video_id=video_id, locked=True)
    if title is not None:
        video.title = one_line(title)
        if not video.title:
            raise InvalidInput("The title cannot be empty.", field="title")
        if len(video.title) > TITLE_LENGTH:
            raise InvalidInput(f"The title can have at most {TITLE_LENGTH} characters.", field="title")
    if description is not None:
        video.description = lines(description)
        if len(video.description) > DESCRIPTION_LENGTH:
            raise InvalidInput(
                f"The description can have at most {DESCRIPTION_LENGTH:,} characters.",
                field="description",
            )
    video.save(update_fields=["title", "description", "updated_at"])
    if title is not None or description is not None:
        text_segments_write(video)
    if tags is not None:
        names = tags_clean(tags)
        video.tags.clear()
        tags_add(video, names)
    return video


def video_delete(*, video_id: UUID) -> None:
    """Remove the video, all that was derived from it and its uploaded file. An imported file stays in place."""
    with transaction.atomic():
        jobs_drop(subject_id=video_id)
        video_get(video_id=video_id, locked=True).delete()
        transaction.on_commit(partial(folder_remove, video_id))


def tags_clean(tags: Iterable[str]) -> list[str]:
    """Stripped, lower case, each once, in order; InvalidInput for too long or too many."""
    names = list(dict.fromkeys(name for tag in tags if (name := " ".join(one_line(tag).split()).lower())))
    if len(names) > TAGS_A_VIDEO:
        raise InvalidInput(f"A video can have at most {TAGS_A_VIDEO} tags.", field="tags")
    for name in names:
        if len(name) > TAG_LENGTH:
            raise InvalidInput(f"A tag can have at most {TAG_LENGTH} characters.", field="tags")
    return names


def tags_add(video: Video, names: list[str]) -> None:
    if names:
        Tag.objects.bulk_create([Tag(name=name) for name in names], ignore_conflicts=True)
        video.tags.add(*Tag.objects.filter(name__in=names))


def text_segments_write(video: Video) -> None:
    """Title, description, and the name of every file that has the content."""
    texts = [
        (TextSegment.Source.TITLE, video.title),
        (TextSegment.Source.DESCRIPTION, video.description),
        *((TextSegment.Source.NAME, name) for name in file_names(video)),
    ]
    TextSegment.objects.filter(video=video).exclude(source=TextSegment.Source.SUBTITLE).delete()
    TextSegment.objects.bulk_create(
        TextSegment(
            video=video,
            source=source,
            start=0.0,
            end=video.duration_seconds or 0.0,
            text=text,
            language=language_detected(text) if source != TextSegment.Source.NAME else "",
        )
        for source, text in texts
        if text
    )


def file_names(video: Video) -> list[str]:
    """Readable, each once; that of the file which is played comes first."""
    places = ImportedFile.objects.filter(sha256=video.sha256, missing_since=None).order_by("path")
    others = [readable_name(path_from(path).name) for path in places.values_list("path", flat=True)]
    return list(dict.fromkeys([video.original_name, *others]))[:NAMES_A_VIDEO]
