"""One pass over a video: decoded once, embedded in batches while the decoder works on, pictures written as they pass.

Used by ingest (everything), by re-indexing (one embedder, no pictures) and from scripts; knows no database.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from worker.embedders.base import Embedder
from worker.embedders.copies.descriptor import CopyDescriptor
from worker.embedders.copies.quality import frame_quality
from worker.indexing.fingerprints import Fingerprinter
from worker.indexing.windows import ClipWindower
from worker.media.decode.stream import FrameStream, open_frames
from worker.media.derived.pictures import StoryboardWriter, write_poster, write_thumbnail
from worker.media.errors import MediaError
from worker.types import ByteImage, ClipWindow, Descriptors, FloatArray, ProbeFacts, SampledFrame, Shot, SubtitleCue

BATCH = 32


@dataclass
class Indexed:
    """Everything that one pass over a video gives; vectors in the order of the sampled frames."""

    facts: ProbeFacts
    duration: float = 0.0
    holes: list[tuple[float, float]] = field(default_factory=list)  # as in FrameStream
    shots: list[Shot] = field(default_factory=list)
    cues: list[SubtitleCue] = field(default_factory=list)
    clips: list[tuple[ClipWindow, FloatArray]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    quality: list[float] = field(default_factory=list)
    fingerprint: Descriptors | None = None  # in every look; None without a copy descriptor


class Pictures:
    """Poster, thumbnails and storyboard, written while frames pass by. Holds the images of one open clip at most."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.storyboard = StoryboardWriter(folder)
        self._open: dict[int, SampledFrame] = {}
        self._poster_quality = -1.0

    def see(self, row: int, frame: SampledFrame, quality: float) -> None:
        self.storyboard.add(frame.time, frame.image)
        self._open[row] = frame
        # The most detailed of the first half minute: title cards and black openings make poor posters.
        if (frame.time < 30 and quality > self._poster_quality + 0.05) or self._poster_quality < 0:
            self._poster_quality = quality
            write_poster(frame.image, self.folder / "poster.jpg")

    def clip_closed(self, window: ClipWindow) -> None:
        middle = window.rows[len(window.rows) // 2]
        frame = self._open.get(middle)
        if frame is not None:
            milliseconds = round(frame.time * 1000)
            write_thumbnail(frame.image, self.folder / "thumbs" / f"{milliseconds}.jpg")
        for row in [r for r in self._open if r < window.rows[0]]:
            del self._open[row]


class Indexer:
    """Consumes sampled frames in batches; constant memory but for the vectors (some KB a frame in all looks)."""

    def __init__(
        self, facts: ProbeFacts, semantic: Embedder | None, copy: CopyDescriptor | None, folder: Path | None
    ) -> None:
        self.result = Indexed(facts)
        self._semantic = semantic
        self._fingerprinter = Fingerprinter(copy, "library", max(facts.duration_seconds, 0.1)) if copy else None
        self._windower = ClipWindower()
        self._pictures = Pictures(folder) if folder else None
        self._batch: list[SampledFrame] = []
        self._vectors: dict[int, FloatArray] = {}  # semantic, of rows that an open clip may still need

    def add(self, frame: SampledFrame) -> None:
        self._batch.append(frame)
        if len(self._batch) >= BATCH:
            self._flush()

    def _flush(self) -> None:
        frames, self._batch = self._batch, []
        if not frames:
            return
        images: list[ByteImage] = [f.image for f in frames]
        result, first = self.result, len(self.result.times)
        quality = frame_quality(images)
        if self._fingerprinter is not None:
            self._fingerprinter.add(frames, quality)
        if self._semantic is not None:
            self._vectors.update(enumerate(self._semantic.encode_frames(images), start=first))
        for row, (frame, q) in enumerate(zip(frames, quality, strict=True), start=first):
            result.times.append(frame.time)
            result.quality.append(float(q))
            if self._pictures:
                self._pictures.see(row, frame, float(q))
            self._close(self._windower.push(frame))

    def _close(self, windows: list[ClipWindow]) -> None:
        for window in windows:
            if self._semantic is not None:
                vectors = np.stack([self._vectors[row] for row in window.rows])
                self.result.clips.append((window, self._semantic.encode_clip(vectors)))
            if self._pictures:
                self._pictures.clip_closed(window)
            for row in [r for r in self._vectors if r < window.rows[0]]:
                del self._vectors[row]

    def finish(self, stream: FrameStream) -> Indexed:
        self._flush()
        self.result.duration, self.result.holes = stream.duration_seconds, list(stream.holes)
        self._close(self._windower.finish(stream.duration_seconds))
        self.result.shots = list(stream.shots)
        if not self.result.times:
            raise MediaError("damaged", detail="no frame came out of the decoder")
        if self._fingerprinter is not None:
            self.result.fingerprint = self._fingerprinter.finish(stream.duration_seconds)
        if self._pictures:
            self._pictures.storyboard.finish(stream.duration_seconds)
        return self.result


def index_video(
    path: Path | str,
    *,
    semantic: Embedder | None,
    copy: CopyDescriptor | None,
    folder: Path | None,
    on_facts: Callable[[ProbeFacts], None] = lambda facts: None,
    on_progress: Callable[[float], None] = lambda fraction: None,
    cancelled: Callable[[], bool] | None = None,
) -> Indexed:
    """Decode ``path`` once and give what the named embedders see in it; pictures go to ``folder`` if one is given.

    ``on_progress`` gets 0..1 by the header's duration. Raises MediaError.
    """
    with open_frames(path, cancelled=cancelled) as stream:
        on_facts(stream.facts)
        indexer = Indexer(stream.facts, semantic, copy, folder)
        expected = max(stream.facts.duration_seconds, 0.1)
        for frame in stream:
            indexer.add(frame)
            on_progress(min(frame.time / expected, 1.0))
        return indexer.finish(stream)
