"""Similarity pictures of matches: drawn with the answer of a lookup, and for two library videos when somebody asks."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction

from apps.duplicates.job_kinds import PICTURE
from apps.duplicates.models import MatrixPicture
from apps.duplicates.pictures.similarity import Drawn, pair_picture_store
from worker.library.matching import Gallery, LibraryMatch
from worker.library.pictures import similarity_png
from worker.tasks.matching import gallery
from worker.tasks.running import JobFailed, RunningJob, task
from worker.types import Descriptors

LOOKUP_PICTURES = 10  # the best matches of an answer have one
NO_VECTORS = "One of the videos no longer has fingerprints of this model. Scan the library again."


def draw(
    video_id: UUID, query: Descriptors, reference: Descriptors, looks: Sequence[str], query_start: float = 0.0
) -> Drawn:
    """``query_start``: what is added to the times of a query that is a span of its video."""
    png = similarity_png(query, reference, looks)
    return Drawn(video_id, png, query_start, query_start + query.duration, reference.duration)


def draw_matches(
    query: Descriptors, found: Sequence[LibraryMatch], library: Gallery, query_start: float = 0.0
) -> list[Drawn]:
    """Pictures of the best matches; library videos without vectors have none."""
    drawn = []
    for match in found[:LOOKUP_PICTURES]:
        reference = library.descriptors(match.video, asking=False)
        if reference is not None:
            drawn.append(draw(match.video.id, query, reference, match.looks, query_start))
    return drawn


@task(PICTURE)
def picture(job: RunningJob) -> None:
    picture = (
        MatrixPicture.objects.filter(id=job.subject)
        .select_related("match__a", "match__b", "match__model_version")
        .first()
    )
    if picture is None or picture.match is None or picture.png:
        return  # matched again meanwhile, or a second message for work that is done
    match = picture.match
    job.progress("drawing", 0.1)
    library = gallery(match.model_version)
    a, b = library.descriptors(match.a), library.descriptors(match.b, asking=False)
    if a is None or b is None:
        raise JobFailed("not_indexed", NO_VECTORS)
    looks = {*match.segments.values_list("look", flat=True), *(["mirrored"] if match.mirrored else [])}
    job.progress("drawing", 0.4)
    drawn = draw(match.b_id, a, b, sorted(looks))
    with transaction.atomic():
        job.hold()
        pair_picture_store(picture_id=picture.id, drawn=drawn)
