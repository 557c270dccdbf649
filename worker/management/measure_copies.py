"""Runs the same-source engine over a manifest: fingerprints, matches every query with every reference, measures.

No Django here: the command and the edit bench share it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from worker.alignment import Aligner, DecisionModel, match_pair
from worker.embedders.copies.descriptor import CopyDescriptor
from worker.evaluation.copy_manifest import (
    CopyManifest,
    CopyManifestError,
    ListedVideo,
    ManifestFault,
    faults_of_length,
)
from worker.evaluation.copy_report import (
    CopyReport,
    Key,
    PairPrediction,
    TrueSegment,
    as_dict,
    copy_report,
    details,
)
from worker.indexing.fingerprints import fingerprint
from worker.media.errors import MediaError
from worker.types import Descriptors

SECONDS_IN_HOUR = 3600.0
HALF_BYTES = 2  # a halfvec component
TIME_BYTES = 8
SPAN_BYTES = 16
Role = Literal["query", "reference"]
Progress = Callable[[str, float], None]  # (what is being done, share of the whole run)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A video that could not be decoded. As a query it found nothing, as a reference it was not found."""

    role: Role
    id: str
    code: str
    message: str


@dataclass(slots=True)
class CopyFigures:
    """What a run gave. Times are wall seconds on this machine."""

    report: CopyReport
    predictions: dict[Key, PairPrediction]
    unreadable: list[Unreadable]
    stored_frames_per_hour: float | None
    bytes_per_hour: float | None
    ms_per_pair: float | None
    seconds_per_query: float | None
    seconds_per_video: float | None  # decoding and describing, queries and references
    pairs: int

    def as_dict(self) -> dict[str, Any]:
        return {
            **as_dict(self.report),
            "stored_frames_per_hour": self.stored_frames_per_hour,
            "bytes_per_hour": self.bytes_per_hour,
            "ms_per_pair": self.ms_per_pair,
            "seconds_per_query": self.seconds_per_query,
            "details": details(self.report),
        }


@dataclass(slots=True)
class _Run:
    manifest: CopyManifest
    copy: CopyDescriptor
    aligner: str | Aligner
    sampling: str
    decision: DecisionModel | None
    on_progress: Progress
    references: dict[str, Descriptors] = field(default_factory=dict)
    predictions: dict[Key, PairPrediction] = field(default_factory=dict)
    unreadable: list[Unreadable] = field(default_factory=list)
    matching_seconds: float = 0.0
    querying_seconds: float = 0.0
    describing_seconds: float = 0.0
    queries_done: int = 0
    pairs: int = 0

    def describe(self, video: ListedVideo, role: Role, share: float) -> Descriptors | None:
        total = len(self.manifest.references) + len(self.manifest.queries)

        def told(fraction: float) -> None:
            self.on_progress(video.id, (share + fraction) / total)

        began = time.perf_counter()
        try:
            described = fingerprint(video.video, copy=self.copy, sampling=self.sampling, role=role, on_progress=told)
        except MediaError as error:
            self.unreadable.append(Unreadable(role, video.id, error.code, error.message))
            return None
        self.describing_seconds += time.perf_counter() - began
        return described

    def describe_references(self) -> None:
        for number, video in enumerate(self.manifest.references):
            described = self.describe(video, "reference", number)
            if described is not None:
                self.references[video.id] = described
        faults = [f for q in self.manifest.queries for f in faults_of_length(q, self.durations(), None)]
        _refuse(faults)

    def durations(self) -> dict[str, float]:
        return {name: described.duration for name, described in self.references.items()}

    def ask(self) -> None:
        faults: list[ManifestFault] = []
        for number, video in enumerate(self.manifest.queries):
            began = time.perf_counter()
            described = self.describe(video, "query", len(self.manifest.references) + number)
            if described is None:
                continue
            faults += faults_of_length(video, {}, described.duration)
            self.match(video.id, described)
            self.querying_seconds += time.perf_counter() - began
            self.queries_done += 1
        _refuse(faults)

    def match(self, name: str, query: Descriptors) -> None:
        for reference, described in self.references.items():
            began = time.perf_counter()
            found = match_pair(query, described, self.aligner, self.decision)
            self.matching_seconds += time.perf_counter() - began
            self.pairs += 1
            if found.verdict.score > 0 or found.segments:
                boxes = tuple(
                    ((s.query_start, s.query_end, s.reference_start, s.reference_end), float(s.score))
                    for s in found.segments
                )
                self.predictions[(name, reference)] = PairPrediction(
                    float(found.verdict.score), bool(found.verdict.is_match), boxes
                )


def _refuse(faults: Sequence[ManifestFault]) -> None:
    if faults:
        count = f"{len(faults)} problems, the first: " if len(faults) > 1 else ""
        raise CopyManifestError("schema", f"The manifest does not fit its videos: {count}{faults[0]}", faults)


def stored_bytes(described: Descriptors) -> int:
    """What the library keeps of a video: half-precision vectors of frames and regions, hashes, times, spans."""
    frames, dim = described.vectors.shape
    regions = sum(len(view.rows) for view in described.views if view.kind == "region")
    size: int = (frames + regions) * dim * HALF_BYTES + frames * TIME_BYTES
    if described.hashes is not None:
        size += described.hashes.nbytes
    return size + (frames * SPAN_BYTES if described.spans is not None else 0)


def measure_copies(
    manifest: CopyManifest,
    *,
    copy: CopyDescriptor,
    aligner: str | Aligner,
    sampling: str = "uniform",
    decision: DecisionModel | None = None,
    on_progress: Progress = lambda name, share: None,
) -> CopyFigures:
    """Every query against every reference. Holds the references' descriptors in memory, one query at a time.

    Raises CopyManifestError for spans outside their videos (of references before any query is read), ValueError for
    an aligner or a sampling that does not exist.
    """
    run = _Run(manifest, copy, aligner, sampling, decision, on_progress)
    run.describe_references()
    run.ask()
    truth: dict[Key, list[TrueSegment]] = {}
    for query in manifest.queries:
        for span in query.segments:
            true = TrueSegment(span.box, span.edit, span.shared_asset)
            truth.setdefault((query.id, span.reference), []).append(true)
    report = copy_report(run.predictions, truth, [q.id for q in manifest.queries], [r.id for r in manifest.references])
    kept = run.references.values()
    videos = len(kept) + run.queries_done
    hours = sum(d.duration for d in kept) / SECONDS_IN_HOUR
    return CopyFigures(
        report,
        run.predictions,
        run.unreadable,
        sum(len(d.times) for d in kept) / hours if hours else None,
        sum(stored_bytes(d) for d in kept) / hours if hours else None,
        1000 * run.matching_seconds / run.pairs if run.pairs else None,
        run.querying_seconds / run.queries_done if run.queries_done else None,
        run.describing_seconds / videos if videos else None,
        run.pairs,
    )
