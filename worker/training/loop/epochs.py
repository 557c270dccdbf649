"""Epochs of a run: steps, mining, validation, early stop, and checkpoints that resume to the same way.

Everything random is drawn from (seed, epoch, step), never from a state that carries over: a run that was killed and
starts again from its last checkpoint takes the same steps as one that was never killed.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from worker.training.errors import Interrupted
from worker.training.loop.encoder import Encoder, scores_of
from worker.training.loop.events import EventLog
from worker.training.loop.mining import Guards, Library, Mined, mine
from worker.training.loop.resuming import RunCheckpoint, RunState
from worker.training.loop.validation import total_rsum
from worker.training.losses import combined
from worker.training.losses.batch import PairBatch
from worker.training.recipe import Recipe
from worker.training.run import Run
from worker.training.steps.distributed import any_process, wait_for_all
from worker.training.steps.precision import DivergenceGuard

STEPS_AN_EPOCH = 8  # at least: small data gets smaller batches, not fewer steps
MIN_BATCH = 16
WARM_UP = 0.1
CLIP_NORM = 1.0
CHECKPOINT_SECONDS = 60.0


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


def run_epochs(encoder: Encoder, run: Run, identity: dict[str, str]) -> RunState:
    """Epochs with mining, validation, early stop and checkpoints; the best weights: ``best.safetensors``.

    Of several processes the leading one writes; all validate, so that all come to the same decisions. Raises
    TrainingError, or Interrupted when the run was stopped.
    """
    recipe, world = run.recipe, run.world
    model, captions = encoder.model, len(encoder.split("train").owner)
    size = batch_size(recipe, captions)
    size = max(size - size % world.size, world.size)  # shares of the processes must be equal
    steps = max(captions // size, 1)
    optimizer = torch.optim.AdamW(encoder.parameter_groups(), lr=recipe.rate)  # type: ignore[arg-type]
    checkpoint = RunCheckpoint(run, encoder, optimizer, identity)
    state, mined = checkpoint.load()
    guard = DivergenceGuard()
    if state.guard:
        guard.restore(state.guard)
    saved = began = time.monotonic()
    first = done = state.epoch * steps + state.step
    model.train()
    with EventLog(run.folder / "events", resume_step=done) if world.leads else NoEvents() as events:
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
                point = {"step": done, "epoch": state.epoch + state.step / steps, **objective.parts}
                events.add(point | {"rate": optimizer.param_groups[0]["lr"]})
                run.trained(progress, point if done % 10 == 0 else None)
                stop = any_process(run.stopped(), world)
                if stop or time.monotonic() - saved > CHECKPOINT_SECONDS:
                    state.guard = guard.state()
                    events.flush()
                    checkpoint.save(state, mined)
                    saved = time.monotonic()
                if stop:
                    wait_for_all(world)
                    raise Interrupted(str(run.folder))
            point = {"step": done, **validate(encoder, run, state)}
            events.add(point)
            run.trained(state.epoch / recipe.epochs, point)
            state.guard = guard.state()
            checkpoint.save(state, mined)
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
    """The loss of one step with its anchor; what it was is kept in ``parts`` for the curve."""

    def __init__(self, recipe: Recipe, guard: DivergenceGuard, progress: float, epoch: int, step: int) -> None:
        self._recipe, self._guard = recipe, guard
        self._progress, self._epoch, self._step = progress, epoch, step
        self.parts: dict[str, float] = {}

    def __call__(self, batch: PairBatch, anchor: Tensor) -> Tensor:
        recipe = self._recipe
        batch.progress, batch.epoch, batch.epochs = self._progress, self._epoch, recipe.epochs
        loss, parts = combined(batch, recipe.losses, recipe.settings)
        if recipe.anchor:
            loss = loss + recipe.anchor * anchor
            parts["anchor"] = float(anchor.detach())
        value = float(loss.detach())
        self._guard.check(value, self._step)
        self.parts = {"loss": value, **{f"loss_{name}": part for name, part in parts.items()}}
        return loss


def validate(encoder: Encoder, run: Run, state: RunState) -> dict[str, float]:
    """End an epoch in ``state``: keep the best weights, count the epochs since. Returns a point of the curve."""
    scores = scores_of(encoder, "validation")
    total = total_rsum(scores)
    state.epoch, state.step = state.epoch + 1, 0
    if total > state.best:
        state.best, state.best_epoch, state.waited = total, state.epoch, 0
        weights = {k: v.contiguous() for k, v in encoder.saved.state_dict().items()}
        if run.world.leads:
            save_file(weights, run.folder / "best.new.safetensors")
            (run.folder / "best.new.safetensors").replace(run.folder / "best.safetensors")
    else:
        state.waited += 1
    recalls = {f"{way}_{name}": scores[way][name] for way in ("t2v", "v2t") for name in ("r1", "r5", "r10")}
    return {"epoch": float(state.epoch), "rsum": total, **recalls}


def mine_epoch(encoder: Encoder, recipe: Recipe, epoch: int) -> Mined:
    """Hard negatives of every caption over the whole train split, with the guards of loop.mining."""
    split = encoder.split("train")
    library = Library(*encoder.vectors("train"), split.owner, split.group, encoder.caption_vectors())
    return mine(library, Guards(sample=recipe.mined), np.random.default_rng([recipe.seed, epoch, 1]))
