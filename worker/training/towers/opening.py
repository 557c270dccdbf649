"""The towers to train with the decoded pictures of their data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from worker.embedders.base import Embedder
from worker.training.data.filtering import filter_pairs
from worker.training.data.items import Item
from worker.training.data.pictures import PictureCache
from worker.training.measuring import text_vectors
from worker.training.prepare import Opened, Prepared, require_readable
from worker.training.run import Run
from worker.training.steps.precision import choose_device
from worker.training.towers.encoder import Part, TowerEncoder
from worker.training.towers.model import open_tower_model


def open_tower_encoder(prepared: Prepared, run: Run) -> Opened:
    """Decodes what is not in the cache. Raises TrainingError, or Interrupted when the run was stopped."""
    recipe, base = run.recipe, prepared.base.embedder
    cache = PictureCache(run.folder.parent / "pictures", recipe.frames, base.spec.image_side)
    items = [item for part in prepared.splits.values() for item in part]
    broken = cache.fill(items, run.embedded, run.stopped)
    unread = {problem.id for problem in broken}
    kept = {name: [item for item in part if item.id not in unread] for name, part in prepared.splits.items()}
    require_readable(kept, broken)
    filtered: dict[str, Any] = {"dropped": 0}
    if recipe.filter_percentile:
        kept["train"], filtered = filtered_items(kept["train"], cache, base, recipe.filter_percentile)
    model = open_tower_model(prepared.base.folder, recipe, choose_device(needs_gpu=recipe.needs_gpu))
    return Opened(TowerEncoder(model, kept, base, cache, run), broken, filtered)


def filtered_items(
    items: Sequence[Item], cache: PictureCache, base: Embedder, percentile: float
) -> tuple[list[Item], dict[str, Any]]:
    """The items without the captions that the base finds least alike, and the report. One without captions goes."""
    part = Part(items, {item.id: 0 for item in items})
    videos = np.stack([base.encode_clip(base.encode_frames(cache.read(item))) for item in items])
    similarity = (text_vectors(part.captions, base) * videos[part.owner]).sum(1)
    found = filter_pairs(similarity, part.owner, percentile=percentile)
    left: dict[int, list[str]] = {}
    for place in np.flatnonzero(found.keep):
        left.setdefault(int(part.owner[place]), []).append(part.captions[place])
    kept = [replace(items[number], captions=tuple(captions)) for number, captions in sorted(left.items())]
    return kept, found.report([item.id for item in items], part.captions)
