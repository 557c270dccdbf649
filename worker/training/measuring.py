"""How well a model finds the videos of a manifest by their captions, and the captions by their videos.

Videos are embedded as the product does it: decoded once, cut into shots and windows, one vector a clip; a video scores
by its best clip. A list of frames is one clip: every picture is encoded and ``encode_clip`` pools them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from worker.embedders.base import Embedder
from worker.evaluation.directions import BothDirections, both_directions
from worker.evaluation.intervals import score_intervals
from worker.indexing.video import BATCH, index_video
from worker.media.errors import MediaError
from worker.training.data.items import Item, Problem
from worker.training.data.pictures import read_picture
from worker.training.data.splits import source_numbers
from worker.types import FloatArray

TEXT_BATCH = 128


class NothingMeasured(Exception):
    """No item could be evaluated; ``problems`` say why."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("No item of the manifest could be evaluated.")


@dataclass(frozen=True)
class ManifestScores:
    """``items`` are those that were evaluated, in order; ``results`` is per query, captions in the items' order."""

    results: BothDirections
    items: list[Item]
    problems: list[Problem]

    def as_dict(self, *, samples: int = 1000) -> dict[str, Any]:
        """For JSON, with 95 % intervals bootstrapped over sources (none with a single one)."""
        found = self.results.as_dict()
        ways = {"t2v": self.results.t2v, "v2t": self.results.v2t}
        if len(np.unique(self.results.v2t.source)) > 1:
            found["intervals"] = {way: score_intervals(results, samples=samples) for way, results in ways.items()}
        return found


def clip_vectors(
    item: Item, embedder: Embedder, *, on_progress: Callable[[float], None] = lambda fraction: None
) -> FloatArray:
    """(C, D) of one item: a row a clip, or one for a list of frames. Raises MediaError."""
    if item.video is not None:
        indexed = index_video(item.video, semantic=embedder, copy=None, folder=None, on_progress=on_progress)
        return np.stack([vector for _, vector in indexed.clips])
    vectors = []
    for start in range(0, len(item.frames), BATCH):
        vectors.append(embedder.encode_frames([read_picture(path) for path in item.frames[start : start + BATCH]]))
        on_progress(min((start + BATCH) / len(item.frames), 1.0))
    return embedder.encode_clip(np.concatenate(vectors))[None]


def text_vectors(texts: Sequence[str], embedder: Embedder) -> FloatArray:
    """(N, D); every different text is encoded once, in batches of like length because a batch pads to its longest."""
    distinct = sorted(set(texts), key=lambda text: (len(text), text))
    place = {text: number for number, text in enumerate(distinct)}
    parts = [embedder.encode_text(distinct[i : i + TEXT_BATCH]) for i in range(0, len(distinct), TEXT_BATCH)]
    return np.concatenate(parts)[[place[text] for text in texts]]


def best_clip_scores(asked: FloatArray, clips: FloatArray, starts: Sequence[int]) -> FloatArray:
    """Queries (Q, D) and the clips (C, D) of all videos, those of video i from row ``starts[i]`` -> (Q, videos)."""
    return np.asarray(np.maximum.reduceat(asked @ clips.T, np.asarray(starts), axis=1), np.float32)


def measure(
    items: Iterable[Item],
    embedder: Embedder,
    *,
    on_progress: Callable[[int, float], None] = lambda item, fraction: None,
) -> ManifestScores:
    """Embed and evaluate. An item whose media cannot be read becomes a Problem, the rest is evaluated.

    ``on_progress`` gets the number of the item and how much of it is done. Memory: one video's read-ahead, and the
    vectors. Items that share a group or a file are right answers for each other. Raises NothingMeasured, and ValueError
    when the model gives NaN.
    """
    kept: list[Item] = []
    problems: list[Problem] = []
    vectors: list[FloatArray] = []
    for number, item in enumerate(items):
        on_progress(number, 0.0)
        try:
            found = clip_vectors(item, embedder, on_progress=lambda fraction, n=number: on_progress(n, fraction))  # type: ignore[misc]
        except MediaError as error:
            problems.append(Problem(0, item.id, error.code, f"{_name(item)}: {error.message}"))
            continue
        kept.append(item)
        vectors.append(found)
    if not kept:
        raise NothingMeasured(problems)
    clips, starts = np.concatenate(vectors), np.cumsum([0, *(len(v) for v in vectors[:-1])])
    owners = np.repeat(np.arange(len(kept)), [len(item.captions) for item in kept])
    asked = text_vectors([caption for item in kept for caption in item.captions], embedder)
    results = both_directions(
        lambda rows: best_clip_scores(asked[rows], clips, starts.tolist()),
        owners,
        videos=len(kept),
        video_sources=source_numbers(kept),
    )
    return ManifestScores(results, kept, problems)


def _name(item: Item) -> str:
    return item.video.name if item.video is not None else f"{len(item.frames)} frames"
