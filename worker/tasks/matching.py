"""The matches of a new video, and of every video in a scan of the library; groups follow."""

from __future__ import annotations

import time
from collections.abc import Callable
from uuid import UUID

from django.db import transaction

from apps.core.models import Job
from apps.duplicates.groups.matches import FoundMatch, matches_prune, matches_replace
from apps.duplicates.groups.rebuild import groups_rebuild
from apps.duplicates.job_kinds import MATCH, SCAN
from apps.duplicates.models import VideoMatch
from apps.duplicates.review.decisions import verdicts_carry_over
from apps.embeddings.models import ModelVersion
from apps.embeddings.selectors import model_version_serving
from apps.embeddings.vector_index import PgVectorIndex
from apps.videos.models import Video
from worker.library.matching import LIBRARY_MIN_SCORE, Gallery, LibraryMatch, find_matches
from worker.tasks.running import JobContinues, JobFailed, RunningJob, task

SLICE_SECONDS = 60.0


def gallery(version: ModelVersion) -> Gallery:
    """The ready videos of the library with the vectors of ``version``."""
    ready = Video.objects.filter(state=Video.State.READY)
    return Gallery(PgVectorIndex(), version, lambda ids: ready.filter(id__in=ids).in_bulk())


def copy_version() -> ModelVersion:
    """The copy model in use. Raises JobFailed when there is none."""
    version = model_version_serving(ModelVersion.Role.COPY)
    if version is None:
        raise JobFailed("model", "No copy model is ready yet. Run `manage.py prepare`, then try again.")
    return version


def found_match(match: LibraryMatch) -> FoundMatch:
    """As apps.duplicates stores it."""
    verdict = match.verdict
    return FoundMatch(
        video_id=match.video.id,
        relation=verdict.relation,
        score=verdict.score,
        query_coverage=verdict.query_coverage,
        reference_coverage=verdict.reference_coverage,
        mirrored=verdict.mirrored,
        segments=match.segments,
    )


def match_video(video: Video, version: ModelVersion, *, check: Callable[[], None] = lambda: None) -> list[LibraryMatch]:
    """All matches of a library video; those that are known are aligned again."""
    library = gallery(version)
    query = library.descriptors(video)
    if query is None:
        return []
    known = _partners(video, version)
    return find_matches(query, library, exclude={video.id}, also=known, check=check, min_score=LIBRARY_MIN_SCORE)


def _partners(video: Video, version: ModelVersion) -> list[UUID]:
    known = VideoMatch.objects.filter(model_version=version)
    return [
        *known.filter(a=video).values_list("b_id", flat=True),
        *known.filter(b=video).values_list("a_id", flat=True),
    ]


def _match_and_store(job: RunningJob, video: Video, version: ModelVersion) -> bool:
    """Whether anything is or was known about the video, so that groups may have to change."""
    had = bool(_partners(video, version))
    found = [found_match(match) for match in match_video(video, version, check=job.check)]
    with transaction.atomic():
        job.hold()
        stored = matches_replace(video_id=video.id, model_version_id=version.id, found=found)
    verdicts_carry_over(video=video)
    return had or bool(stored)


@task(MATCH)
def match(job: RunningJob) -> None:
    ready = Video.objects.filter(state=Video.State.READY)
    video = ready.filter(id=job.subject_id).first() if job.subject_id else None
    if video is None:
        return  # deleted meanwhile
    job.progress("matching", 0.05)
    if _match_and_store(job, video, copy_version()):
        job.progress("grouping", 0.9)
        groups_rebuild()


@task(SCAN)
def scan(job: RunningJob) -> None:
    """One slice of a scan; it continues after the last video that was done."""
    version, started = copy_version(), time.monotonic()
    state = job.arguments if job.arguments.get("version") == str(version.id) else {}
    videos = Video.objects.filter(state=Video.State.READY).order_by("id")
    total = max(videos.count(), 1)
    left = videos.filter(id__gt=state["after"]) if "after" in state else videos
    done = total - left.count()
    for video in list(left):
        job.progress("matching", min(0.98 * done / total, 0.98))
        _match_and_store(job, video, version)
        done += 1
        _remember(job, {"version": str(version.id), "after": str(video.id)})
        if time.monotonic() - started > SLICE_SECONDS:
            raise JobContinues(str(job.id))
    job.progress("grouping", 0.99)
    matches_prune(model_version_id=version.id)
    groups_rebuild()


def _remember(job: RunningJob, arguments: dict[str, str]) -> None:
    Job.objects.filter(id=job.id, fencing_token=job.token).update(arguments=arguments)
