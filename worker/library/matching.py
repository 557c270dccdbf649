"""A query against every video of the library: nearest frames propose, alignment decides.

``find_matches`` finds the matches of a looked-up file, of a new video and of each video of a scan.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from worker.alignment import FrameHits, Verdict, match_pair, swap_pair, vote_for_videos
from worker.library.stored import Hit, InstalledModel, LibraryVideo, VectorIndex
from worker.library.vectors import stored_fingerprint, version_decision
from worker.types import Descriptors, FloatArray, LookKind, Segment, View

TOP_CANDIDATES = 25
FRAME_HITS = 1200  # about as many for a look, shared out over its frames
MIN_HITS_A_FRAME, MAX_HITS_A_FRAME = 10, 40
ASKED_AT_ONCE = 400
# Frames that ask, spread evenly, in each minute of the query; those of MOST_MINUTES are shared out over a longer one.
ROWS_A_MINUTE = {"whole": 60, "mirrored": 40, "region": 32, "part": 6, "turned": 8}
MOST_MINUTES = 26.0
MIN_HIT_SCORE = 0.1  # of a nearest frame, after half of the query frame's background penalty
MIN_FRAMES = 2  # of the query that agree on one video and offset
# A person who looks up a file can judge a weak match; nobody asked about the library, so its pairs must be certain.
LOOKUP_MIN_SCORE, LIBRARY_MIN_SCORE = 0.5, 0.9

Check = Callable[[], None]


def _no_check() -> None:
    """For callers that cannot be stopped."""


@dataclass(frozen=True, slots=True)
class Gallery:
    """The library as one model version stored it. ``ready`` gives the rows of the ready videos among some ids."""

    index: VectorIndex
    version: InstalledModel
    ready: Callable[[Collection[UUID]], Mapping[UUID, LibraryVideo]]

    def descriptors(self, video: LibraryVideo, *, asking: bool = True) -> Descriptors | None:
        """See ``stored_fingerprint``."""
        return stored_fingerprint(self.index, video, self.version, asking=asking)


@dataclass(frozen=True, slots=True)
class LibraryMatch:
    """A video of the library that shares footage with the query; segments surest first."""

    video: LibraryVideo
    verdict: Verdict
    segments: Sequence[Segment]

    @property
    def looks(self) -> list[str]:
        """The looks in which it was found, each once."""
        return sorted({str(s.look) for s in self.segments} | ({"mirrored"} if self.verdict.mirrored else set()))

    def shifted(self, seconds: float) -> LibraryMatch:
        """The same match with the clock of the query set forward."""
        moved = [
            replace(s, query_start=s.query_start + seconds, query_end=s.query_end + seconds) for s in self.segments
        ]
        return replace(self, segments=moved)


def same_file(video: LibraryVideo, duration: float) -> LibraryMatch:
    """The match of a query with the library video whose very content it is."""
    whole = Segment(0.0, duration, 0.0, duration, 1.0, 1.0)
    return LibraryMatch(video, Verdict(1.0, "exact", 1.0, 1.0, is_match=True), [whole])


def find_matches(
    query: Descriptors,
    gallery: Gallery,
    *,
    exclude: Collection[UUID] = (),
    also: Collection[UUID] = (),
    check: Check = _no_check,
    min_score: float = LOOKUP_MIN_SCORE,
) -> list[LibraryMatch]:
    """Ready videos of the library that share footage with the query, surest first.

    ``also`` names videos that are aligned whatever the nearest frames say; ``check`` is called between steps and
    may raise to stop. The query is described by the gallery's model. ``min_score``: least probability of a copy.
    """
    decision = version_decision(gallery.version)
    candidates = [*also, *(v for v in _candidates(gallery, query, exclude, check) if v not in set(also))]
    videos = gallery.ready(candidates)
    found = []
    for video_id in candidates:
        check()
        video = videos.get(video_id)
        if video is None or video_id in exclude:
            continue
        reference = gallery.descriptors(video, asking=video_id in also)
        if reference is None:
            continue
        pair = match_pair(query, reference, decision=decision)
        if pair.verdict.score < min_score and video_id in also:
            # Found from the other side before: perhaps only the looks of that side fit.
            pair = swap_pair(match_pair(reference, query, decision=decision))
        if pair.segments and pair.verdict.score >= min_score:
            found.append(LibraryMatch(video, pair.verdict, pair.segments))
    return sorted(found, key=lambda m: (-m.verdict.score, -m.verdict.query_coverage, str(m.video.id)))


def asking_rows(kind: LookKind, seconds: float) -> int:
    """How many frames of a look may ask in a query of this length: a copied span of some seconds must not lie between
    two of them, and a long query must end. At most 1,560 whole frames: one in 2.3 s of an hour, in 7 s of three."""
    return int(ROWS_A_MINUTE[kind] * min(max(seconds / 60.0, 1.0), MOST_MINUTES))


def _candidates(gallery: Gallery, query: Descriptors, exclude: Collection[UUID], check: Check) -> list[UUID]:
    """Videos that the nearest frames vote for, best first; every look of the query votes apart."""
    asking = [(look, _asking_rows(query, look)) for look in query.looks()]
    asking = [(look, places) for look, places in asking if len(places)]
    if not asking:
        return []
    check()
    # All looks together: whether the index or an exact scan answers depends on how many ask.
    vectors = np.concatenate([look.vectors[places] for look, places in asking])
    k = min(max(FRAME_HITS // max(len(places) for _, places in asking), MIN_HITS_A_FRAME), MAX_HITS_A_FRAME)
    answers = _nearest(gallery, vectors, k, exclude, check)
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
    gallery: Gallery, vectors: FloatArray, k: int, exclude: Collection[UUID], check: Check
) -> Iterator[Sequence[Hit]]:
    """The nearest frames of each vector, some hundreds asked at a time."""
    for start in range(0, len(vectors), ASKED_AT_ONCE):
        check()
        part = vectors[start : start + ASKED_AT_ONCE]
        yield from gallery.index.search("frame", gallery.version.id, part, k, exclude=exclude)


def _asking_rows(query: Descriptors, look: View) -> NDArray[np.int64]:
    """Places of a look whose frames ask the index: informative ones, spread evenly over the query."""
    places = np.flatnonzero(query.informative[look.rows])
    limit = asking_rows(look.kind, query.duration)
    return places[np.linspace(0, len(places) - 1, limit).astype(np.int64)] if len(places) > limit else places


def _frame_hits(rows: Iterable[np.int64], penalties: Iterable[float], answers: list[Sequence[Hit]]) -> FrameHits[UUID]:
    hits = [(row, hit, p) for row, p, answer in zip(rows, penalties, answers, strict=True) for hit in answer]
    return FrameHits(
        query_rows=[row for row, _, _ in hits],
        video_ids=[hit.video_id for _, hit, _ in hits],
        reference_times=[hit.start for _, hit, _ in hits],
        scores=[hit.score - penalty for _, hit, penalty in hits],
    )
