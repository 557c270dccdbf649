"""Where does this video exist already: fingerprint a file and match it. Nothing of it enters the index."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from django.db import transaction

from apps.core.exceptions import InvalidInput
from apps.duplicates.groups.matches import FoundMatch
from apps.duplicates.job_kinds import LOOKUP
from apps.duplicates.lookups import notes
from apps.duplicates.lookups.states import lookup_mark_done, lookup_mark_progress
from apps.duplicates.models import Lookup
from apps.duplicates.pictures.similarity import Drawn
from apps.embeddings.models import ModelVersion
from apps.videos.models import Video
from apps.videos.storage import file_sha256
from worker.alignment.cutting import cut
from worker.embedders.base import EmbedderError
from worker.library.lookups import MATCH_FROM, MATCHING, PROBING, OnStage, asking_spacing, describe, is_still
from worker.library.matching import LibraryMatch, find_matches, same_file
from worker.library.vectors import copy_embedder
from worker.media.errors import MediaError
from worker.tasks.matching import copy_version, found_match, gallery
from worker.tasks.pictures import draw_matches
from worker.tasks.running import JobFailed, RunningJob, model_failed, task
from worker.types import Descriptors

SHORT_SECONDS = 2.0
LONG_SPACING_SECONDS = 3.0  # between frames that propose candidates, of which a copied span needs two


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
    library = gallery(version)
    same = Video.objects.filter(sha256=sha256).exclude(state=Video.State.FAILED).first()
    query = library.descriptors(same) if same is not None and same.state == Video.State.READY else None
    begins, inside = 0.5, 0.6
    if query is None:
        query = describe(path, copy_embedder(version), on_stage=on_stage, cancelled=cancelled)
        begins, inside = MATCH_FROM, 0.9
    on_stage(MATCHING, begins)
    exclude = [same.id] if same is not None else []
    found = find_matches(query, library, exclude=exclude, check=lambda: on_stage(MATCHING, inside))
    if same is not None:
        found = [same_file(same, query.duration), *found]
    drawn = draw_matches(query, found, library) if pictures else []
    return LookupResult(sha256, query.duration, [found_match(m) for m in found], note_of(query, found), drawn)


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
    library = gallery(version)
    whole = library.descriptors(video)
    if whole is None:
        raise JobFailed("not_indexed", "This video has no fingerprints of the current model yet. Try again later.")
    query, start = (cut(whole, *span), span[0]) if span is not None else (whole, 0.0)
    found = []
    if len(query.times):
        on_stage(MATCHING, 0.5)
        found = find_matches(query, library, exclude=[video.id], check=lambda: on_stage(MATCHING, 0.6))
    drawn = draw_matches(query, found, library, start) if pictures else []
    matches = [found_match(match.shifted(start)) for match in found]
    return LookupResult(video.sha256, whole.duration, matches, note_of(query, found, alone=True), drawn)


def note_of(query: Descriptors, found: Sequence[LibraryMatch], *, alone: bool = False) -> str:
    """Why the answer is weak, if it is. ``alone``: the query is a video of the library itself."""
    if not found and not _others(1 if alone else 0):
        return notes.LIBRARY_ALONE if alone else notes.LIBRARY_EMPTY
    if not query.informative.any():
        return notes.NOTHING_TO_SEE
    if query.duration < SHORT_SECONDS:
        return notes.SHORT
    if is_still(query):
        return notes.STILL
    return notes.LONG if asking_spacing(query) > LONG_SPACING_SECONDS else ""


def _others(beside: int) -> bool:
    """Whether more than ``beside`` videos of the library can be compared with."""
    return Video.objects.filter(state=Video.State.READY)[: beside + 1].count() > beside


@task(LOOKUP)
def lookup(job: RunningJob) -> None:
    lookup = Lookup.objects.filter(id=job.subject).select_related("video").first()
    if lookup is None or lookup.state == Lookup.State.DONE:
        return  # expired or deleted meanwhile, or a second message for work that is done
    version = copy_version()
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
        raise model_failed(error) from error
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
