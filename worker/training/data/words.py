"""Word vectors of captions with their weights, cached like the other features that the head is trained on."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from worker.embedders.base import Embedder, EmbedderError
from worker.embedders.semantic.words import WordVectors, encode_words
from worker.training.data.arrays import cache_file, save_arrays, starts_of
from worker.training.data.features import Features, embed_texts
from worker.training.data.significance import WordStatistics, mask_significant, word_weights, words_in
from worker.training.errors import Interrupted, TrainingError

BATCH = 64


def add_words(
    features: Features, base: Embedder, train_ids: set[str], cache: Path, stopped: Callable[[], bool]
) -> Features:
    """The same features with words; how rare a word is comes from the captions of the train split alone.

    Raises TrainingError("no_words") when the base gives no vectors of single words.
    """
    file = cache_file(cache, "words", base.spec.weights_sha256, base.spec.preprocessing_hash, features.captions)
    if not file.exists():
        _compute(features.captions, base, file, stopped)
    trained = [features.ids[item] in train_ids for item in features.owner]
    return with_words(features, file, trained)


def add_masked(
    features: Features, base: Embedder, train_ids: set[str], cache: Path, seed: int, stopped: Callable[[], bool]
) -> Features:
    """The same features with every caption embedded again without up to three significant words (S3)."""
    rng = np.random.default_rng(seed)
    words = [words_in(caption) for caption in features.captions]
    trained = [features.ids[item] in train_ids for item in features.owner]
    statistics = WordStatistics.of(some for some, counts in zip(words, trained, strict=True) if counts)
    masked = [mask_significant(caption, statistics, rng) for caption in features.captions]
    vectors = np.zeros((len(masked), base.spec.dim), np.float16)
    there = [number for number, text in enumerate(masked) if text]
    vectors[there] = embed_texts([masked[number] or "" for number in there], base, cache, stopped).astype(np.float16)
    return replace(features, masked=vectors)


def with_words(features: Features, file: Path, trained: Sequence[bool]) -> Features:
    """With what ``save_words`` wrote of its captions; ``trained`` says which captions may count words."""
    with np.load(file) as stored:
        vectors, starts, joined = stored["vectors"], stored["starts"], stored["words"].tolist()
    words = [joined[a:b] for a, b in itertools.pairwise(starts)]
    statistics = WordStatistics.of(some for some, counts in zip(words, trained, strict=True) if counts)
    return replace(
        features,
        words=vectors,
        word_start=starts,
        word_weight=np.concatenate([word_weights(some) for some in words]),
        word_tfidf=np.concatenate([statistics.tfidf(some) for some in words]),
    )


def save_words(file: Path, found: Sequence[WordVectors]) -> None:
    """The words of each caption with their vectors, one after the other."""
    save_arrays(
        file,
        {
            "vectors": np.concatenate([vectors for _, vectors in found]).astype(np.float16),
            "starts": starts_of(np.array([len(words) for words, _ in found])),
            "words": np.array([word for words, _ in found for word in words], dtype=np.str_),
        },
    )


def _compute(captions: Sequence[str], base: Embedder, file: Path, stopped: Callable[[], bool]) -> None:
    order = np.argsort([len(c) for c in captions], kind="stable")
    found: list[WordVectors] = [([], np.empty((0, base.spec.dim), np.float32))] * len(captions)
    for start in range(0, len(order), BATCH):
        if stopped():
            raise Interrupted
        rows = order[start : start + BATCH]
        try:
            encoded = encode_words(base, [captions[i] for i in rows])
        except EmbedderError as error:
            raise TrainingError("no_words", str(error)) from error
        for row, words in zip(rows, encoded, strict=True):
            found[row] = words
    save_words(file, found)
