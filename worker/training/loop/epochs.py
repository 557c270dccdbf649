"""Epochs of a run: steps, mining, validation, early stop, and checkpoints that resume to the same way.

Everything random is drawn from (seed, epoch, step), never from a state that goes on: a run that was killed and starts
again from its last checkpoint walks the same way as one that was never killed.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from worker.embedders.semantic.fine_tuned import DualHead
from worker.training.errors import TrainingError
from worker.training.head.encoder import Objective
from worker.training.loop.checkpoint import load_checkpoint, save_checkpoint, whole_checkpoint
from worker.training.loop.events import EventLog
from worker.training.loop.mining import Mined, mine
from worker.training.loop.validation import Split, split_scores, total_rsum
from worker.training.losses import combined
from worker.training.losses.batch import PairBatch
from worker.training.recipe import Recipe
from worker.training.steps.distributed import World, any_process, wait_for_all
from worker.training.steps.precision import DivergenceGuard

STEPS_AN_EPOCH = 8  # at least: small data gets smaller batches, not fewer steps
MIN_BATCH = 16
WARM_UP = 0.1
CLIP_NORM = 1.0
CHECKPOINT_SECONDS = 60.0
ALONE = World()
FIRST_FRACTION, LAST_FRACTION = 0.45, 0.9  # of the whole run's progress, what the epochs take


@dataclass(frozen=True)
class Progress:
    """``fraction`` of the whole run in 0..1; ``point`` is one of the curve: step, epoch, loss, rate, r1, ..."""

    stage: str
    fraction: float
    message: str = ""
    point: dict[str, float] | None = None


Report = Callable[[Progress], None]


@dataclass
class RunState:
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


class Encoder(Protocol):
    """What a tier offers to the loop: steps on the train split, vectors of every split."""

    model: nn.Module

    @property
    def saved(self) -> Any: ...  # what has the state_dict of all that trains
    def head(self) -> DualHead: ...
    def write_base(self, folder: Path) -> None: ...
    def notes(self) -> dict[str, Any]: ...
    def take_notes(self, values: dict[str, Any]) -> None: ...
    def arrange(self, order: np.ndarray, mined: Mined | None) -> np.ndarray: ...
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
    world: World = ALONE,
) -> RunState:
    """Epochs with mining, validation, early stop and checkpoints; the best weights: ``best.safetensors``.

    Of several processes the leading one writes; all validate, so that all come to the same decisions.
    """
    model, captions = encoder.model, len(encoder.split("train").owner)
    size = batch_size(recipe, captions)
    size = max(size - size % world.size, world.size)  # shares of the processes must be equal
    steps = max(captions // size, 1)
    optimizer = torch.optim.AdamW(encoder.parameter_groups(), lr=recipe.rate)  # type: ignore[arg-type]
    state, mined = _resume(folder, encoder, optimizer, identity)
    guard = DivergenceGuard()
    if state.guard:
        guard.restore(state.guard)
    saved = began = time.monotonic()
    first = done = state.epoch * steps + state.step
    model.train()
    with EventLog(folder / "events", resume_step=done) if world.leads else NoEvents() as events:
        while state.epoch < recipe.epochs and state.waited < recipe.patience:
            if state.step == 0 and recipe.mining and state.epoch > 0:
                mined = mine_epoch(encoder, recipe, state.epoch)
            order = encoder.arrange(epoch_order(captions, recipe.seed, state.epoch), mined)
            while state.step < steps:
                rng = seed_step(world.seed(recipe.seed), state.epoch, state.step)
                pairs = order[state.step * size : (state.step + 1) * size]
                progress = done / (steps * recipe.epochs)
                for group in optimizer.param_groups:
                    group["lr"] = group["peak"] * rate_factor(progress)
                optimizer.zero_grad(set_to_none=True)
                objective = StepObjective(recipe, guard, progress, state.epoch, done)
                encoder.step(pairs, mined, rng, objective)
                norm = float(nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM))
                guard.check_gradient(norm, done)
                optimizer.step()
                state.step, done = state.step + 1, done + 1
                point = {"step": done, "epoch": state.epoch + state.step / steps, **objective.told}
                events.add(point | {"rate": optimizer.param_groups[0]["lr"]})
                fraction = FIRST_FRACTION + (LAST_FRACTION - FIRST_FRACTION) * progress
                report(Progress("training", fraction, point=point if done % 10 == 0 else None))
                stop = any_process(stopped(), world)
                if stop or time.monotonic() - saved > CHECKPOINT_SECONDS:
                    state.guard = guard.state()
                    events.flush()
                    _save(folder, encoder, optimizer, identity, state, mined, world)
                    saved = time.monotonic()
                if stop:
                    wait_for_all(world)
                    raise Stopped(str(folder))
            _end_epoch(encoder, folder, state, events, done, report, recipe, world)
            state.guard = guard.state()
            _save(folder, encoder, optimizer, identity, state, mined, world)
            wait_for_all(world)
            saved = time.monotonic()
    spent = time.monotonic() - began
    state.figures |= {"steps": done, "steps_per_second": (done - first) / max(spent, 1e-9), "batch": size}
    return state


class NoEvents:
    """What the processes that do not lead write."""

    def add(self, point: Mapping[str, float]) -> None: ...
    def flush(self) -> None: ...
    def __enter__(self) -> NoEvents:
        return self

    def __exit__(self, *error: object) -> None: ...


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
    state: RunState,
    events: EventLog | NoEvents,
    done: int,
    report: Report,
    recipe: Recipe,
    world: World,
) -> None:
    """Validate, keep the best, count the epochs without one."""
    scores = scores_of(encoder, "validation")
    total = total_rsum(scores)
    state.epoch, state.step = state.epoch + 1, 0
    if total > state.best:
        state.best, state.best_epoch, state.waited = total, state.epoch, 0
        weights = {k: v.contiguous() for k, v in encoder.saved.state_dict().items()}
        if world.leads:
            save_file(weights, folder / "best.new.safetensors")
            (folder / "best.new.safetensors").replace(folder / "best.safetensors")
    else:
        state.waited += 1
    point = {"step": done, "epoch": float(state.epoch), "rsum": total}
    point |= {f"{way}_{name}": scores[way][name] for way in ("t2v", "v2t") for name in ("r1", "r5", "r10")}
    events.add(point)
    fraction = FIRST_FRACTION + (LAST_FRACTION - FIRST_FRACTION) * state.epoch / recipe.epochs
    report(Progress("training", fraction, point=point))


def mine_epoch(encoder: Encoder, recipe: Recipe, epoch: int) -> Mined:
    """Hard negatives of every caption over the whole train split, with the guards of worker.training.loop.mining."""
    texts, videos = encoder.vectors("train")
    split = encoder.split("train")
    rng = np.random.default_rng([recipe.seed, epoch, 1])
    base = encoder.caption_vectors()
    return mine(texts, videos, split.owner, split.group, sample=recipe.mined, rng=rng, caption_vectors=base)


def _save(
    folder: Path,
    encoder: Encoder,
    optimizer: torch.optim.Optimizer,
    identity: dict[str, str],
    state: RunState,
    mined: Mined | None,
    world: World,
) -> None:
    if not world.leads:
        return
    modules: dict[str, Any] = {"model": encoder.saved}
    if mined is not None:
        holder = nn.Module()
        holder.register_buffer("video_of_text", torch.from_numpy(mined.video_of_text))
        holder.register_buffer("text_of_video", torch.from_numpy(mined.text_of_video))
        modules["mined"] = holder
    progress = {"identity": identity, "state": state.__dict__, "notes": encoder.notes()}
    save_checkpoint(folder / "checkpoint", modules, optimizer, progress)


def _resume(
    folder: Path, encoder: Encoder, optimizer: torch.optim.Optimizer, identity: dict[str, str]
) -> tuple[RunState, Mined | None]:
    """The state of the last checkpoint, or a fresh one; a checkpoint of other data or another recipe is an error."""
    whole = whole_checkpoint(folder / "checkpoint")
    if whole is not None:
        found = json.loads((whole / "progress.json").read_text())["identity"]
        differing = [name for name in identity if found.get(name) != identity[name]]
        if differing:
            what = ", ".join(name.removesuffix("_sha256") for name in differing)
            raise TrainingError(
                "checkpoint", f"The checkpoint of this run was made with another {what}. Start a new run instead."
            )
    progress = load_checkpoint(folder / "checkpoint", {"model": encoder.saved}, optimizer)
    if progress is None or whole is None:
        return RunState(), None
    encoder.take_notes(progress["notes"])
    tensors = load_file(whole / "state.safetensors")
    mined = None
    if "mined.video_of_text" in tensors:
        mined = Mined(tensors["mined.video_of_text"].numpy(), tensors["mined.text_of_video"].numpy(), {})
    return RunState(**progress["state"]), mined
