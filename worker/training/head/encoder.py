"""Training the head: frozen towers, their embeddings cached. A step costs milliseconds on two cores."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from worker.embedders.semantic.fine_tuned import DualHead
from worker.training.data.arrays import ragged
from worker.training.data.features import Features
from worker.training.loop.mining import Mined
from worker.training.loop.validation import Split
from worker.training.losses.batch import MAX_SCALE, START_SCALE, Objective, PairBatch
from worker.training.recipe import Recipe
from worker.training.steps.augment import drop_frames

MAX_WORDS = 24
EVALUATION_ROWS = 4096


class HeadModel(nn.Module):
    """The head that is trained, with its temperature."""

    def __init__(self, head: DualHead) -> None:
        super().__init__()
        self.head = head
        self.log_scale = nn.Parameter(torch.tensor(float(np.log(START_SCALE))))

    def scale(self) -> Tensor:
        return self.log_scale.exp().clamp(max=MAX_SCALE)


class HeadEncoder:
    """See ``loop.encoder.Encoder``. ``parts`` maps the names of the splits to their features."""

    def __init__(
        self, model: HeadModel, parts: dict[str, Features], recipe: Recipe, base_folder: Path | None = None
    ) -> None:
        self.model = self.saved = model
        self._base_folder = base_folder
        self.parts = parts
        self.recipe = recipe

    def head(self) -> DualHead:
        return self.model.head

    def write_base(self, folder: Path) -> None:
        """The base as it is. Weights never change in place: a second name for the same bytes will do."""
        if self._base_folder is None:
            raise ValueError("this encoder was made without a base folder: no candidate can be made of it")
        copy_base(self._base_folder, folder)

    def notes(self) -> dict[str, Any]:
        return {}

    def take_notes(self, values: dict[str, Any]) -> None:
        """Nothing but weights changes here."""

    def arrange(self, order: np.ndarray, mined: Mined | None) -> np.ndarray:
        """Mined negatives come as columns of their own, so the order stays."""
        return order

    @property
    def features(self) -> Features:
        return self.parts["train"]

    def split(self, name: str) -> Split:
        return Split(self.parts[name].owner, self.parts[name].group)

    def step(self, pairs: np.ndarray, mined: Mined | None, rng: np.random.Generator, objective: Objective) -> None:
        """Adds the gradients of one batch."""
        batch, anchor = self.batch(pairs, mined, rng)
        objective(batch, anchor).backward()

    def parameter_groups(self) -> list[dict[str, object]]:
        """Weight decay for matrices only."""
        matrices = [p for p in self.model.parameters() if p.ndim > 1]
        others = [p for p in self.model.parameters() if p.ndim <= 1]
        return [
            {"params": matrices, "peak": self.recipe.rate, "weight_decay": self.recipe.weight_decay},
            {"params": others, "peak": self.recipe.rate, "weight_decay": 0.0},
        ]

    def caption_vectors(self) -> np.ndarray:
        """Base embeddings of the train captions, (C, Dt): they do not drift, so near-identical captions stay so."""
        vectors = self.features.texts.astype(np.float32)
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)

    def batch(self, pairs: np.ndarray, mined: Mined | None, rng: np.random.Generator) -> tuple[PairBatch, Tensor]:
        """Caption numbers (B,) -> their batch, and how far the head moved from the base (the anchor term)."""
        f, recipe, head = self.features, self.recipe, self.model.head
        owner = f.owner[pairs]
        raw, mask = self._frames(owner, rng, drop=recipe.frame_dropout)
        frames = head.video(F.dropout(raw, recipe.dropout))
        raw_text = torch.from_numpy(f.texts[pairs].astype(np.float32))
        text = head.text(F.dropout(raw_text, recipe.dropout))
        anchor = torch.zeros(())
        if recipe.anchor and raw.shape[-1] == frames.shape[-1]:
            moved = 1 - F.cosine_similarity(frames, raw, dim=-1)
            anchor = (moved * mask).sum() / mask.sum() + (1 - F.cosine_similarity(text, raw_text, dim=-1)).mean()
        group = torch.from_numpy(f.group[owner])
        batch = PairBatch(
            text=text,
            video=head.clip(frames, mask),
            positive=group[:, None] == group[None, :],
            scale=self.model.scale(),
            weight=torch.from_numpy(f.weight[pairs]),
            frames=frames,
            frame_mask=mask,
        )
        if f.words is not None and f.word_start is not None:
            words, word_mask = ragged(f.words, f.word_start, pairs, MAX_WORDS)
            batch.words, batch.word_mask = head.text(torch.from_numpy(words)), torch.from_numpy(word_mask)
            if f.word_weight is not None:
                batch.word_weight = torch.from_numpy(ragged(f.word_weight, f.word_start, pairs, MAX_WORDS)[0])
            if f.word_tfidf is not None:
                batch.word_tfidf = torch.from_numpy(ragged(f.word_tfidf, f.word_start, pairs, MAX_WORDS)[0])
        if f.masked is not None:
            there = torch.from_numpy(f.masked[pairs].any(1)).float()[:, None]
            batch.hard_text = (head.text(torch.from_numpy(f.masked[pairs].astype(np.float32))) * there)[:, None]
        if mined is not None:
            self._add_mined(batch, pairs, mined)
        return batch, anchor

    def _frames(self, items: np.ndarray, rng: np.random.Generator | None, drop: float) -> tuple[Tensor, Tensor]:
        values, mask = ragged(self.features.frames, self.features.frame_start, items, self.recipe.frames)
        if rng is not None and drop:
            mask = drop_frames(mask, drop, rng)
        return torch.from_numpy(values), torch.from_numpy(mask)

    def _add_mined(self, batch: PairBatch, pairs: np.ndarray, mined: Mined) -> None:
        videos, texts = mined.video_of_text[pairs], mined.text_of_video[pairs]  # (B, K)
        raw, mask = self._frames(np.maximum(videos, 0).ravel(), None, 0.0)
        head = self.model.head
        shape = (*videos.shape, -1)
        batch.mined_video = head.clip(head.video(raw), mask).reshape(shape)
        chosen = np.maximum(texts, 0).ravel()
        batch.mined_text = head.text(torch.from_numpy(self.features.texts[chosen].astype(np.float32))).reshape(shape)
        batch.mined_ok = torch.from_numpy((videos >= 0) & (texts >= 0))

    @torch.inference_mode()
    def vectors(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Captions (C, D) and items (N, D) of a split, unit rows."""
        self.model.eval()
        features, head = self.parts[name], self.model.head
        texts = [
            head.text(torch.from_numpy(features.texts[i : i + EVALUATION_ROWS].astype(np.float32)))
            for i in range(0, len(features.texts), EVALUATION_ROWS)
        ]
        videos = []
        for start in range(0, len(features), EVALUATION_ROWS):
            items = np.arange(start, min(start + EVALUATION_ROWS, len(features)))
            values, mask = ragged(features.frames, features.frame_start, items, self.recipe.frames)
            videos.append(head.clip(head.video(torch.from_numpy(values)), torch.from_numpy(mask)))
        self.model.train()
        return torch.cat(texts).numpy(), torch.cat(videos).numpy()


# Made again for the candidate, or of no use beside another tower.
LEFT_OUT = ("text.onnx", "text.json", "export.json", "done")


def copy_base(source: Path, target: Path) -> None:
    """A model folder without what was exported from it."""
    shutil.copytree(source, target, copy_function=_link_or_copy, ignore=lambda _, names: set(names) & set(LEFT_OUT))


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
