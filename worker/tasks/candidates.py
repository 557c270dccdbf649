"""A candidate beside the active version: index the library, verify, evaluate both, write the report. Never a switch.

Indexing lets live traffic pass: before every video it waits while videos come in or people look something up. What is
left to do is read from the database, so a killed or paused job continues where it was.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from django.db import transaction

from apps.core.exceptions import Unavailable
from apps.core.models import Job
from apps.duplicates.job_kinds import LOOKUP
from apps.embeddings.models import ClipEmbedding, ModelVersion
from apps.embeddings.selectors import model_version_serving
from apps.embeddings.text_encoder import encode_query
from apps.embeddings.vector_index import PgVectorIndex
from apps.training.job_kinds import CANDIDATE, candidate_idle
from apps.training.models import TrainingRun
from apps.training.promotion.reports import Comparison, report_write
from apps.training.runs.lifecycle import candidate_mark_building
from apps.videos.job_kinds import INGEST
from apps.videos.models import Video
from worker.library.canaries import PROBES, Canary, canary, index_canary, text_canary, words_canary
from worker.tasks.library_index import SLICE_SECONDS, index_library, videos_waiting
from worker.tasks.running import JobContinues, JobFailed, JobInterrupted, RunningJob, model_failed, task

if TYPE_CHECKING:
    from worker.embedders.base import Embedder

INDEX_SHARE, MEASURE_SHARE = 0.6, 0.97  # of the job's progress
LIVE = (INGEST.name, LOOKUP.name)
POLL_SECONDS = 1.0
CANARY_VIDEOS = 10


def live_traffic() -> bool:
    """Whether videos are being added or looked up: people wait for that, nobody waits for a candidate."""
    active = [Job.State.QUEUED, Job.State.RUNNING]
    return Job.objects.filter(kind__in=LIVE, state__in=active).exists()


def let_pass(job: RunningJob) -> None:
    """Return once there is no live traffic; JobContinues after a slice, so that a training run gets its turn."""
    started = time.monotonic()
    while live_traffic():
        job.check()
        Job.objects.filter(id=job.id, fencing_token=job.token).update(stage="waiting", seconds_left=None)
        if time.monotonic() - started > SLICE_SECONDS:
            raise JobContinues(str(job.id))
        time.sleep(POLL_SECONDS)


@task(CANDIDATE)
def candidate(job: RunningJob) -> None:
    training = TrainingRun.objects.filter(id=job.subject).select_related("dataset", "candidate").first()
    if training is None or training.candidate is None:
        return  # deleted meanwhile
    candidate = training.candidate
    active = model_version_serving(ModelVersion.Role.SEMANTIC)
    if active == candidate:
        raise JobFailed("serving", "This version is active already; there is nothing to compare it with.")
    from worker.embedders.base import EmbedderError
    from worker.library.vectors import semantic_embedder
    from worker.training.errors import Interrupted

    candidate_mark_building(run_id=training.id)
    candidate.refresh_from_db()
    try:
        index_library(job, candidate, shares=(0.0, INDEX_SHARE), before_each=lambda: let_pass(job))
        if videos_waiting(candidate):
            raise JobContinues(str(job.id))  # some came while others were indexed
        job.progress("verifying", INDEX_SHARE)
        embedder = semantic_embedder(candidate)
        library = library_counts(candidate, active)
        checks = canaries(candidate, embedder)
        serving = semantic_embedder(active) if active is not None else None
        comparison = _compared(job, training, candidate, active, embedder, serving)
    except EmbedderError as error:
        raise model_failed(error) from error
    except Interrupted as error:
        job.check()
        raise JobInterrupted(str(job.id)) from error
    with transaction.atomic():
        job.hold()
        report_write(
            run=training, candidate=candidate, active=active, comparison=comparison, library=library, canaries=checks
        )
        candidate_idle(training.id)


def library_counts(candidate: ModelVersion, active: ModelVersion | None) -> dict[str, Any]:
    """How many ready videos each version finds, and which share of the active one's the candidate does."""
    ready = Video.objects.filter(state=Video.State.READY)

    def found(version: ModelVersion | None) -> set[Any]:
        if version is None:
            return set()
        clips = ClipEmbedding.objects.filter(model_version=version, video__state=Video.State.READY)
        return set(clips.order_by().values_list("video_id", flat=True).distinct())

    of_candidate, of_active = found(candidate), found(active)
    wanted = of_active or set(ready.values_list("id", flat=True))
    return {
        "ready": ready.count(),
        "candidate": len(of_candidate),
        "active": len(of_active),
        "coverage": len(wanted & of_candidate) / len(wanted) if wanted else 1.0,
        "unreadable": dict(list(candidate.details.get("unreadable", {}).items())[:50]),
    }


def canaries(version: ModelVersion, embedder: Embedder) -> list[Canary]:
    """That the index and the text tower of the version answer as they must, before anybody relies on them."""
    clips = ClipEmbedding.objects.filter(model_version=version, video__state=Video.State.READY).order_by("video_id")
    videos = list(clips.values_list("video_id", flat=True).distinct()[:CANARY_VIDEOS])
    index = index_canary(PgVectorIndex(), version.id, videos)
    try:
        vectors = encode_query(version, PROBES)
    except Unavailable as error:
        return [canary("text tower", error.message), index, canary("words", error.message)]
    return [text_canary(vectors, embedder.encode_text(PROBES)), index, words_canary(vectors)]


def _compared(
    job: RunningJob,
    training: TrainingRun,
    candidate: ModelVersion,
    active: ModelVersion | None,
    embedder: Embedder,
    serving: Embedder | None,
) -> Comparison:
    """Both versions on the held-out part and on the guard set; nothing is measured while no version is active."""
    if active is None or serving is None:
        return Comparison()
    from worker.tasks.measuring import measure

    def progress(fraction: float) -> None:
        job.progress("evaluating", INDEX_SHARE + (MEASURE_SHARE - INDEX_SHARE) * fraction)

    return measure(
        training,
        (candidate, embedder),
        (active, serving),
        progress=progress,
        stopped=job.stopped,
    )
