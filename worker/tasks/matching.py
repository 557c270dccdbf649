"""Every video against the library: nearest frames propose, alignment decides, groups follow.

``find_matches`` serves the lookup of a file, the match of a new video and the scan of the whole library.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from uuid import UUID

import numpy as np
from django.db import transaction
from numpy.typing import NDArray

from apps.core.models import Job
from apps.duplicates.groups.matches import FoundMatch, matches_prune, matches_replace
from apps.duplicates.groups.rebuild import groups_rebuild
from apps.duplicates.job_kinds import MATCH, SCAN
from apps.duplicates.models import VideoMatch
from apps.embeddings.models import ModelVersion
from apps.embeddings.rows import Hit
from apps.embeddings.selectors import model_version_serving
from apps.embeddings.vector_index import PgVectorIndex
from apps.videos.models import Video
from worker.alignment import AlignedPair, Descriptors, FrameHits, View, match_pair, swap_pair, vote_for_videos
from worker.tasks.running import JobContinues, JobFailed, RunningJob, task
from worker.tasks.vectors import stored_fingerprint, version_decision
from worker.types import FloatArray, LookKind

TOP_CANDIDATES = 25
FRAME_HITS = 1200  # about as many for a look, shared out over its frames
MIN_HITS_A_FRAME, MAX_HITS_A_FRAME = 10, 40
ASKED_AT_ONCE = 400
# Frames that ask, spread evenly, in each minute of the query; those of MOST_MINUTES are shared out over a longer one.
ROWS_A_MINUTE = {"whole": 60, "mirrored": 40, "region": 32, "part": 6, "turned": 8}
MOST_MINUTES = 26.0
MIN_HIT_SCORE = 0.1  # of a nearest frame, after half of the query frame's background penalty
MIN_FRAMES = 2  # of the query that agree on one video and offset
# A person who asks with a file weighs a weak answer himself; in the library nobody asked, so a pair must be surer.
LOOKUP_MIN_SCORE, LIBRARY_MIN_SCORE = 0.5, 0.9
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
    min_score: float = LOOKUP_MIN_SCORE,
) -> list[FoundMatch]:
    """Ready videos of the library that share footage with the query, surest first.

    ``also`` names videos that are aligned whatever the nearest frames say; ``check`` is called between steps and
    may raise to stop. Vectors are those of model version ``version_id``. ``min_score``: least probability of a copy.
    """
    index, version = PgVectorIndex(), ModelVersion.objects.get(id=version_id)
    decision = version_decision(version)
    candidates = [*also, *(v for v in _candidates(index, query, version_id, exclude, check) if v not in set(also))]
    videos = Video.objects.filter(id__in=candidates, state=Video.State.READY).in_bulk()
    found = []
    for video_id in candidates:
        check()
        video = videos.get(video_id)
        if video is None or video_id in exclude:
            continue
        reference = stored_fingerprint(index, video, version, asking=video_id in also)
        if reference is None:
            continue
        pair = match_pair(query, reference, decision=decision)
        if pair.verdict.score < min_score and video_id in also:
            # Found from the other side before: perhaps only the looks of that side fit.
            pair = swap_pair(match_pair(reference, query, decision=decision))
        if pair.segments and pair.verdict.score >= min_score:
            found.append(found_match(video_id, pair))
    return sorted(found, key=lambda match: (-match.score, -match.query_coverage, str(match.video_id)))


def found_match(video_id: UUID, pair: AlignedPair) -> FoundMatch:
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


def asking_rows(kind: LookKind, seconds: float) -> int:
    """How many frames of a look may ask in a query of this length: a copied span of some seconds must not lie between
    two of them, and a long query must end. At most 1,560 whole frames: one in 2.3 s of an hour, in 7 s of three."""
    return int(ROWS_A_MINUTE[kind] * min(max(seconds / 60.0, 1.0), MOST_MINUTES))


def _candidates(
    index: PgVectorIndex, query: Descriptors, version_id: UUID, exclude: Collection[UUID], check: Check
) -> list[UUID]:
    """Videos that the nearest frames vote for, best first; every look of the query votes apart."""
    asking = [(look, _asking_rows(query, look)) for look in query.looks()]
    asking = [(look, places) for look, places in asking if len(places)]
    if not asking:
        return []
    check()
    # All looks together: whether the index or an exact scan answers depends on how many ask.
    vectors = np.concatenate([look.vectors[places] for look, places in asking])
    k = min(max(FRAME_HITS // max(len(places) for _, places in asking), MIN_HITS_A_FRAME), MAX_HITS_A_FRAME)
    answers: Iterator[list[Hit]] = _nearest(index, version_id, vectors, k, exclude, check)
    votes: dict[UUID, float] = {}
    for look, places in asking:
        check()
        penalty = np.zeros(len(look.rows)) if look.penalty is None else 0.5 * look.penalty
        hits = _frame_hits(look.rows[places], penalty[places], [next(answers) for _ in places])
        for candidate in vote_for_videos(hits, query.times, limit=TOP_CANDIDATES, min_score=MIN_HIT_SCORE):
            if candidate.query_rows >= min(MIN_FRAMES, len(places)):
                # Each frame of a thinned look stands for several.
                value = candidate.votes * len(query.times) / len(places)
                votes[candidate.video_id] = max(votes.get(candidate.video_id, 0.0), value)
    return sorted(votes, key=lambda video_id: (-votes[video_id], str(video_id)))[:TOP_CANDIDATES]


def _nearest(
    index: PgVectorIndex, version_id: UUID, vectors: FloatArray, k: int, exclude: Collection[UUID], check: Check
) -> Iterator[list[Hit]]:
    """The nearest frames of each vector, some hundreds asked at a time."""
    for start in range(0, len(vectors), ASKED_AT_ONCE):
        check()
        yield from index.search("frame", version_id, vectors[start : start + ASKED_AT_ONCE], k, exclude=exclude)


def _asking_rows(query: Descriptors, look: View) -> NDArray[np.int64]:
    """Places of a look whose frames ask the index: informative ones, spread evenly over the query."""
    places = np.flatnonzero(query.informative[look.rows])
    limit = asking_rows(look.kind, query.duration)
    return places[np.linspace(0, len(places) - 1, limit).astype(np.int64)] if len(places) > limit else places


def _frame_hits(rows: Iterable[np.int64], penalties: Iterable[float], answers: list[list[Hit]]) -> FrameHits[UUID]:
    hits = [(row, hit, p) for row, p, answer in zip(rows, penalties, answers, strict=True) for hit in answer]
    return FrameHits(
        query_rows=[row for row, _, _ in hits],
        video_ids=[hit.video_id for _, hit, _ in hits],
        reference_times=[hit.start for _, hit, _ in hits],
        scores=[hit.score - penalty for _, hit, penalty in hits],
    )


def stored_descriptors(video: Video, version_id: UUID, *, asking: bool = True) -> Descriptors | None:
    """What was stored of a library video, or None when it has no vectors of this version. ``asking``: with the looks
    that only a query needs."""
    return stored_fingerprint(PgVectorIndex(), video, ModelVersion.objects.get(id=version_id), asking=asking)


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
        min_score=LIBRARY_MIN_SCORE,
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


@task(MATCH)
def match(job: RunningJob) -> None:
    ready = Video.objects.filter(state=Video.State.READY)
    video = ready.filter(id=job.subject_id).first() if job.subject_id else None
    if video is None:
        return  # deleted meanwhile
    job.progress("matching", 0.05)
    if _match_and_store(job, video, _serving()):
        job.progress("grouping", 0.9)
        groups_rebuild()


@task(SCAN)
def scan(job: RunningJob) -> None:
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
