"""Similarity pictures: asking for one, storing what a worker drew, and how far it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from uuid import UUID

from django.db import transaction

from apps.core.exceptions import NotFound
from apps.core.jobs import enqueue
from apps.core.models import Job
from apps.core.selectors import job_latest
from apps.duplicates.job_kinds import PICTURE
from apps.duplicates.models import MatrixPicture, VideoMatch

FAILED = "The picture could not be drawn. Try again."


@dataclass(frozen=True, slots=True)
class Drawn:
    """A picture with the seconds at its edges: the query or ``a`` across, the library video or ``b`` down."""

    video_id: UUID
    png: bytes
    across_start: float
    across_end: float
    down_end: float


def lookup_pictures_store(*, lookup_id: UUID, pictures: Sequence[Drawn]) -> None:
    """Those of an answer, in the transaction that writes it."""
    MatrixPicture.objects.filter(lookup_id=lookup_id).delete()
    MatrixPicture.objects.bulk_create(MatrixPicture(lookup_id=lookup_id, **asdict(picture)) for picture in pictures)


def pair_picture_ask(*, match_id: UUID) -> MatrixPicture:
    """The picture of two library videos; a job draws it unless it is there or on its way. Raises NotFound."""
    with transaction.atomic():
        # The row of the match is the lock: two who ask at once get one picture.
        match = VideoMatch.objects.select_for_update().filter(id=match_id).first()
        if match is None:
            raise NotFound("This pair was matched again in the meantime. Open its group again.")
        picture, _ = MatrixPicture.objects.get_or_create(match=match)
        job = picture_job(picture)
        if not picture.png and (job is None or not job.active):
            enqueue(kind=PICTURE, subject_id=picture.id, title=str(match)[:200])
    return picture


def pair_picture_store(*, picture_id: UUID, drawn: Drawn) -> None:
    MatrixPicture.objects.filter(id=picture_id).update(
        png=drawn.png, across_start=drawn.across_start, across_end=drawn.across_end, down_end=drawn.down_end
    )


def picture_job(picture: MatrixPicture) -> Job | None:
    """The latest job that draws it."""
    return job_latest(kind=PICTURE, subject_id=picture.id)


def lookup_picture_get(*, lookup_id: UUID, video_id: UUID) -> MatrixPicture:
    picture = MatrixPicture.objects.filter(lookup_id=lookup_id, video_id=video_id).first()
    if picture is None:
        raise NotFound("There is no similarity picture of this match.")
    return picture


def pair_picture_get(*, match_id: UUID) -> MatrixPicture | None:
    """The picture of a pair, drawn or not; None when nobody asked yet. Raises NotFound for a pair that is gone."""
    if not VideoMatch.objects.filter(id=match_id).exists():
        raise NotFound("This pair was matched again in the meantime. Open its group again.")
    return MatrixPicture.objects.filter(match_id=match_id).first()
