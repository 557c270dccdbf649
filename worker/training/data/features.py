"""Base embeddings of a manifest's pictures and captions, computed once and cached in shards that survive a kill.

The head is trained on these: a step costs milliseconds, so thousands of steps fit into minutes on two cores. A shard is a
file named by what it depends on (items, weights of the model, frames an item): a second run on the same data finds it,
and after a kill only the open shard is computed again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from worker.embedders.base import Embedder
from worker.media.errors import MediaError
from worker.training.data.arrays import cache_file, save_arrays, span_rows, starts_of
from worker.training.data.items import Item, Problem
from worker.training.data.pictures import identity_of, read_pictures
from worker.training.data.splits import source_numbers
from worker.training.errors import Interrupted
from worker.types import FloatArray

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

    def of_items(self, ids: set[str]) -> Features:
        """The same with those items only."""
        return self.select(np.array([i for i, name in enumerate(self.ids) if name in ids], np.int64))

    def select(self, items: np.ndarray) -> Features:
        """The same with only ``items`` (sorted item numbers), renumbered from 0."""
        kept = np.asarray(items, np.int64)
        place = np.full(len(self), -1)
        place[kept] = np.arange(len(kept))
        captions = np.flatnonzero(place[self.owner] >= 0)
        frames = span_rows(self.frame_start, kept)
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
        rows = span_rows(self.word_start, captions)
        return replace(
            fewer,
            words=self.words[rows],
            word_start=starts_of(np.diff(self.word_start)[captions]),
            word_weight=None if self.word_weight is None else self.word_weight[rows],
            word_tfidf=None if self.word_tfidf is None else self.word_tfidf[rows],
        )


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


def _media_shard(
    part: Sequence[Item], embedder: Embedder, cache: Path, frames: int, stopped: Callable[[], bool]
) -> Iterator[FloatArray | str]:
    """Per item its (F, D) unit vectors, or the reason why it has none."""
    spec = embedder.spec
    file = cache_file(cache, "media", spec.weights_sha256, spec.preprocessing_hash, frames, *map(identity_of, part))
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


def embed_texts(captions: list[str], embedder: Embedder, cache: Path, stopped: Callable[[], bool]) -> FloatArray:
    """C texts -> (C, D), kept in ``cache``."""
    file = cache_file(cache, "texts", embedder.spec.weights_sha256, embedder.spec.preprocessing_hash, captions)
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
