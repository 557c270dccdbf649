"""Where does this video exist already: fingerprint a file and match it. Nothing of it enters the index."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import UUID

import numpy as np
from django.db import transaction

from apps.core.exceptions import InvalidInput
from apps.duplicates.groups.matches import FoundMatch
from apps.duplicates.job_kinds import LOOKUP
from apps.duplicates.lookups import notes
from apps.duplicates.lookups.states import lookup_mark_done, lookup_mark_progress
from apps.duplicates.models import Lookup, Relation
from apps.duplicates.pictures.similarity import Drawn
from apps.embeddings.models import ModelVersion
from apps.embeddings.selectors import model_version_serving
from apps.videos.models import Video
from apps.videos.storage import file_sha256
from worker.alignment.cutting import cut
from worker.embedders.base import EmbedderError
from worker.indexing.fingerprints import fingerprint
from worker.media.errors import MediaError
from worker.tasks.matching import asking_rows, find_matches, stored_descriptors
from worker.tasks.pictures import draw_matches
from worker.tasks.running import JobFailed, RunningJob, task
from worker.tasks.vectors import copy_embedder
from worker.types import Descriptors, Segment

PROBING, FINGERPRINTING, MATCHING = "probing", "fingerprinting", "matching"
PROBE_SHARE, MATCH_FROM = 0.05, 0.85  # of the whole; fingerprinting lies between

SHORT_SECONDS = 2.0
LONG_SPACING_SECONDS = 3.0  # between frames that propose candidates, of which a copied span needs two
STILL_SIMILARITY = 0.985  # of every frame to the mean of all

OnStage = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class LookupResult:
    sha256: str
    duration_seconds: float
    found: list[FoundMatch]
    note: str = ""  # a code of apps.duplicates.lookups.notes
    pictures: list[Drawn] = field(default_factory=list)


def lookup_file(
    path: Path,
    version: ModelVersion,
    *,
    on_stage: OnStage = lambda stage, fraction: None,
    cancelled: Callable[[], bool] | None = None,
    pictures: bool = False,
) -> LookupResult:
    """Fingerprint the file and match it against the library; writes nothing.

    A file whose very content is in the library is known at once and not decoded. ``on_stage`` gets the stage and
    0..1 of the whole, and may raise to stop. ``pictures``: draw the similarity of the best matches too. Raises
    MediaError for a file that cannot be used, EmbedderError.
    """
    on_stage(PROBING, 0.0)
    if not path.is_file():
        raise MediaError("missing")
    try:
        sha256 = file_sha256(path)
    except InvalidInput as error:
        raise MediaError("missing", error.message) from error
    same = Video.objects.filter(sha256=sha256).exclude(state=Video.State.FAILED).first()
    if same is not None and same.state == Video.State.READY:
        query = stored_descriptors(same, version.id)
        if query is not None:
            found = [_exact(same.id, query.duration), *_match_stored(same, query, version, on_stage)]
            drawn = draw_matches(query, found, version.id) if pictures else []
            return LookupResult(sha256, query.duration, found, note_of(query, found), drawn)
    query = describe_file(path, version, on_stage=on_stage, cancelled=cancelled)
    on_stage(MATCHING, MATCH_FROM)
    exclude = [same.id] if same is not None else []
    found = find_matches(query, version.id, exclude=exclude, check=lambda: on_stage(MATCHING, 0.9))
    if same is not None:
        found = [_exact(same.id, query.duration), *found]
    drawn = draw_matches(query, found, version.id) if pictures else []
    return LookupResult(sha256, query.duration, found, note_of(query, found), drawn)


def lookup_video(
    video: Video,
    version: ModelVersion,
    *,
    span: tuple[float, float] | None = None,
    on_stage: OnStage = lambda stage, fraction: None,
    pictures: bool = False,
) -> LookupResult:
    """Other places of a library video, or of a span of it, from its stored vectors. Raises JobFailed without any.

    Coverage and relation are those of the span, its seconds are those of the video.
    """
    whole = stored_descriptors(video, version.id)
    if whole is None:
        raise JobFailed("not_indexed", "This video has no fingerprints of the current model yet. Try again later.")
    query, start = (cut(whole, *span), span[0]) if span is not None else (whole, 0.0)
    found = _match_stored(video, query, version, on_stage) if len(query.times) else []
    drawn = draw_matches(query, found, version.id, start) if pictures else []
    note = note_of(query, found, alone=True)
    return LookupResult(video.sha256, whole.duration, [_moved(match, start) for match in found], note, drawn)


def _moved(match: FoundMatch, seconds: float) -> FoundMatch:
    """The same match with the clock of the query set forward."""
    if not seconds:
        return match
    moved = [
        replace(s, query_start=s.query_start + seconds, query_end=s.query_end + seconds)
        for s in match.segments
        if isinstance(s, Segment)
    ]
    return replace(match, segments=moved)


def note_of(query: Descriptors, found: Sequence[FoundMatch], *, alone: bool = False) -> str:
    """Why the answer is weak, if it is. ``alone``: the query is a video of the library itself."""
    if not found and not _others(1 if alone else 0):
        return notes.LIBRARY_ALONE if alone else notes.LIBRARY_EMPTY
    if not query.informative.any():
        return notes.NOTHING_TO_SEE
    if query.duration < SHORT_SECONDS:
        return notes.SHORT
    if is_still(query):
        return notes.STILL
    asking = min(int(query.informative.sum()), asking_rows("whole", query.duration))  # frames that propose candidates
    return notes.LONG if query.duration / asking > LONG_SPACING_SECONDS else ""


def _others(beside: int) -> bool:
    """Whether more than ``beside`` videos of the library can be compared with."""
    return Video.objects.filter(state=Video.State.READY)[: beside + 1].count() > beside


def is_still(query: Descriptors) -> bool:
    """Whether every frame that may vote looks like their mean: a still image, or a camera before a still scene."""
    vectors = query.vectors[query.informative]
    if len(vectors) < 2:
        return False
    middle = vectors.mean(axis=0)
    return bool((vectors @ middle).min() >= STILL_SIMILARITY * max(float(np.linalg.norm(middle)), 1e-6))


def _match_stored(video: Video, query: Descriptors, version: ModelVersion, on_stage: OnStage) -> list[FoundMatch]:
    on_stage(MATCHING, 0.5)
    return find_matches(query, version.id, exclude=[video.id], check=lambda: on_stage(MATCHING, 0.6))


def _exact(video_id: UUID, duration: float) -> FoundMatch:
    whole = Segment(0.0, duration, 0.0, duration, 1.0, 1.0)
    return FoundMatch(video_id, Relation.EXACT, 1.0, 1.0, 1.0, False, [whole])


def describe_file(
    path: Path,
    version: ModelVersion,
    *,
    on_stage: OnStage = lambda stage, fraction: None,
    cancelled: Callable[[], bool] | None = None,
) -> Descriptors:
    """Decode once and describe every frame in all looks of a query. Raises MediaError."""
    span = MATCH_FROM - PROBE_SHARE
    return fingerprint(
        path,
        copy=copy_embedder(version),
        role="query",
        on_facts=lambda facts: on_stage(FINGERPRINTING, PROBE_SHARE),
        on_progress=lambda fraction: on_stage(FINGERPRINTING, PROBE_SHARE + span * fraction),
        cancelled=cancelled,
    )


@task(LOOKUP)
def lookup(job: RunningJob) -> None:
    lookup = Lookup.objects.filter(id=job.subject).select_related("video").first()
    if lookup is None or lookup.state == Lookup.State.DONE:
        return  # expired or deleted meanwhile, or a second message for work that is done
    version = model_version_serving(ModelVersion.Role.COPY)
    if version is None:
        raise JobFailed("model", "No copy model is ready yet. Run `manage.py prepare`, then try again.")
    shown = ("", -1)

    def on_stage(stage: str, fraction: float) -> None:
        nonlocal shown
        job.progress(stage, fraction)
        if (stage, round(50 * fraction)) != shown:  # every other per cent is enough for a page that polls
            shown = (stage, round(50 * fraction))
            lookup_mark_progress(lookup_id=lookup.id, stage=stage, percent=100 * fraction)

    try:
        if lookup.video is not None:
            span = _span(lookup)
            result = lookup_video(lookup.video, version, span=span, on_stage=on_stage, pictures=True)
        else:
            path = Path(lookup.path)
            result = lookup_file(path, version, on_stage=on_stage, cancelled=job.stopped, pictures=True)
    except MediaError as error:
        job.check()  # a cancel or a shutdown also ends the decoder
        raise JobFailed(error.code, error.message) from error
    except EmbedderError as error:
        raise JobFailed("model", str(error)) from error
    with transaction.atomic():
        job.hold()
        lookup_mark_done(
            lookup_id=lookup.id,
            sha256=result.sha256,
            duration_seconds=result.duration_seconds,
            found=result.found,
            note=result.note,
            pictures=result.pictures,
        )


def _span(lookup: Lookup) -> tuple[float, float] | None:
    if lookup.start_seconds is None or lookup.end_seconds is None:
        return None
    return lookup.start_seconds, lookup.end_seconds
