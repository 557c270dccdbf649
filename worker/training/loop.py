"""One training run from a manifest to a candidate folder, resumable at any point.

Everything random is drawn from (seed, epoch, step), never from a state that goes on: a run that was killed and starts
again from its last checkpoint walks the same way as one that was never killed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from worker.embedders.base import Embedder, EmbedderError
from worker.embedders.fine_tuned import DualHead, FineTunedEmbedder
from worker.embedders.registry import load_semantic
from worker.training.checkpoint import load_checkpoint, save_checkpoint
from worker.training.errors import TrainingError
from worker.training.events import EventLog
from worker.training.features import Features, Interrupted, extract
from worker.training.filtering import filter_pairs
from worker.training.losses import combined
from worker.training.losses.batch import PairBatch
from worker.training.manifest import Item, ManifestError, Problem, manifest_sha256, read_manifest, split_items
from worker.training.mining import Mined, mine
from worker.training.precision import DivergenceGuard, choose_device
from worker.training.recipe import Recipe
from worker.training.release import write_candidate
from worker.training.tier_a import CachedEncoder, HeadModel, Objective
from worker.training.validation import Split, split_scores, total_rsum
from worker.training.words import add_words

log = logging.getLogger(__name__)

SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}
SPLIT_SEED = 0  # the same for every run: two runs on one data set are measured on the same items
MIN_ITEMS = 20
MIN_SPLIT = 2
STEPS_AN_EPOCH = 8  # at least: small data gets smaller batches, not fewer steps
MIN_BATCH = 16
WARM_UP = 0.1
CLIP_NORM = 1.0
CHECKPOINT_SECONDS = 60.0
FREE_BYTES = 2 * 1024**3
EXTRACT_SHARE, TRAIN_SHARE = 0.45, 0.9  # of the run's progress, cumulative


@dataclass(frozen=True)
class Progress:
    """``fraction`` of the whole run in 0..1; ``point`` is one of the curve: step, epoch, loss, rate, r1, ..."""

    stage: str
    fraction: float
    message: str = ""
    point: dict[str, float] | None = None


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


Report = Callable[[Progress], None]


@dataclass
class _State:
    """What a checkpoint holds beside the tensors."""

    epoch: int = 0
    step: int = 0  # within the epoch
    best: float = -1.0
    best_epoch: int = -1
    waited: int = 0  # epochs since the best
    guard: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)


class Stopped(Exception):
    """``stopped`` said so. The checkpoint is written: calling train again goes on from there."""


def read_data(manifest: Path) -> tuple[list[Item], list[Problem], dict[str, list[Item]]]:
    """The items, what is wrong with others, and the splits. Raises TrainingError when no run can be made of it."""
    try:
        items, problems = read_manifest(manifest)
    except ManifestError as error:
        raise TrainingError(error.code, error.message) from error
    if len(items) < MIN_ITEMS:
        broken = f" ({len(problems)} more are broken: {problems[0].message})" if problems else ""
        raise TrainingError(
            "empty_data", f"The data has {len(items)} usable items{broken}; training needs at least {MIN_ITEMS}."
        )
    if len({caption for item in items for caption in item.captions}) < 2:
        raise TrainingError(
            "one_class", "Every caption is the same, so there is nothing to tell apart. Add captions that differ."
        )
    splits = split_items(items, shares=SHARES, seed=SPLIT_SEED)
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
    choose_device(needs_gpu=recipe.needs_gpu)
    items, problems, _ = read_data(manifest)
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < FREE_BYTES:
        raise TrainingError(
            "no_disk",
            f"Only {free / 1e9:.1f} GB are free where training writes; it needs {FREE_BYTES / 1e9:.0f} GB. Make room.",
        )
    embedder = open_base(model_folder)
    pictures = [np.zeros((256, 256, 3), np.uint8)] * 8
    began = time.monotonic()
    embedder.encode_frames(pictures)
    a_frame = (time.monotonic() - began) / len(pictures)
    captions = sum(len(item.captions) for item in items)
    # Reading a picture costs about as much as embedding it with a small model; a caption a quarter of a frame.
    seconds = 30 + len(items) * recipe.frames * 2 * a_frame + captions * 0.25 * a_frame
    seconds += recipe.epochs * captions * (2e-4 if recipe.tier == "A" else 3 * recipe.frames * a_frame)
    return Estimate(seconds, len(items), captions, problems)


def train(
    manifest: Path,
    recipe: Recipe,
    model_folder: Path,
    folder: Path,
    *,
    report: Report,
    stopped: Callable[[], bool],
) -> TrainingResult:
    """Run or resume in ``folder``. Raises TrainingError, or Stopped when ``stopped`` said so."""
    report(Progress("checking", 0.0))
    estimate = check(manifest, recipe, model_folder, folder)
    items, problems, splits = read_data(manifest)
    embedder = open_base(model_folder)
    torch.manual_seed(recipe.seed)
    if recipe.tier == "B":
        from worker.training.tier_b_run import train_towers  # loads what only this tier needs

        return train_towers(items, problems, splits, recipe, model_folder, folder, report=report, stopped=stopped)
    base, head = start_head(embedder, recipe)
    try:
        features, broken = extract(
            items,
            base,
            folder.parent / "features",
            frames=recipe.frames,
            progress=lambda f: report(Progress("embedding", 0.02 + (EXTRACT_SHARE - 0.02) * f)),
            stopped=stopped,
        )
    except Interrupted as error:
        raise Stopped(str(folder)) from error
    problems = [*problems, *broken]
    if len(features) < MIN_ITEMS:
        first = f" The first problem: {broken[0].message}" if broken else ""
        raise TrainingError("empty_data", f"Only {len(features)} items have media that can be read.{first}")
    if recipe.needs_words():
        trained = {item.id for item in splits["train"]}
        features = add_words(features, base, trained, folder.parent / "features", stopped)
    parts = {name: _part(features, chosen) for name, chosen in splits.items()}
    parts["train"], filtered = _filtered(parts["train"], recipe)
    model = HeadModel(head)
    encoder = CachedEncoder(model, parts, recipe)
    before = scores_of(encoder, "test")  # the untrained head answers as the base does
    identity = run_identity(items, recipe, embedder)
    state = run_epochs(encoder, recipe, folder, identity, report, stopped)
    report(Progress("exporting", TRAIN_SHARE))
    model.load_state_dict(load_file(folder / "best.safetensors"))
    after = scores_of(encoder, "test")
    figures = {
        **state.figures,
        **identity,
        "items": len(features),
        "captions": len(features.captions),
        "split": {name: len(part) for name, part in parts.items()},
        "filtered": filtered,
        "estimated_seconds": estimate.seconds,
    }
    result = TrainingResult(
        candidate=folder / "candidate",
        before=before,
        after=after,
        best_epoch=state.best_epoch,
        stopped_early=state.epoch < recipe.epochs,
        problems=problems,
        figures=figures,
    )
    write_candidate(model.head, _base_folder(embedder, model_folder), base, recipe, result)
    report(Progress("done", 1.0))
    return result


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


class Encoder(Protocol):
    """What a tier offers to the loop: steps on the train split, vectors of every split."""

    model: nn.Module

    def parameter_groups(self) -> list[dict[str, object]]: ...
    def split(self, name: str) -> Split: ...
    def step(self, pairs: np.ndarray, mined: Mined | None, rng: np.random.Generator, objective: Objective) -> None: ...
    def vectors(self, name: str) -> tuple[np.ndarray, np.ndarray]: ...
    def caption_vectors(self) -> np.ndarray | None: ...


def scores_of(encoder: Encoder, name: str) -> dict[str, dict[str, float]]:
    """Metrics of one split."""
    return split_scores(*encoder.vectors(name), encoder.split(name))


def batch_size(recipe: Recipe, pairs: int) -> int:
    """At least STEPS_AN_EPOCH batches an epoch where the data allows."""
    return max(min(recipe.batch, pairs // STEPS_AN_EPOCH), min(MIN_BATCH, pairs))


def rate_factor(progress: float) -> float:
    """Cosine with WARM_UP, ending at 1 %."""
    if progress < WARM_UP:
        return 0.01 + 0.99 * progress / WARM_UP
    return 0.01 + 0.99 * 0.5 * (1 + float(np.cos(np.pi * min((progress - WARM_UP) / (1 - WARM_UP), 1.0))))


def epoch_order(pairs: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(pairs)


def seed_step(seed: int, epoch: int, step: int) -> np.random.Generator:
    """Sets torch's generator and returns numpy's; both depend on nothing but the three numbers."""
    digest = hashlib.sha256(f"{seed} {epoch} {step}".encode()).digest()
    torch.manual_seed(int.from_bytes(digest[:7], "big"))
    return np.random.default_rng(list(digest[:16]))


def run_epochs(
    encoder: Encoder,
    recipe: Recipe,
    folder: Path,
    identity: dict[str, str],
    report: Report,
    stopped: Callable[[], bool],
) -> _State:
    """Epochs with mining, validation, early stop and checkpoints; the best weights: ``best.safetensors``."""
    model, captions = encoder.model, len(encoder.split("train").owner)
    size = batch_size(recipe, captions)
    steps = max(captions // size, 1)
    optimizer = torch.optim.AdamW(encoder.parameter_groups(), lr=recipe.rate)  # type: ignore[arg-type]
    state, mined = _resume(folder, model, optimizer, identity)
    guard = DivergenceGuard()
    if state.guard:
        guard.restore(state.guard)
    saved = began = time.monotonic()
    first = done = state.epoch * steps + state.step
    model.train()
    with EventLog(folder / "events", resume_step=done) as events:
        while state.epoch < recipe.epochs and state.waited < recipe.patience:
            if state.step == 0 and recipe.mining and state.epoch > 0:
                mined = mine_epoch(encoder, recipe, state.epoch)
            order = epoch_order(captions, recipe.seed, state.epoch)
            while state.step < steps:
                rng = seed_step(recipe.seed, state.epoch, state.step)
                pairs = order[state.step * size : (state.step + 1) * size]
                progress = done / (steps * recipe.epochs)
                for group in optimizer.param_groups:
                    group["lr"] = group["peak"] * rate_factor(progress)
                optimizer.zero_grad(set_to_none=True)
                objective = StepObjective(recipe, guard, progress, state.epoch, done)
                encoder.step(pairs, mined, rng, objective)
                nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
                optimizer.step()
                state.step, done = state.step + 1, done + 1
                point = {"step": done, "epoch": state.epoch + state.step / steps, **objective.told}
                events.add(point | {"rate": optimizer.param_groups[0]["lr"]})
                fraction = EXTRACT_SHARE + (TRAIN_SHARE - EXTRACT_SHARE) * progress
                report(Progress("training", fraction, point=point if done % 10 == 0 else None))
                if stopped() or time.monotonic() - saved > CHECKPOINT_SECONDS:
                    state.guard = guard.state()
                    events.flush()
                    _save(folder, model, optimizer, identity, state, mined)
                    saved = time.monotonic()
                    if stopped():
                        raise Stopped(str(folder))
            _end_epoch(encoder, folder, state, events, done, report, recipe)
            state.guard = guard.state()
            _save(folder, model, optimizer, identity, state, mined)
            saved = time.monotonic()
    spent = time.monotonic() - began
    state.figures |= {"steps": done, "steps_per_second": (done - first) / max(spent, 1e-9), "batch": size}
    return state


class StepObjective:
    """The loss of one step with its anchor; what it was is kept in ``told`` for the curve."""

    def __init__(self, recipe: Recipe, guard: DivergenceGuard, progress: float, epoch: int, step: int) -> None:
        self._recipe, self._guard = recipe, guard
        self._progress, self._epoch, self._step = progress, epoch, step
        self.told: dict[str, float] = {}

    def __call__(self, batch: PairBatch, anchor: Tensor) -> Tensor:
        recipe = self._recipe
        batch.progress, batch.epoch, batch.epochs = self._progress, self._epoch, recipe.epochs
        loss, parts = combined(batch, recipe.losses, recipe.settings)
        if recipe.anchor:
            loss = loss + recipe.anchor * anchor
            parts["anchor"] = float(anchor.detach())
        value = float(loss.detach())
        self._guard.check(value, self._step)
        self.told = {"loss": value, **{f"loss_{name}": part for name, part in parts.items()}}
        return loss


def _end_epoch(
    encoder: Encoder,
    folder: Path,
    state: _State,
    events: EventLog,
    done: int,
    report: Report,
    recipe: Recipe,
) -> None:
    """Validate, keep the best, count the epochs without one."""
    scores = scores_of(encoder, "validation")
    total = total_rsum(scores)
    state.epoch, state.step = state.epoch + 1, 0
    if total > state.best:
        state.best, state.best_epoch, state.waited = total, state.epoch, 0
        weights = {k: v.contiguous() for k, v in encoder.model.state_dict().items()}
        save_file(weights, folder / "best.new.safetensors")
        (folder / "best.new.safetensors").replace(folder / "best.safetensors")
    else:
        state.waited += 1
    point = {"step": done, "epoch": float(state.epoch), "rsum": total}
    point |= {f"{way}_{name}": scores[way][name] for way in ("t2v", "v2t") for name in ("r1", "r5", "r10")}
    events.add(point)
    fraction = EXTRACT_SHARE + (TRAIN_SHARE - EXTRACT_SHARE) * state.epoch / recipe.epochs
    report(Progress("training", fraction, point=point))


def mine_epoch(encoder: Encoder, recipe: Recipe, epoch: int) -> Mined:
    """Hard negatives of every caption over the whole train split, with the guards of worker.training.mining."""
    texts, videos = encoder.vectors("train")
    split = encoder.split("train")
    rng = np.random.default_rng([recipe.seed, epoch, 1])
    base = encoder.caption_vectors()
    return mine(texts, videos, split.owner, split.group, sample=recipe.mined, rng=rng, caption_vectors=base)


def _save(
    folder: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    identity: dict[str, str],
    state: _State,
    mined: Mined | None,
) -> None:
    modules: dict[str, nn.Module] = {"model": model}
    if mined is not None:
        holder = nn.Module()
        holder.register_buffer("video_of_text", torch.from_numpy(mined.video_of_text))
        holder.register_buffer("text_of_video", torch.from_numpy(mined.text_of_video))
        modules["mined"] = holder
    save_checkpoint(folder / "checkpoint", modules, optimizer, {"identity": identity, "state": state.__dict__})


def _resume(
    folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer, identity: dict[str, str]
) -> tuple[_State, Mined | None]:
    """The state of the last checkpoint, or a fresh one; a checkpoint of other data or another recipe is an error."""
    progress_file = folder / "checkpoint" / "progress.json"
    if progress_file.exists():
        found = json.loads(progress_file.read_text())["identity"]
        differing = [name for name in identity if found.get(name) != identity[name]]
        if differing:
            what = ", ".join(name.removesuffix("_sha256") for name in differing)
            raise TrainingError(
                "checkpoint", f"The checkpoint of this run was made with another {what}. Start a new run instead."
            )
    progress = load_checkpoint(folder / "checkpoint", {"model": model}, optimizer)
    if progress is None:
        return _State(), None
    tensors = load_file(folder / "checkpoint" / "state.safetensors")
    mined = None
    if "mined.video_of_text" in tensors:
        mined = Mined(tensors["mined.video_of_text"].numpy(), tensors["mined.text_of_video"].numpy(), {})
    return _State(**progress["state"]), mined
