"""One training run from a manifest to a candidate folder, resumable at any point. Usable without Django."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Mapping, Sequence, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from worker.embedders.base import Embedder, EmbedderError
from worker.embedders.registry import load_semantic
from worker.embedders.semantic.fine_tuned import DualHead, FineTunedEmbedder
from worker.media.errors import MediaError
from worker.training.candidate import Sample, write_candidate
from worker.training.data.features import Features, Interrupted, extract, read_pictures
from worker.training.data.filtering import filter_pairs
from worker.training.data.manifest import (
    Item,
    ManifestError,
    Problem,
    manifest_sha256,
    read_manifest,
    require_trainable,
)
from worker.training.data.splits import SHARES, frozen_splits
from worker.training.data.words import add_masked, add_words
from worker.training.errors import TrainingError
from worker.training.head.encoder import HeadEncoder, HeadModel
from worker.training.loop.epochs import (
    ALONE,
    FIRST_FRACTION,
    LAST_FRACTION,
    Encoder,
    Progress,
    Report,
    Stopped,
    run_epochs,
    scores_of,
)
from worker.training.losses import combined
from worker.training.losses.batch import PairBatch
from worker.training.recipe import Recipe
from worker.training.steps.distributed import World, wait_for_all
from worker.training.steps.precision import choose_device

log = logging.getLogger(__name__)

MIN_ITEMS = 20
MIN_SPLIT = 2
SAMPLE_ITEMS, SAMPLE_PICTURES = 100, 2  # that decide about the ONNX image tower
FREE_BYTES = 2 * 1024**3


@dataclass(frozen=True)
class Estimate:
    """What a run would cost. ``seconds`` of work on this machine."""

    seconds: float
    items: int
    captions: int
    problems: list[Problem]


@dataclass(frozen=True)
class TrainingResult:
    """``before`` and ``after`` are the scores of the base and of the candidate on the test split."""

    candidate: Path
    before: dict[str, dict[str, float]]
    after: dict[str, dict[str, float]]
    best_epoch: int
    stopped_early: bool
    problems: list[Problem]
    figures: dict[str, Any]


def read_data(manifest: Path) -> tuple[list[Item], list[Problem], dict[str, list[Item]]]:
    """The items, what is wrong with others, and the splits. Raises TrainingError when no run can be made of it."""
    try:
        items, problems = read_manifest(manifest)
        require_trainable(items, problems, minimum=MIN_ITEMS)
    except ManifestError as error:
        raise TrainingError(error.code, error.message) from error
    splits = frozen_splits(items)
    small = [name for name in SHARES if len(splits.get(name, [])) < MIN_SPLIT]
    if small:
        raise TrainingError(
            "empty_data",
            f"Split by video and by same-source group, too little is left for {' and '.join(small)}. "
            "Add items that come from other videos.",
        )
    return items, problems, splits


def open_base(folder: Path) -> Embedder:
    """Raises TrainingError("model" | "no_text_tower")."""
    try:
        embedder = load_semantic(folder, "base", "")
        embedder.encode_text(["a dog"])
    except EmbedderError as error:
        code = "no_text_tower" if "towers" in str(error) or "text" in str(error) else "model"
        raise TrainingError(code, str(error)) from error
    return embedder


def check(manifest: Path, recipe: Recipe, model_folder: Path, folder: Path) -> Estimate:
    """All that can be known before an hour is spent. Raises TrainingError with what to do. Loads the model: seconds."""
    return _prepared(manifest, recipe, model_folder, folder).estimate


@dataclass(frozen=True)
class _Prepared:
    """What a run begins with, read and opened once."""

    items: list[Item]
    problems: list[Problem]
    splits: dict[str, list[Item]]
    embedder: Embedder
    estimate: Estimate


def _prepared(manifest: Path, recipe: Recipe, model_folder: Path, folder: Path) -> _Prepared:
    choose_device(needs_gpu=recipe.needs_gpu)
    _check_losses(recipe)
    items, problems, splits = read_data(manifest)
    folder.mkdir(parents=True, exist_ok=True)
    embedder = open_base(model_folder)
    free, needed = shutil.disk_usage(folder).free, needed_bytes(recipe, len(items), embedder.spec.image_side)
    if free < needed:
        raise TrainingError(
            "no_disk",
            f"Only {free / 1e9:.1f} GB are free where training writes; it needs {needed / 1e9:.1f} GB. Make room.",
        )
    pictures = [np.zeros((256, 256, 3), np.uint8)] * 8
    embedder.encode_frames(pictures)  # the first call prepares
    began = time.monotonic()
    embedder.encode_frames(pictures)
    a_frame = (time.monotonic() - began) / len(pictures)
    captions = sum(len(item.captions) for item in items)
    # Reading a picture costs about as much as embedding it with a small model; a caption a quarter of a frame.
    seconds = 30 + len(items) * recipe.frames * 2 * a_frame + captions * 0.25 * a_frame
    seconds += recipe.epochs * captions * (2e-4 if recipe.tier == "A" else 3 * recipe.frames * a_frame)
    return _Prepared(items, problems, splits, embedder, Estimate(seconds, len(items), captions, problems))


def _check_losses(recipe: Recipe) -> None:
    """Two made-up pairs: a setting that a loss refuses is told now and not after the pictures are embedded."""
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


def needed_bytes(recipe: Recipe, items: int, side: int) -> int:
    """Room for checkpoints and the candidate, and in tier B for decoded pictures of at most twice the tower's side."""
    pictures = items * recipe.frames * 3 * (2 * side) ** 2 * 2 if recipe.tier == "B" else 0  # 2: wide pictures
    return FREE_BYTES + pictures


def train(
    manifest: Path,
    recipe: Recipe,
    model_folder: Path,
    folder: Path,
    *,
    report: Report,
    stopped: Callable[[], bool],
    world: World = ALONE,
) -> TrainingResult:
    """Run or resume in ``folder``. Raises TrainingError, or Stopped when ``stopped`` said so.

    ``world``: several processes share the batches of tier B (worker.training.command under torchrun).
    """
    if world.size > 1 and recipe.tier == "A":
        raise TrainingError("recipe", "Recipes of tier A run in one process: start it without torchrun.")
    report(Progress("checking", 0.0))
    prepared = _prepared(manifest, recipe, model_folder, folder)
    splits, embedder = prepared.splits, prepared.embedder
    try:
        if recipe.tier == "A":
            made = _cached_encoder(splits, embedder, recipe, model_folder, folder, report, stopped)
        else:
            made = _tower_encoder(splits, embedder, recipe, model_folder, folder, report, stopped, world)
    except Interrupted as error:
        raise Stopped(str(folder)) from error
    encoder, broken, filtered = made
    before = scores_of(encoder, "test")  # an untrained head answers as the base does
    identity = run_identity(prepared.items, recipe, embedder)
    state = run_epochs(encoder, recipe, folder, identity, report, stopped, world)
    report(Progress("exporting", LAST_FRACTION))
    encoder.saved.load_state_dict(load_file(folder / "best.safetensors"))
    sizes = {name: len(encoder.split(name).group) for name in SHARES}
    result = TrainingResult(
        candidate=folder / "candidate",
        before=before,
        after=scores_of(encoder, "test"),
        best_epoch=state.best_epoch,
        stopped_early=state.epoch < recipe.epochs,
        problems=[*prepared.problems, *broken],
        figures={
            **state.figures,
            **identity,
            "items": sum(sizes.values()),
            "captions": sum(len(encoder.split(name).owner) for name in SHARES),
            "split": sizes,
            "filtered": filtered,
            "estimated_seconds": prepared.estimate.seconds,
        },
    )
    if world.leads:
        sample = read_sample(splits["validation"])
        write_candidate(encoder.head(), encoder.write_base, embedder.spec.name, recipe, result, sample)
    wait_for_all(world)
    report(Progress("done", 1.0))
    return result


Made = tuple[Encoder, list[Problem], dict[str, Any]]  # with the items that cannot be read, and what was filtered


def _embedding(report: Report) -> Callable[[float], None]:
    return lambda done: report(Progress("embedding", 0.02 + (FIRST_FRACTION - 0.02) * done))


def _cached_encoder(
    splits: dict[str, list[Item]],
    embedder: Embedder,
    recipe: Recipe,
    model_folder: Path,
    folder: Path,
    report: Report,
    stopped: Callable[[], bool],
) -> Made:
    base, head = start_head(embedder, recipe)
    cache = folder.parent / "features"
    items = [item for part in splits.values() for item in part]
    features, broken = extract(items, base, cache, frames=recipe.frames, progress=_embedding(report), stopped=stopped)
    if recipe.needs_words():
        trained = {item.id for item in splits["train"]}
        features = add_words(features, base, trained, cache, stopped)
        if "s3" in recipe.losses:
            features = add_masked(features, base, trained, cache, recipe.seed, stopped)
    parts = {name: _part(features, chosen) for name, chosen in splits.items()}
    _refuse_few(parts, broken)
    parts["train"], filtered = _filtered(parts["train"], recipe)
    return HeadEncoder(HeadModel(head), parts, recipe, _base_folder(embedder, model_folder)), broken, filtered


def _tower_encoder(
    splits: dict[str, list[Item]],
    embedder: Embedder,
    recipe: Recipe,
    model_folder: Path,
    folder: Path,
    report: Report,
    stopped: Callable[[], bool],
    world: World,
) -> Made:
    from worker.training.towers.encoder import PictureCache, TowerEncoder, filtered_items
    from worker.training.towers.model import open_tower_model

    cache = PictureCache(folder.parent / "pictures", recipe.frames, embedder.spec.image_side)
    items = [item for part in splits.values() for item in part]
    broken = cache.fill(items, _embedding(report), stopped)
    unread = {problem.id for problem in broken}
    kept = {name: [item for item in part if item.id not in unread] for name, part in splits.items()}
    _refuse_few(kept, broken)
    filtered: dict[str, Any] = {"dropped": 0}
    if recipe.filter_percentile:
        kept["train"], filtered = filtered_items(kept["train"], cache, embedder, recipe.filter_percentile)
    model = open_tower_model(model_folder, recipe, choose_device(needs_gpu=recipe.needs_gpu))

    def told(message: str) -> None:
        report(Progress("training", FIRST_FRACTION, message=message))

    encoder = TowerEncoder(model, kept, embedder, cache, recipe, told, world)
    return encoder, broken, filtered


def read_sample(items: list[Item]) -> Sample:
    """The first items that can be read, with a few pictures each."""
    sample = Sample([], [])
    for item in items[: 2 * SAMPLE_ITEMS]:
        try:
            pictures = read_pictures(item, SAMPLE_PICTURES)
        except (MediaError, OSError):
            continue  # told as a problem of the run
        sample.pictures.append(pictures)
        sample.captions.append(list(item.captions))
        if len(sample.pictures) == SAMPLE_ITEMS:
            break
    return sample


def _refuse_few(parts: Mapping[str, Sized], broken: list[Problem]) -> None:
    """Of the splits' items that can be read."""
    first = f" The first problem: {broken[0].message}" if broken else ""
    count = sum(map(len, parts.values()))
    if count < MIN_ITEMS:
        raise TrainingError("empty_data", f"Only {count} items have media that can be read.{first}")
    small = [name for name in SHARES if len(parts.get(name, ())) < MIN_SPLIT]
    if small:
        raise TrainingError("empty_data", f"Too few items of {' and '.join(small)} have media that can be read.{first}")


def start_head(embedder: Embedder, recipe: Recipe) -> tuple[Embedder, DualHead]:
    """The base whose embeddings are cached, and the head to train. A fine-tuned model goes on from its own head."""
    base = embedder.base if isinstance(embedder, FineTunedEmbedder) else embedder
    torch.manual_seed(recipe.seed)
    head = DualHead(base.spec.dim, base.spec.dim, base.spec.dim, recipe.pooling)
    if isinstance(embedder, FineTunedEmbedder):
        old = embedder.head.state_dict()
        if embedder.config["pooling"] != recipe.pooling:
            old = {k: v for k, v in old.items() if not k.startswith("pooling.")}
        head.load_state_dict(old, strict=False)
    return base, head


def _base_folder(embedder: Embedder, model_folder: Path) -> Path:
    return model_folder / "base" if isinstance(embedder, FineTunedEmbedder) else model_folder


def run_identity(items: Sequence[Item], recipe: Recipe, embedder: Embedder) -> dict[str, str]:
    """What a checkpoint belongs to: another data set, recipe or base starts anew instead of resuming."""
    return {
        "data_sha256": manifest_sha256(list(items)),
        "recipe_sha256": recipe.sha256(),
        "base_sha256": embedder.spec.weights_sha256,
    }


def _part(features: Features, chosen: Sequence[Item]) -> Features:
    names = {item.id for item in chosen}
    return features.select(np.array([i for i, name in enumerate(features.ids) if name in names], np.int64))


def _filtered(part: Features, recipe: Recipe) -> tuple[Features, dict[str, Any]]:
    """Drop the pairs that the base finds least alike; says how many and below what."""
    if not recipe.filter_percentile:
        return part, {"dropped": 0}
    pooled = part.pooled()
    pooled /= np.maximum(np.linalg.norm(pooled, axis=1, keepdims=True), 1e-12)
    similarity = (part.texts.astype(np.float32) * pooled[part.owner]).sum(1)
    kept = filter_pairs(similarity, part.owner, percentile=recipe.filter_percentile)
    return part.without_captions(np.flatnonzero(~kept.keep)), kept.report(part.ids, part.captions)
