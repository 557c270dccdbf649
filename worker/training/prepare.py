"""What a run begins with, read and opened once: data with its splits, the base, and what the run would cost."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from worker.embedders.base import Embedder, EmbedderError
from worker.embedders.registry import load_semantic
from worker.training.data.items import Item, ManifestError, Problem
from worker.training.data.manifest import manifest_sha256, read_manifest, require_trainable
from worker.training.data.splits import SHARES, frozen_splits
from worker.training.errors import TrainingError
from worker.training.loop.encoder import Encoder
from worker.training.losses import combined
from worker.training.losses.batch import PairBatch
from worker.training.recipe import Recipe
from worker.training.run import Progress, Run
from worker.training.steps.precision import choose_device

MIN_ITEMS = 20
MIN_SPLIT = 2
FREE_BYTES = 2 * 1024**3


@dataclass(frozen=True)
class Base:
    """A model folder and the embedder that it holds."""

    folder: Path
    embedder: Embedder


@dataclass(frozen=True)
class Prepared:
    items: list[Item]
    problems: list[Problem]  # of the manifest's other lines
    splits: dict[str, list[Item]]
    base: Base
    captions: int
    seconds: float  # that the run will take on this machine, estimated


@dataclass(frozen=True)
class Opened:
    """What trains, with the items that cannot be read, and a report of the pairs that were filtered out."""

    encoder: Encoder
    broken: list[Problem]
    filtered: dict[str, Any]


def open_base(folder: Path) -> Base:
    """Raises TrainingError("model" | "no_text_tower")."""
    try:
        embedder = load_semantic(folder, "base", "")
        embedder.encode_text(["a dog"])
    except EmbedderError as error:
        code = "no_text_tower" if "towers" in str(error) or "text" in str(error) else "model"
        raise TrainingError(code, str(error)) from error
    return Base(folder, embedder)


def prepare(manifest: Path, base: Base, run: Run, *, frozen_sha256: str = "") -> Prepared:
    """All that can be known before an hour is spent: seconds. Raises TrainingError with what to do.

    With ``frozen_sha256`` the manifest must still be what was frozen under it, and every item must be there.
    """
    recipe = run.recipe
    if run.world.size > 1 and not recipe.trains_towers:
        raise TrainingError("recipe", "Recipes that train the head run in one process: start it without torchrun.")
    run.report(Progress("checking", 0.0))
    choose_device(needs_gpu=recipe.needs_gpu)
    _check_losses(recipe)
    items, problems = _read(manifest, frozen_sha256)
    splits = usable_splits(items)
    _require_space(run, len(items), base.embedder.spec.image_side)
    captions = sum(len(item.captions) for item in items)
    a_frame = _seconds_a_frame(base.embedder)
    # Reading a picture costs about as much as embedding it with a small model; a caption a quarter of a frame.
    seconds = 30 + len(items) * recipe.frames * 2 * a_frame + captions * 0.25 * a_frame
    seconds += recipe.epochs * captions * (3 * recipe.frames * a_frame if recipe.trains_towers else 2e-4)
    return Prepared(items, problems, splits, base, captions, seconds)


def _check_losses(recipe: Recipe) -> None:
    """Two synthetic pairs: a setting that a loss refuses is reported now and not after the pictures are embedded."""
    rows = F.normalize(torch.randn(2, 2, 4, generator=torch.Generator().manual_seed(0)), dim=-1)
    seen = torch.ones(2, 2, dtype=torch.bool)
    batch = PairBatch(
        text=rows[:, 0], video=rows[:, 1], positive=torch.eye(2, dtype=torch.bool), scale=torch.tensor(20.0),
        weight=torch.ones(2), words=rows, word_mask=seen, word_weight=torch.tensor([[2.0, 1.0], [2.0, 1.0]]),
        frames=rows, frame_mask=seen,
    )  # fmt: skip
    try:
        combined(batch, recipe.losses, recipe.settings)
    except ValueError as error:  # LossError is one
        raise TrainingError("recipe", f"The losses of the recipe cannot be used: {error}.") from error


def _read(manifest: Path, frozen_sha256: str) -> tuple[list[Item], list[Problem]]:
    try:
        items, problems = read_manifest(manifest)
        if frozen_sha256:
            _require_unchanged(items, problems, frozen_sha256)
        require_trainable(items, problems, minimum=MIN_ITEMS)
    except ManifestError as error:
        raise TrainingError(error.code, error.message) from error
    return items, problems


def _require_unchanged(items: list[Item], problems: list[Problem], sha256: str) -> None:
    if problems:
        # Without some items the others could change sides, and the run would train on what it is measured on.
        raise TrainingError(
            "manifest",
            f"{len(problems)} items of the dataset cannot be found, the first: {problems[0]} "
            "Bring the files back, or create the dataset again.",
        )
    if manifest_sha256(items) != sha256:
        raise TrainingError(
            "manifest", "The files of the dataset were changed after it was frozen. Create the dataset again."
        )


def usable_splits(items: list[Item]) -> dict[str, list[Item]]:
    """Raises TrainingError("empty_data") when no run can be made of them."""
    splits = frozen_splits(items)
    if small := _too_small(splits):
        raise TrainingError(
            "empty_data",
            f"Split by video and by same-source group, too little is left for {small}. "
            "Add items that come from other videos.",
        )
    return splits


def require_readable(parts: Mapping[str, Sized], broken: list[Problem]) -> None:
    """``parts``: what is left of each split without the ``broken`` items. Raises TrainingError("empty_data")."""
    first = f" The first problem: {broken[0].message}" if broken else ""
    count = sum(map(len, parts.values()))
    if count < MIN_ITEMS:
        raise TrainingError("empty_data", f"Only {count} items have media that can be read.{first}")
    if small := _too_small(parts):
        raise TrainingError("empty_data", f"Too few items of {small} have media that can be read.{first}")


def _too_small(parts: Mapping[str, Sized]) -> str:
    return " and ".join(name for name in SHARES if len(parts.get(name, ())) < MIN_SPLIT)


def _require_space(run: Run, items: int, side: int) -> None:
    """For checkpoints and the candidate, and for the towers decoded pictures of at most twice their ``side``."""
    pictures = items * run.recipe.frames * 3 * (2 * side) ** 2 * 2 if run.recipe.trains_towers else 0  # 2: wide ones
    run.folder.mkdir(parents=True, exist_ok=True)
    free, needed = shutil.disk_usage(run.folder).free, FREE_BYTES + pictures
    if free < needed:
        raise TrainingError(
            "no_disk",
            f"Only {free / 1e9:.1f} GB are free for training, which needs {needed / 1e9:.1f} GB. Free some space.",
        )


def _seconds_a_frame(embedder: Embedder) -> float:
    pictures = [np.zeros((256, 256, 3), np.uint8)] * 8
    embedder.encode_frames(pictures)  # the first call prepares
    began = time.monotonic()
    embedder.encode_frames(pictures)
    return (time.monotonic() - began) / len(pictures)
