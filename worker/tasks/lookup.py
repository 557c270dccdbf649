"""Where does this video exist already: fingerprint a file and match it. Nothing of it enters the index."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import numpy as np
from django.db import transaction

from apps.core.exceptions import InvalidInput
from apps.duplicates.models import Lookup, Relation
from apps.duplicates.services import FoundMatch, lookup_mark_done, lookup_mark_failed, lookup_mark_progress
from apps.embeddings.models import ModelVersion
from apps.embeddings.selectors import model_version_serving
from apps.videos.models import Video
from apps.videos.storage import file_sha256
from vsearch.celery import app
from worker.alignment import Descriptors
from worker.embedders.base import EmbedderError
from worker.indexing import index_video
from worker.media.errors import MediaError
from worker.tasks.matching import find_matches, stored_descriptors
from worker.tasks.running import JobFailed, JobLost, RunningJob, run
from worker.tasks.vectors import copy_embedder
from worker.types import Segment

PROBING, FINGERPRINTING, MATCHING = "probing", "fingerprinting", "matching"
PROBE_SHARE, MATCH_FROM = 0.05, 0.85  # of the whole; fingerprinting lies between

OnStage = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class LookupResult:
    sha256: str
    duration_seconds: float
    found: list[FoundMatch]


def lookup_file(
    path: Path,
    version: ModelVersion,
    *,
    on_stage: OnStage = lambda stage, fraction: None,
    cancelled: Callable[[], bool] | None = None,
) -> LookupResult:
    """Fingerprint the file and match it against the library; writes nothing.

    A file whose very content is in the library is known at once and not decoded. ``on_stage`` gets the stage and
    0..1 of the whole, and may raise to stop. Raises MediaError for a file that cannot be used, EmbedderError.
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
            found = _match_stored(same, query, version, on_stage)
            return LookupResult(sha256, query.duration, [_exact(same.id, query.duration), *found])
    query = describe_file(path, version, on_stage=on_stage, cancelled=cancelled)
    on_stage(MATCHING, MATCH_FROM)
    exclude = [same.id] if same is not None else []
    found = find_matches(query, version.id, exclude=exclude, check=lambda: on_stage(MATCHING, 0.9))
    exact = [_exact(same.id, query.duration)] if same is not None else []
    return LookupResult(sha256, query.duration, [*exact, *found])


def lookup_video(
    video: Video, version: ModelVersion, *, on_stage: OnStage = lambda stage, fraction: None
) -> LookupResult:
    """Other places of a library video, from its stored vectors. Raises JobFailed when it has none."""
    query = stored_descriptors(video, version.id)
    if query is None:
        raise JobFailed("not_indexed", "This video has no fingerprints of the current model yet. Try again later.")
    return LookupResult(video.sha256, query.duration, _match_stored(video, query, version, on_stage))


def _match_stored(video: Video, query: Descriptors, version: ModelVersion, on_stage: OnStage) -> list[FoundMatch]:
    on_stage(MATCHING, 0.5)
    return find_matches(query, version.id, exclude=[video.id], check=lambda: on_stage(MATCHING, 0.6))


def _exact(video_id: UUID, duration: float) -> FoundMatch:
    whole = Segment(0.0, duration, 0.0, duration, 1.0)
    return FoundMatch(video_id, Relation.EXACT, 1.0, 1.0, 1.0, False, [whole])


def describe_file(
    path: Path,
    version: ModelVersion,
    *,
    on_stage: OnStage = lambda stage, fraction: None,
    cancelled: Callable[[], bool] | None = None,
) -> Descriptors:
    """Decode once; plain and mirrored descriptors and the mask of informative frames. Raises MediaError."""
    span = MATCH_FROM - PROBE_SHARE
    result = index_video(
        path,
        semantic=None,
        copy=copy_embedder(version),
        folder=None,
        on_facts=lambda facts: on_stage(FINGERPRINTING, PROBE_SHARE),
        on_progress=lambda fraction: on_stage(FINGERPRINTING, PROBE_SHARE + span * fraction),
        cancelled=cancelled,
    )
    return Descriptors(
        vectors=np.stack(result.copies),
        times=np.asarray(result.times, dtype=np.float64),
        informative=np.asarray(result.informative, dtype=np.bool_),
        duration=result.duration,
        mirrored_vectors=np.stack(result.mirrored),
    )


def _lookup(job: RunningJob) -> None:
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
            result = lookup_video(lookup.video, version, on_stage=on_stage)
        else:
            result = lookup_file(Path(lookup.path), version, on_stage=on_stage, cancelled=job.stopped)
    except MediaError as error:
        job.check()  # a cancel or a shutdown also ends the decoder
        raise JobFailed(error.code, error.message) from error
    except EmbedderError as error:
        raise JobFailed("model", str(error)) from error
    with transaction.atomic():
        job.hold()
        lookup_mark_done(
            lookup_id=lookup.id, sha256=result.sha256, duration_seconds=result.duration_seconds, found=result.found
        )


def _failed(job: RunningJob, code: str, message: str) -> None:
    with transaction.atomic():
        try:
            job.hold()
        except JobLost:
            return
        if job.subject_id is not None:
            lookup_mark_failed(lookup_id=job.subject_id, code=code, message=message)


def _cancelled(job: RunningJob) -> None:
    _failed(job, "cancelled", "This lookup was cancelled. Ask again whenever you like.")


@app.task(name="worker.lookup")
def lookup(job_id: str) -> None:
    run(job_id, _lookup, on_failure=_failed, on_cancel=_cancelled)
