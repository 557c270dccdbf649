"""Every video against the library: nearest frames propose, alignment decides, groups follow.

``find_matches`` serves the lookup of a file, the match of a new video and the scan of the whole library.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from uuid import UUID

import numpy as np
from django.db import transaction

from apps.core.models import Job
from apps.duplicates.models import VideoMatch
from apps.duplicates.services import FoundMatch, groups_rebuild, matches_prune, matches_replace
from apps.embeddings.models import ModelVersion
from apps.embeddings.rows import Hit
from apps.embeddings.selectors import model_version_serving
from apps.embeddings.vector_index import PgVectorIndex
from apps.videos.models import Video
from vsearch.celery import app
from worker.alignment import AlignedSegment, Descriptors, FrameHits, PairMatch, match_pair, swap_pair, vote_for_videos
from worker.tasks.running import JobContinues, JobFailed, RunningJob, run
from worker.tasks.vectors import mirrored_file
from worker.types import FloatArray

TOP_CANDIDATES = 25
FRAME_HITS = 1200  # about as many in all, shared out over the frames of the query
MIN_HITS_A_FRAME, MAX_HITS_A_FRAME = 10, 40
MAX_QUERY_FRAMES = 1500  # more are thinned out evenly; alignment still sees all of them
MIN_HIT_SCORE = 0.3
MIN_FRAMES = 2  # of the query that agree on one video and offset
# Beyond the decision's own score, which cannot tell look-alikes apart (measured on real clips with bundled-copy):
# other scenes reach a mean similarity of 0.71; another take before the same wall reaches 0.94, but without the
# temporal structure that a copy shows unless it is nearly identical. Calibration replaces these two.
MIN_SIMILARITY = 0.72
# In the library nobody asked, and scenes of one kind look alike: in the demo library 0.72 flags 49 unrelated pairs
# beside 23 copies, 0.85 about 16 beside 20 or more. A person who asks with a file sees the weaker ones too.
LIBRARY_MIN_SIMILARITY = 0.85
STATIC_CONTRAST, STATIC_MIN_SIMILARITY = 0.05, 0.955
SLICE_SECONDS = 60.0

Check = Callable[[], None]


def _no_check() -> None:
    """For callers that cannot be stopped."""


def find_matches(
    query: Descriptors,
    version_id: UUID,
    *,
    exclude: Collection[UUID] = (),
    also: Collection[UUID] = (),
    check: Check = _no_check,
    min_similarity: float = MIN_SIMILARITY,
) -> list[FoundMatch]:
    """Ready videos of the library that share footage with the query, surest first.

    ``also`` names videos that are aligned whatever the nearest frames say; ``check`` is called between steps and
    may raise to stop. Vectors are those of model version ``version_id``.
    """
    index = PgVectorIndex()
    candidates = [*also, *(v for v in _candidates(index, query, version_id, exclude, check) if v not in set(also))]
    videos = Video.objects.filter(id__in=candidates, state=Video.State.READY).in_bulk()
    found = []
    for video_id in candidates:
        check()
        video = videos.get(video_id)
        if video is None or video_id in exclude:
            continue
        reference = stored_descriptors(video, version_id, index=index)
        if reference is None:
            continue
        pair = match_pair(query, reference)
        if not convincing(pair, min_similarity) and video_id in also and reference.mirrored_vectors is not None:
            # Found from the other side before: perhaps only its mirrored reading fits.
            pair = swap_pair(match_pair(reference, query))
        if convincing(pair, min_similarity):
            found.append(found_match(video_id, pair))
    return sorted(found, key=lambda match: (-match.score, -match.query_coverage, str(match.video_id)))


def convincing(pair: PairMatch, min_similarity: float = MIN_SIMILARITY) -> bool:
    """Whether a pair is worth showing to people; ``min_similarity`` is the mean over the matched frames."""
    segments = [s for s in pair.segments if isinstance(s, AlignedSegment)]
    if not pair.verdict.is_match or not segments:
        return pair.verdict.is_match
    lengths = [max(s.query_length, 1e-6) for s in segments]
    similarity = float(np.average([s.mean_similarity for s in segments], weights=lengths))
    contrast = float(np.average([s.contrast for s in segments], weights=lengths))
    return similarity >= (STATIC_MIN_SIMILARITY if contrast < STATIC_CONTRAST else min_similarity)


def found_match(video_id: UUID, pair: PairMatch) -> FoundMatch:
    verdict = pair.verdict
    return FoundMatch(
        video_id=video_id,
        relation=verdict.relation,
        score=verdict.score,
        query_coverage=verdict.query_coverage,
        reference_coverage=verdict.reference_coverage,
        mirrored=verdict.mirrored,
        segments=pair.segments,
    )


def _candidates(
    index: PgVectorIndex, query: Descriptors, version_id: UUID, exclude: Collection[UUID], check: Check
) -> list[UUID]:
    """Videos that the nearest frames vote for, best first; plain and mirrored frames vote apart."""
    rows = np.flatnonzero(query.informative)
    if len(rows) > MAX_QUERY_FRAMES:
        rows = rows[np.linspace(0, len(rows) - 1, MAX_QUERY_FRAMES).astype(np.int64)]
    if len(rows) == 0:
        return []
    votes: dict[UUID, float] = {}
    for vectors in (query.vectors, query.mirrored_vectors):
        if vectors is None:
            continue
        check()
        k = min(max(FRAME_HITS // len(rows), MIN_HITS_A_FRAME), MAX_HITS_A_FRAME)
        answers = index.search("frame", version_id, vectors[rows], k, exclude=exclude)
        for candidate in vote_for_videos(
            _frame_hits(rows, answers), query.times, limit=TOP_CANDIDATES, min_score=MIN_HIT_SCORE
        ):
            if candidate.query_rows >= MIN_FRAMES:
                votes[candidate.video_id] = max(votes.get(candidate.video_id, 0.0), candidate.votes)
    return sorted(votes, key=lambda video_id: (-votes[video_id], str(video_id)))[:TOP_CANDIDATES]


def _frame_hits(rows: Iterable[np.int64], answers: list[list[Hit]]) -> FrameHits[UUID]:
    hits = [(row, hit) for row, answer in zip(rows, answers, strict=True) for hit in answer]
    return FrameHits(
        query_rows=[row for row, _ in hits],
        video_ids=[hit.video_id for _, hit in hits],
        reference_times=[hit.start for _, hit in hits],
        scores=[hit.score for _, hit in hits],
    )


def stored_descriptors(video: Video, version_id: UUID, *, index: PgVectorIndex | None = None) -> Descriptors | None:
    """What was stored of a library video, or None when it has no vectors of this version."""
    times, informative, vectors = (index or PgVectorIndex()).frames_of(version_id, video.id)
    if len(times) == 0:
        return None
    duration = video.duration_seconds or float(times[-1])
    return Descriptors(
        vectors, times, informative, duration, mirrored_vectors=_mirrored(video, version_id, vectors.shape)
    )


def _mirrored(video: Video, version_id: UUID, shape: tuple[int, ...]) -> FloatArray | None:
    """Ingest keeps the descriptors of the flipped frames beside the video; without them mirrored copies of it are
    found from the other side only."""
    try:
        vectors = np.load(mirrored_file(video, version_id), allow_pickle=False)
    except (FileNotFoundError, ValueError, EOFError):
        return None
    return vectors.astype(np.float32) if vectors.shape == shape else None


def match_video(video: Video, version: ModelVersion, *, check: Check = _no_check) -> list[FoundMatch]:
    """All matches of a library video; those that are known are aligned again."""
    query = stored_descriptors(video, version.id)
    if query is None:
        return []
    return find_matches(
        query,
        version.id,
        exclude={video.id},
        also=_partners(video, version),
        check=check,
        min_similarity=LIBRARY_MIN_SIMILARITY,
    )


def _partners(video: Video, version: ModelVersion) -> list[UUID]:
    known = VideoMatch.objects.filter(model_version=version)
    return [
        *known.filter(a=video).values_list("b_id", flat=True),
        *known.filter(b=video).values_list("a_id", flat=True),
    ]


def _match_and_store(job: RunningJob, video: Video, version: ModelVersion) -> bool:
    """Whether anything is or was known about the video, so that groups may have to change."""
    had = bool(_partners(video, version))
    found = match_video(video, version, check=job.check)
    with transaction.atomic():
        job.hold()
        stored = matches_replace(video_id=video.id, model_version_id=version.id, found=found)
    return had or bool(stored)


def _serving() -> ModelVersion:
    version = model_version_serving(ModelVersion.Role.COPY)
    if version is None:
        raise JobFailed("model", "No copy model is ready yet. Run `manage.py prepare`, then try again.")
    return version


def _match(job: RunningJob) -> None:
    ready = Video.objects.filter(state=Video.State.READY)
    video = ready.filter(id=job.subject_id).first() if job.subject_id else None
    if video is None:
        return  # deleted meanwhile
    job.progress("matching", 0.05)
    if _match_and_store(job, video, _serving()):
        job.progress("grouping", 0.9)
        groups_rebuild()


def _scan(job: RunningJob) -> None:
    """One slice of a scan; it goes on behind the last video that was done."""
    version, started = _serving(), time.monotonic()
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


@app.task(name="worker.match")
def match(job_id: str) -> None:
    run(job_id, _match)


@app.task(name="worker.scan")
def scan(job_id: str) -> None:
    run(job_id, _scan)
