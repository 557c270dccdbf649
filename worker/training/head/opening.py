"""The head to train with the cached embeddings of its data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from worker.embedders.registry import is_fine_tuned
from worker.embedders.semantic.fine_tuned import HEAD_FILE, DualHead, FineTunedEmbedder
from worker.training.data.features import Features, extract
from worker.training.data.filtering import filter_pairs
from worker.training.data.words import add_masked, add_words
from worker.training.head.encoder import HeadEncoder, HeadModel
from worker.training.prepare import Opened, Prepared, require_readable
from worker.training.recipe import Recipe
from worker.training.run import Run


def open_head_encoder(prepared: Prepared, run: Run) -> Opened:
    """Embeds what is not in the cache. Raises TrainingError, or Interrupted when the run was stopped."""
    recipe, folder, base = run.recipe, prepared.base.folder, prepared.base.embedder
    if isinstance(base, FineTunedEmbedder):
        base = base.base
    head = start_head(folder, base.spec.dim, recipe)
    cache = run.folder.parent / "features"
    items = [item for part in prepared.splits.values() for item in part]
    features, broken = extract(items, base, cache, frames=recipe.frames, progress=run.embedded, stopped=run.stopped)
    if recipe.needs_words():
        trained = {item.id for item in prepared.splits["train"]}
        features = add_words(features, base, trained, cache, run.stopped)
        if "s3" in recipe.losses:
            features = add_masked(features, base, trained, cache, recipe.seed, run.stopped)
    parts = {name: features.of_items({item.id for item in chosen}) for name, chosen in prepared.splits.items()}
    require_readable(parts, broken)
    filtered: dict[str, Any] = {"dropped": 0}
    if recipe.filter_percentile:
        parts["train"], filtered = filtered_features(parts["train"], recipe.filter_percentile)
    towers = folder / "base" if is_fine_tuned(folder) else folder
    return Opened(HeadEncoder(HeadModel(head), parts, recipe, towers), broken, filtered)


def start_head(folder: Path, dim: int, recipe: Recipe) -> DualHead:
    """Drawn from ``recipe.seed``; a fine-tuned ``folder`` starts from its own head (and its pooling, if the same)."""
    torch.manual_seed(recipe.seed)
    head = DualHead(dim, dim, dim, recipe.pooling)
    if is_fine_tuned(folder):
        same = json.loads((folder / "config.json").read_text()).get("pooling") == recipe.pooling
        old = load_file(folder / HEAD_FILE)
        head.load_state_dict({k: v for k, v in old.items() if same or not k.startswith("pooling.")}, strict=False)
    return head


def filtered_features(part: Features, percentile: float) -> tuple[Features, dict[str, Any]]:
    """Without the pairs that the base finds least alike, and how many they are and below what."""
    pooled = part.pooled()
    pooled /= np.maximum(np.linalg.norm(pooled, axis=1, keepdims=True), 1e-12)
    similarity = (part.texts.astype(np.float32) * pooled[part.owner]).sum(1)
    kept = filter_pairs(similarity, part.owner, percentile=percentile)
    return part.without_captions(np.flatnonzero(~kept.keep)), kept.report(part.ids, part.captions)
