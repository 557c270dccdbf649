"""Similarity pictures of matches: drawn with the answer of a lookup, and for two library videos when somebody asks."""

from __future__ import annotations

import io
from collections.abc import Sequence
from uuid import UUID

import numpy as np
from django.db import transaction
from PIL import Image

from apps.duplicates.groups.matches import FoundMatch
from apps.duplicates.job_kinds import PICTURE
from apps.duplicates.models import MatrixPicture
from apps.duplicates.pictures.similarity import Drawn, pair_picture_store
from apps.videos.models import Video
from worker.alignment import Descriptors
from worker.alignment.picture import similarity_picture
from worker.tasks.matching import stored_descriptors
from worker.tasks.running import JobFailed, RunningJob, task

LOOKUP_PICTURES = 10  # the best matches of an answer have one
NO_VECTORS = "One of the videos has no fingerprints of this model any more. Scan the library again."
# From nearly black over blue and green to light yellow: reads in grey as well, and without red against green.
ANCHORS = ((0, (12, 15, 20)), (90, (28, 52, 98)), (150, (24, 110, 122)), (210, (120, 186, 104)), (255, (252, 238, 140)))


def png_of(picture: np.ndarray) -> bytes:
    """(H, W) uint8 -> a PNG with a palette."""
    levels = [level for level, _ in ANCHORS]
    channels = [np.interp(np.arange(256), levels, [colour[c] for _, colour in ANCHORS]) for c in range(3)]
    image = Image.fromarray(picture, mode="P")
    image.putpalette(np.rint(np.stack(channels, axis=1)).astype(np.uint8).tobytes())
    target = io.BytesIO()
    image.save(target, format="PNG", optimize=True)
    return target.getvalue()


def draw(
    video_id: UUID, query: Descriptors, reference: Descriptors, looks: Sequence[str], query_start: float = 0.0
) -> Drawn:
    """``query_start``: what is added to the times of a query that is a span of its video."""
    png = png_of(similarity_picture(query, reference, looks=looks))
    return Drawn(video_id, png, query_start, query_start + query.duration, reference.duration)


def draw_matches(
    query: Descriptors, found: Sequence[FoundMatch], version_id: UUID, query_start: float = 0.0
) -> list[Drawn]:
    """Pictures of the best matches; library videos without vectors have none."""
    drawn = []
    videos = Video.objects.in_bulk([match.video_id for match in found[:LOOKUP_PICTURES]])
    for match in found[:LOOKUP_PICTURES]:
        video = videos.get(match.video_id)
        reference = stored_descriptors(video, version_id, asking=False) if video is not None else None
        if reference is not None:
            drawn.append(draw(match.video_id, query, reference, _looks(match), query_start))
    return drawn


def _looks(match: FoundMatch) -> list[str]:
    kinds = {segment.look for segment in match.segments}
    return sorted(kinds | ({"mirrored"} if match.mirrored else set()))


@task(PICTURE)
def picture(job: RunningJob) -> None:
    picture = MatrixPicture.objects.filter(id=job.subject).select_related("match__a", "match__b").first()
    if picture is None or picture.match is None or picture.png:
        return  # matched again meanwhile, or a second message for work that is done
    match = picture.match
    job.progress("drawing", 0.1)
    a = stored_descriptors(match.a, match.model_version_id)
    b = stored_descriptors(match.b, match.model_version_id, asking=False)
    if a is None or b is None:
        raise JobFailed("not_indexed", NO_VECTORS)
    looks = {*match.segments.values_list("look", flat=True), *(["mirrored"] if match.mirrored else [])}
    job.progress("drawing", 0.4)
    drawn = draw(match.b_id, a, b, sorted(looks))
    with transaction.atomic():
        job.hold()
        pair_picture_store(picture_id=picture.id, drawn=drawn)
