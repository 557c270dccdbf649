"""Base embeddings of a manifest's pictures and captions, computed once and cached in shards that survive a kill.

Tier A trains on these: a step costs milliseconds, so thousands of steps fit into minutes on two cores. A shard is a
file named by what it depends on (items, weights of the model, frames an item): a second run on the same data finds it,
and after a kill only the open shard is computed again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from worker.embedders.base import Embedder
from worker.media.decode.stream import open_frames
from worker.media.errors import MediaError
from worker.training.data.manifest import Item, Problem
from worker.training.measuring import read_picture
from worker.training.data.splits import source_numbers
from worker.types import ByteImage, FloatArray

SHARD_ITEMS = 64
TEXT_BATCH = 64


@dataclass(frozen=True)
class Features:
    """N items with F_i frames each and C captions. Arrays are in the order of the items."""

    ids: list[str]
    captions: list[str]  # C
    frames: np.ndarray  # (sum of F_i, Dv) float16
    frame_start: np.ndarray  # (N + 1,) int64
    texts: np.ndarray  # (C, Dt) float16
    owner: np.ndarray  # (C,) int64, the item of each caption
    weight: np.ndarray  # (C,) float32
    group: np.ndarray  # (N,) int64, same-source groups
    words: np.ndarray | None = None  # (sum of L_c, Dt) float16
    word_start: np.ndarray | None = None  # (C + 1,) int64
    word_weight: np.ndarray | None = None  # (sum of L_c,) float32
    word_tfidf: np.ndarray | None = None  # (sum of L_c,) float32
    masked: np.ndarray | None = None  # (C, Dt) float16: captions without significant words; a zero row has none

    def __len__(self) -> int:
        return len(self.ids)

    def pooled(self) -> FloatArray:
        """(N, Dv) float32: the mean of each item's frames, not normalised."""
        sums = np.add.reduceat(self.frames.astype(np.float32), self.frame_start[:-1], axis=0)
        return np.asarray(sums / np.diff(self.frame_start)[:, None], np.float32)

    def select(self, items: np.ndarray) -> Features:
        """The same with only ``items`` (sorted item numbers), renumbered from 0."""
        kept = np.asarray(items, np.int64)
        place = np.full(len(self), -1)
        place[kept] = np.arange(len(kept))
        captions = np.flatnonzero(place[self.owner] >= 0)
        frames = _rows(self.frame_start, kept)
        chosen = replace(
            self,
            ids=[self.ids[i] for i in kept],
            frames=self.frames[frames],
            frame_start=starts_of(np.diff(self.frame_start)[kept]),
            group=self.group[kept],
        )
        return replace(chosen._only(captions), owner=place[self.owner[captions]])

    def without_captions(self, dropped: np.ndarray) -> Features:
        """The same without some captions; items that lose all of theirs go, too."""
        kept = np.setdiff1d(np.arange(len(self.captions)), dropped)
        fewer = self._only(kept)
        return fewer.select(np.unique(fewer.owner))

    def _only(self, captions: np.ndarray) -> Features:
        fewer = replace(
            self,
            captions=[self.captions[c] for c in captions],
            texts=self.texts[captions],
            owner=self.owner[captions],
            weight=self.weight[captions],
            masked=None if self.masked is None else self.masked[captions],
        )
        if self.words is None or self.word_start is None:
            return fewer
        rows = _rows(self.word_start, captions)
        return replace(
            fewer,
            words=self.words[rows],
            word_start=starts_of(np.diff(self.word_start)[captions]),
            word_weight=None if self.word_weight is None else self.word_weight[rows],
            word_tfidf=None if self.word_tfidf is None else self.word_tfidf[rows],
        )


def starts_of(lengths: np.ndarray) -> np.ndarray:
    """(N,) lengths -> (N + 1,) where each span starts, and the end."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def _rows(starts: np.ndarray, picked: np.ndarray) -> np.ndarray:
    """Row numbers of the picked spans, one after the other."""
    return np.concatenate([np.arange(starts[i], starts[i + 1]) for i in picked] or [np.empty(0, np.int64)])


def ragged(values: np.ndarray, starts: np.ndarray, picked: np.ndarray, longest: int) -> tuple[np.ndarray, np.ndarray]:
    """Spans ``picked`` as (B, longest, ...) padded with zeros, and (B, longest) bool: evenly thinned where longer."""
    lengths = np.minimum(np.diff(starts)[picked], longest)
    width = int(lengths.max(initial=1))
    out = np.zeros((len(picked), width, *values.shape[1:]), np.float32)
    mask = np.arange(width)[None, :] < lengths[:, None]
    for row, (item, count) in enumerate(zip(picked, lengths, strict=True)):
        span = np.arange(starts[item], starts[item + 1])
        out[row, :count] = values[span[np.linspace(0, len(span) - 1, count).round().astype(int)]]
    return out, mask


def read_pictures(item: Item, count: int) -> list[ByteImage]:
    """At most ``count`` pictures of an item, evenly spread in time. Raises MediaError or OSError."""
    if item.video is None:
        places = np.unique(np.linspace(0, len(item.frames) - 1, min(count, len(item.frames))).round().astype(int))
        return [read_picture(item.frames[place]) for place in places]
    pictures: list[ByteImage] = []
    with open_frames(item.video) as stream:
        duration = max(stream.facts.duration_seconds, 1e-3)
        for frame in stream:
            # The first frame at or after the middle of each of ``count`` equal parts.
            if len(pictures) < count and frame.time >= (len(pictures) + 0.5) / count * duration - 1e-6:
                pictures.append(frame.image)
            elif not pictures:
                first = frame.image
    return pictures or [first]


def extract(
    items: Sequence[Item],
    embedder: Embedder,
    cache: Path,
    *,
    frames: int,
    progress: Callable[[float], None],
    stopped: Callable[[], bool],
) -> tuple[Features, list[Problem]]:
    """Embed every item and caption. Items whose media cannot be read become Problems and are left out."""
    cache.mkdir(parents=True, exist_ok=True)
    problems: list[Problem] = []
    kept: list[Item] = []
    vectors: list[FloatArray] = []
    total = max(len(items), 1)
    for start in range(0, len(items), SHARD_ITEMS):
        part = items[start : start + SHARD_ITEMS]
        for item, found in zip(part, _media_shard(part, embedder, cache, frames, stopped), strict=True):
            if isinstance(found, str):
                problems.append(Problem(0, item.id, "media", found))
            else:
                kept.append(item)
                vectors.append(found)
        progress(0.9 * min(start + SHARD_ITEMS, total) / total)
    captions = [caption for item in kept for caption in item.captions]
    features = Features(
        ids=[item.id for item in kept],
        captions=captions,
        frames=np.concatenate(vectors).astype(np.float16) if vectors else np.empty((0, embedder.spec.dim), np.float16),
        frame_start=starts_of(np.array([len(v) for v in vectors], np.int64)),
        texts=embed_texts(captions, embedder, cache, stopped).astype(np.float16),
        owner=np.repeat(np.arange(len(kept)), [len(item.captions) for item in kept]),
        weight=np.repeat(np.array([item.weight for item in kept], np.float32), [len(i.captions) for i in kept]),
        group=np.array(source_numbers(kept), np.int64),
    )
    progress(1.0)
    return features, problems


class Interrupted(Exception):
    """``stopped`` said so; what is cached stays."""


def _media_shard(
    part: Sequence[Item], embedder: Embedder, cache: Path, frames: int, stopped: Callable[[], bool]
) -> Iterator[FloatArray | str]:
    """Per item its (F, D) unit vectors, or the reason why it has none."""
    key = json.dumps([embedder.spec.weights_sha256, embedder.spec.preprocessing_hash, frames, *map(identity_of, part)])
    file = cache / f"media-{hashlib.sha256(key.encode()).hexdigest()[:32]}.npz"
    found: dict[str, np.ndarray] = {}
    if file.exists():
        with np.load(file) as stored:
            found = dict(stored)
    # What could not be read is tried again: it may have been a passing fault.
    open_items = [(number, item) for number, item in enumerate(part) if f"v{number}" not in found]
    if open_items:
        for number, item in open_items:
            if stopped():
                raise Interrupted
            found.pop(f"e{number}", None)
            try:
                found[f"v{number}"] = embedder.encode_frames(read_pictures(item, frames)).astype(np.float16)
            except (MediaError, OSError) as error:
                found[f"e{number}"] = np.array(str(error) or type(error).__name__)
        save_arrays(file, found)
    for number in range(len(part)):
        name = f"v{number}"
        yield found[name].astype(np.float32) if name in found else str(found[f"e{number}"])


def identity_of(item: Item) -> list[object]:
    """What tells that the media is the same as when it was embedded."""
    paths = [item.video] if item.video else list(item.frames)
    return [[str(p), p.stat().st_size, p.stat().st_mtime_ns] if p.exists() else [str(p)] for p in paths]


def embed_texts(captions: list[str], embedder: Embedder, cache: Path, stopped: Callable[[], bool]) -> FloatArray:
    """C texts -> (C, D), kept in ``cache``."""
    key = json.dumps([embedder.spec.weights_sha256, embedder.spec.preprocessing_hash, captions])
    file = cache / f"texts-{hashlib.sha256(key.encode()).hexdigest()[:32]}.npz"
    if not file.exists():
        # Sorted by length: a batch pads to its longest.
        order = np.argsort([len(c) for c in captions], kind="stable")
        vectors = np.empty((len(captions), embedder.spec.dim), np.float32)
        for start in range(0, len(order), TEXT_BATCH):
            if stopped():
                raise Interrupted
            rows = order[start : start + TEXT_BATCH]
            vectors[rows] = embedder.encode_text([captions[i] for i in rows])
        save_arrays(file, {"texts": vectors})
    with np.load(file) as stored:
        texts: FloatArray = stored["texts"]
    return texts


def save_arrays(file: Path, arrays: dict[str, np.ndarray]) -> None:
    """An .npz that is whole or not there."""
    fresh = file.with_suffix(f".{os.getpid()}.new")
    with fresh.open("wb") as handle:
        np.savez(handle, **arrays)  # type: ignore[arg-type]
    os.replace(fresh, file)
