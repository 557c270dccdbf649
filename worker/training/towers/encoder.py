"""Training the towers: pictures from a cache on disk, GradCache over micro-batches, a share of the batch a process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from worker.embedders.base import Embedder
from worker.embedders.semantic.fine_tuned import DualHead
from worker.training.data.items import Item
from worker.training.data.pictures import PictureCache
from worker.training.data.significance import (
    WordStatistics,
    of_pieces,
    split_words,
    word_weights,
    words_in,
    words_of_pieces,
)
from worker.training.data.splits import source_numbers
from worker.training.loop.mining import Mined
from worker.training.loop.validation import Split
from worker.training.losses.batch import Objective, PairBatch
from worker.training.measuring import text_vectors
from worker.training.run import Run
from worker.training.steps import grad_cache
from worker.training.steps.augment import crop_clip, drop_frames
from worker.training.steps.distributed import average_gradients, gather_rows, positive_mask, same_start
from worker.training.steps.grad_cache import Embeddings, Tower, micro_batches
from worker.training.steps.precision import MicroBatch
from worker.training.towers.model import TowerModel


class Part:
    """The items of one split with their captions in order."""

    def __init__(self, items: Sequence[Item], source: dict[str, int]) -> None:
        self.items = list(items)
        self.captions = [caption for item in items for caption in item.captions]
        self.owner = np.repeat(np.arange(len(self.items)), [len(item.captions) for item in self.items])
        self.group = np.array([source[item.id] for item in self.items], np.int64)
        self.weight = np.array([item.weight for item in self.items], np.float32)[self.owner]


class TowerEncoder:
    """See ``loop.encoder.Encoder``."""

    def __init__(
        self, model: TowerModel, splits: dict[str, list[Item]], base: Embedder, cache: PictureCache, run: Run
    ) -> None:
        self.model = model
        self.saved = model.trained
        self.world = run.world
        self.recipe = run.recipe
        items = [item for part in splits.values() for item in part]
        source = dict(zip([item.id for item in items], source_numbers(items), strict=True))
        self.parts = {name: Part(part, source) for name, part in splits.items()}
        self.micro_batch = MicroBatch(run.recipe.micro_batch, run.note, processes=run.world.size)
        self._base, self._cache = base, cache
        self._anchors = self._base_vectors() if run.recipe.anchor else None
        self._statistics = WordStatistics.of(words_in(caption) for caption in self.parts["train"].captions)
        same_start(model, run.world)

    def parameter_groups(self) -> list[dict[str, object]]:
        return self.model.parameter_groups(self.recipe)

    def split(self, name: str) -> Split:
        return Split(self.parts[name].owner, self.parts[name].group)

    def _base_vectors(self) -> tuple[Tensor, Tensor]:
        """What the frozen base says of the train captions (C, D) and items (N, D): the anchor."""
        part = self.parts["train"]
        videos = [self._base.encode_clip(self._base.encode_frames(self._cache.read(item))) for item in part.items]
        return torch.from_numpy(text_vectors(part.captions, self._base)), torch.from_numpy(np.stack(videos))

    def caption_vectors(self) -> np.ndarray:
        """Of the frozen base: they do not drift with training."""
        return text_vectors(self.parts["train"].captions, self._base)

    def arrange(self, order: np.ndarray, mined: Mined | None) -> np.ndarray:
        """Every pair followed by a caption of a video that was mined for it: hard negatives meet in the batch."""
        if mined is None:
            return order
        place = {int(pair): i for i, pair in enumerate(order)}
        used = np.zeros(len(order), bool)
        arranged: list[int] = []
        for pair in order.tolist():
            for candidate in (pair, *mined.text_of_video[pair].tolist()):
                if candidate >= 0 and not used[place[candidate]]:
                    used[place[candidate]] = True
                    arranged.append(candidate)
        return np.array(arranged, np.int64)

    def step(self, pairs: np.ndarray, mined: Mined | None, rng: np.random.Generator, objective: Objective) -> None:
        """Adds the gradients of one batch; memory that runs out halves the micro-batch once."""
        own = self.world.share(pairs)
        part = self.parts["train"]
        clips = [crop_clip(self._cache.read(part.items[part.owner[pair]]), rng) for pair in own]
        pictures, mask = self.model.pictures(clips)
        if self.recipe.frame_dropout:
            mask = torch.from_numpy(drop_frames(mask.numpy(), self.recipe.frame_dropout, rng))
        captions = [part.captions[pair] for pair in own]
        tokens = self.model.tokenize(captions)
        facts = {
            "group": torch.from_numpy(part.group[part.owner[own]]),
            "pair_weight": torch.from_numpy(part.weight[own]),
        }
        if self._anchors is not None:
            facts |= {"base_text": self._anchors[0][own], "base_video": self._anchors[1][part.owner[own]]}
        if self.recipe.needs_words():
            facts |= self._word_facts(captions, tokens)

        def loss(rows: Embeddings) -> Tensor:
            # All on one device: what gathers between GPUs moves nothing of the processor's.
            moved = {name: tensor.to(self.model.device) for name, tensor in facts.items()}
            gathered = gather_rows({**rows, **moved}, self.world)
            return objective(self._batch(gathered), anchor_term(gathered))

        def attempt(size: int) -> None:
            self.model.zero_grad(set_to_none=True)
            parts = micro_batches((pictures, mask, tokens), size)
            grad_cache.backward([Tower(lambda some: self.model.encode_pairs(*some), parts)], loss)

        self.micro_batch.run(attempt)
        average_gradients(self.model.trainable_parameters(), self.world)

    def _word_facts(self, captions: Sequence[str], tokens: dict[str, Tensor]) -> dict[str, Tensor]:
        """Weights and TF-IDF of the words, spread over their pieces: (B, L) each."""
        weights, tfidf = [], []
        for caption, offsets in zip(captions, tokens["offsets"].tolist(), strict=True):
            spans = split_words(caption)
            words = words_in(caption)
            pieces = words_of_pieces(spans, offsets)
            weights.append(of_pieces(word_weights(words), pieces, 1.0))
            tfidf.append(of_pieces(self._statistics.tfidf(words), pieces, 0.0))
        return {
            "word_weight": torch.from_numpy(np.stack(weights)),
            "word_tfidf": torch.from_numpy(np.stack(tfidf)),
        }

    def _batch(self, rows: Embeddings) -> PairBatch:
        device = rows["text"].device
        further = {name: rows[name].to(device) for name in ("words", "word_mask", "word_weight") if name in rows}
        return PairBatch(
            text=rows["text"],
            video=rows["video"],
            positive=positive_mask(rows["group"]).to(device),
            scale=self.model.scale(),
            weight=rows["pair_weight"].to(device),
            frames=rows["frames"],
            frame_mask=rows["frame_mask"],
            word_tfidf=rows["word_tfidf"].to(device) if "word_tfidf" in rows else None,
            **further,
        )

    def vectors(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Captions (C, D) and items (N, D) of a split, unit rows."""
        part = self.parts[name]
        videos = [self.model.encode_clip(self.model.encode_frames(self._cache.read(item))) for item in part.items]
        return self.model.encode_text(part.captions), np.stack(videos)

    def write_base(self, folder: Path) -> None:
        """The trained towers as a model folder of their own kind."""
        self.model.write_base(folder)

    def head(self) -> DualHead:
        return self.model.head

    def notes(self) -> dict[str, Any]:
        """What a checkpoint holds beside the weights."""
        return {"size": self.micro_batch.size, "halved": self.micro_batch.halved}

    def take_notes(self, values: dict[str, Any]) -> None:
        self.micro_batch.size, self.micro_batch.halved = int(values["size"]), bool(values["halved"])


def anchor_term(rows: Embeddings) -> Tensor:
    """How far texts and videos moved from the base: the mean of 1 - cosine of both; 0 without an anchor."""
    if "base_text" not in rows:
        return rows["text"].new_zeros(())
    text = 1 - F.cosine_similarity(rows["text"], rows["base_text"].to(rows["text"].device), dim=1)
    video = 1 - F.cosine_similarity(rows["video"], rows["base_video"].to(rows["video"].device), dim=1)
    return text.mean() + video.mean()
