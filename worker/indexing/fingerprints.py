"""From a video file to its copy descriptors, without Django: what lookups, the evaluation and scripts use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from worker.alignment import with_penalties
from worker.detection.coverage import pooled, spans_of
from worker.embedders.copies.descriptor import CopyDescriptor
from worker.embedders.copies.quality import frame_quality, informative_frames
from worker.embedders.copies.views import CopyViews, Role
from worker.media.decode.stream import open_frames
from worker.media.errors import MediaError
from worker.types import Descriptors, FloatArray, ProbeFacts, SampledFrame

SAMPLINGS = ("uniform", "keyframes")
BATCH = 32


class Fingerprinter:
    """Takes sampled frames in time order, describes them shot by shot, at most BATCH at a time."""

    def __init__(self, copy: CopyDescriptor, role: Role, expected_seconds: float) -> None:
        self._copy = copy
        self._views = CopyViews(copy, role, expected_seconds)
        self._open: list[SampledFrame] = []
        self.quality: list[float] = []

    def add(self, frames: Sequence[SampledFrame], quality: Iterable[float]) -> None:
        """``quality``: ``frame_quality`` of each of the frames, which a caller may need as well."""
        self.quality += map(float, quality)
        for frame in frames:
            fits = not self._open or self._open[-1].image.shape == frame.image.shape
            if self._open and (frame.starts_shot or not fits or len(self._open) == BATCH):
                self._flush()
            self._open.append(frame)

    def _flush(self) -> None:
        frames, self._open = self._open, []
        if frames:
            self._views.add([f.image for f in frames], [f.time for f in frames])

    def finish(self, duration: float) -> Descriptors:
        self._flush()
        found = self._views.finish(informative_frames(self.quality), duration)
        return with_penalties(found, self._copy.background())


def fingerprint(
    path: Path | str,
    *,
    copy: CopyDescriptor,
    sampling: str = "uniform",
    role: Role = "query",
    on_facts: Callable[[ProbeFacts], None] = lambda facts: None,
    on_progress: Callable[[float], None] = lambda fraction: None,
    cancelled: Callable[[], bool] | None = None,
) -> Descriptors:
    """Decode ``path`` once and describe it. ``on_progress`` gets 0..1 by the header's duration.

    ``sampling``: what is kept of a reference. "uniform" keeps every sampled frame; "keyframes" the few that a learned
    selector chooses, each with the span that it stands for. A query is at hand and always asks with all of its frames.
    Raises MediaError, and ValueError for an unknown sampling.
    """
    if sampling not in SAMPLINGS:
        raise ValueError(f"there is no sampling called {sampling!r}; choose one of: {', '.join(SAMPLINGS)}")
    with open_frames(path, cancelled=cancelled) as stream:
        on_facts(stream.facts)
        expected = max(stream.facts.duration_seconds, 0.1)
        fingerprinter = Fingerprinter(copy, role, expected)
        for frame in stream:
            fingerprinter.add([frame], frame_quality(frame.image[None]))
            on_progress(min(frame.time / expected, 1.0))
        found = fingerprinter.finish(stream.duration_seconds)
    if not len(found.times):
        raise MediaError("damaged", detail="no frame came out of the decoder")
    return key_frames(found, copy.background()) if sampling == "keyframes" and role == "reference" else found


def key_frames(found: Descriptors, background: FloatArray) -> Descriptors:
    """Only the K frames that the learned selector keeps, at most 15 % of one a second, with their spans (K, 2).

    Each vector is the mean over its span, and its penalty that of the mean against ``background`` (B, D); views,
    hashes and whether a frame is informative are those of the kept frames.
    """
    from worker.detection.keyframes import KeyframeSelector  # loads the network

    rows = KeyframeSelector().select(found.vectors, found.times, found.informative, found.duration)
    numbers = np.full(len(found.times), -1, dtype=np.int64)
    numbers[rows] = np.arange(len(rows))
    views = []
    for view in found.views:
        stays = numbers[view.rows] >= 0
        views.append(replace(view, rows=numbers[view.rows[stays]], vectors=view.vectors[stays], penalty=None))
    spans = spans_of(rows, found.times, found.vectors, found.duration, found.informative)
    kept = replace(
        found,
        vectors=pooled(rows, spans, found.vectors, found.times, found.duration, found.informative),
        times=found.times[rows],
        informative=found.informative[rows],
        views=tuple(views),
        penalty=None,
        hashes=None if found.hashes is None else found.hashes[rows],
        spans=spans,
    )
    return with_penalties(kept, background)
