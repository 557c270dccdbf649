"""Identical files: the places of one content. Every path at which an import saw it, and the one that its video has.

Nothing here deletes a file. Space that could be freed counts files and not names: links to one file are one file, the
file that is played stays, and so does what lies in a protected folder.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db.models import BigIntegerField, Case, Count, F, Q, QuerySet, Subquery, Sum, Value, When
from django.db.models.expressions import Combinable, Exists, OuterRef
from django.db.models.functions import Coalesce, Greatest, NullIf
from django.utils import timezone

from apps.videos.identity import Identity, identity_of
from apps.videos.models import ImportedFile, Video
from apps.videos.paths import path_from, protected_folder
from apps.videos.presence import LOST, Place, file_place, folder_is_away


@dataclass(frozen=True, slots=True)
class FilePlace:
    """One path of a content, and what is there now."""

    path: str
    place: Place
    file_id: str  # of what is there; "" while nothing is
    is_played: bool = False  # the path that the video has: vsearch indexes and plays this one
    is_protected: bool = False  # lies in a protected folder: always kept
    is_link: bool = False  # the same file as one that is listed before it: it takes no space of its own

    @property
    def is_lost(self) -> bool:
        return self.place in LOST

    @property
    def is_here(self) -> bool:
        return self.place == Place.HERE


@dataclass(frozen=True, slots=True)
class Identical:
    """The places of a video's content: the one that is played first, then by path."""

    video: Video
    files: tuple[FilePlace, ...]

    @property
    def several(self) -> bool:
        return len(self.files) > 1

    @property
    def others(self) -> tuple[FilePlace, ...]:
        return tuple(file for file in self.files if not file.is_played)

    @property
    def spare_files(self) -> int:
        """Files that are there and that nothing needs: all but the protected ones, or but one."""
        here = {file.file_id for file in self.files if file.is_here}
        kept = {file.file_id for file in self.files if file.is_here and file.is_protected}
        return len(here) - max(len(kept), 1) if here else 0

    @property
    def spare_bytes(self) -> int:
        return self.spare_files * self.video.size_bytes

    def as_json(self) -> list[dict[str, object]]:
        return [
            {
                "path": file.path,
                "state": str(file.place),
                "played": file.is_played,
                "protected": file.is_protected,
                "same_file": file.is_link,
            }
            for file in self.files
        ]


def identical_files(videos: Sequence[Video]) -> dict[UUID, Identical]:
    """Every video has an answer, with its own path only when no other is known. One query, and one stat a path; what
    was found is stored."""
    rows: dict[str, list[ImportedFile]] = {}
    for row in ImportedFile.objects.filter(sha256__in=[video.sha256 for video in videos]).order_by("path"):
        rows.setdefault(row.sha256, []).append(row)
    found = {row.path: _look(row) for known in rows.values() for row in known}
    places_store([row for known in rows.values() for row in known], lambda row: found[row.path][0])
    return {video.id: _identical(video, rows.get(video.sha256, []), found) for video in videos}


def _identical(video: Video, rows: Sequence[ImportedFile], found: dict[str, tuple[Place, str]]) -> Identical:
    looked = [(row.path, *found[row.path]) for row in rows if row.path != video.path]
    if video.path:
        looked.insert(0, (video.path, *_look_for_played(video)))
    files: list[FilePlace] = []
    seen: set[str] = set()
    for path, place, file_id in looked:
        files.append(
            FilePlace(
                path=path,
                place=place,
                file_id=file_id,
                is_played=path == video.path,
                is_protected=bool(protected_folder(path, settings.PROTECTED_FOLDERS)),
                is_link=file_id in seen,
            )
        )
        seen.update({file_id} if file_id else ())
    return Identical(video, tuple(files))


def _look_for_played(video: Video) -> tuple[Place, str]:
    place, identity = file_place(video, read_up_to=0)
    if place == Place.HERE and identity is None:
        identity = _identity(video.path)
    return place, identity.file_id if place == Place.HERE and identity is not None else ""


def _look(row: ImportedFile) -> tuple[Place, str]:
    """By one stat: what was changed since an import read it counts as other content until the next import."""
    try:
        now = identity_of(path_from(row.path))
    except (FileNotFoundError, NotADirectoryError):
        return (Place.AWAY if folder_is_away(path_from(row.path), row.identity) else Place.MISSING), ""
    except OSError:
        return Place.AWAY, ""
    if now is None or not now.same_as(row.identity):
        return Place.REPLACED, ""
    return Place.HERE, now.file_id


def _identity(path: str) -> Identity | None:
    try:
        return identity_of(path_from(path))
    except OSError:
        return None


def places_check(rows: Collection[ImportedFile]) -> None:
    """Look for these paths, and store which of them are missing."""
    places_store(rows, lambda row: _look(row)[0])


def places_store(rows: Collection[ImportedFile], place_of: Callable[[ImportedFile], Place]) -> None:
    """A folder that cannot be reached says nothing about its files."""
    gone, back = [], []
    for row in rows:
        place = place_of(row)
        if place in LOST and row.missing_since is None:
            gone.append(row.pk)
        elif place == Place.HERE and row.missing_since is not None:
            back.append(row.pk)
    if gone:
        ImportedFile.objects.filter(pk__in=gone).update(missing_since=timezone.now())
    if back:
        ImportedFile.objects.filter(pk__in=back).update(missing_since=None)


@dataclass(frozen=True, slots=True)
class IdenticalTotals:
    videos: int
    spare_bytes: int


def identical_list() -> QuerySet[Video]:
    """Videos whose content was found at several paths when somebody looked last, with ``spare_bytes``; most first.

    No disk is read: ``identical_files`` says what is there now.
    """
    others = (
        ImportedFile.objects.filter(sha256=OuterRef("sha256"), missing_since=None)
        .exclude(path=OuterRef("path"))
        .order_by()
    )
    # A link to the file that is played is none of its own.
    files = others.exclude(~Q(file_id=""), file_id=OuterRef("file_id")).values("sha256")
    one = Coalesce(NullIf("file_id", Value("")), "path")
    count = files.annotate(count=Count(one, distinct=True)).values("count")
    kept = files.annotate(kept=Count(one, distinct=True, filter=_protected("path"))).values("kept")
    is_here = Q(missing_since=None) & ~Q(path="")
    present = _one_if(is_here) + Coalesce(Subquery(count), 0)
    protected = _one_if(is_here & _protected("path")) + Coalesce(Subquery(kept), 0)
    spare = Greatest(present - Greatest(protected, 1), 0) * F("size_bytes")
    videos = Video.objects.filter(Exists(others)).annotate(spare_bytes=spare)
    return videos.order_by("-spare_bytes", "title", "id")


def _one_if(condition: Q) -> Combinable:
    return Case(When(condition, then=Value(1)), default=Value(0), output_field=BigIntegerField())


def _protected(field: str) -> Q:
    condition = Q(pk__in=[])
    for folder in settings.PROTECTED_FOLDERS:
        condition |= Q(**{f"{field}__startswith": folder.rstrip("/") + "/"})
    return condition


def identical_totals() -> IdenticalTotals:
    counted = identical_list().aggregate(videos=Count("id"), spare=Sum("spare_bytes"))
    return IdenticalTotals(counted["videos"], counted["spare"] or 0)


IDENTICAL_COLUMNS = (
    "video", "title", "sha256", "size_bytes", "path", "state", "played", "protected", "same_file",
)  # fmt: skip
READ_TOGETHER = 200


def identical_all() -> Iterator[Identical]:
    """All of ``identical_list`` with what is on disk now."""
    listed = list(identical_list().values_list("id", flat=True))
    for start in range(0, len(listed), READ_TOGETHER):
        ids = listed[start : start + READ_TOGETHER]
        videos = Video.objects.in_bulk(ids)
        found = identical_files([videos[video_id] for video_id in ids if video_id in videos])
        yield from (identical for identical in found.values() if identical.several)


def identical_rows(identical: Identical) -> Iterator[dict[str, object]]:
    """One row a file, of ``IDENTICAL_COLUMNS``."""
    video = identical.video
    about = {"video": str(video.id), "title": video.title, "sha256": video.sha256, "size_bytes": video.size_bytes}
    for file in identical.as_json():
        yield {**about, **file}
