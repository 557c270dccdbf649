"""One training run from what was prepared to a candidate folder, resumable at any point. Usable without Django."""

from __future__ import annotations

from safetensors.torch import load_file

from worker.training.candidate import read_sample, write_candidate
from worker.training.data.manifest import manifest_sha256
from worker.training.data.splits import SHARES
from worker.training.head.opening import open_head_encoder
from worker.training.loop.encoder import scores_of
from worker.training.loop.epochs import run_epochs
from worker.training.prepare import Prepared
from worker.training.run import LAST_FRACTION, Progress, Run, TrainingResult
from worker.training.steps.distributed import wait_for_all
from worker.training.towers.opening import open_tower_encoder


def train(prepared: Prepared, run: Run) -> TrainingResult:
    """Run or resume in ``run.folder``. Raises TrainingError, or Interrupted when ``run.stopped`` said so."""
    recipe, base = run.recipe, prepared.base.embedder.spec
    opened = open_tower_encoder(prepared, run) if recipe.trains_towers else open_head_encoder(prepared, run)
    encoder = opened.encoder
    before = scores_of(encoder, "test")  # an untrained head answers as the base does
    identity = {  # what a checkpoint belongs to: another data set, recipe or base starts anew instead of resuming
        "data_sha256": manifest_sha256(prepared.items),
        "recipe_sha256": recipe.sha256(),
        "base_sha256": base.weights_sha256,
    }
    state = run_epochs(encoder, run, identity)
    run.report(Progress("exporting", LAST_FRACTION))
    encoder.saved.load_state_dict(load_file(run.folder / "best.safetensors"))
    sizes = {name: len(encoder.split(name).group) for name in SHARES}
    result = TrainingResult(
        candidate=run.folder / "candidate",
        before=before,
        after=scores_of(encoder, "test"),
        best_epoch=state.best_epoch,
        stopped_early=state.epoch < recipe.epochs,
        problems=[*prepared.problems, *opened.broken],
        figures={
            **state.figures,
            **identity,
            "items": sum(sizes.values()),
            "captions": sum(len(encoder.split(name).owner) for name in SHARES),
            "split": sizes,
            "filtered": opened.filtered,
            "estimated_seconds": prepared.seconds,
        },
    )
    if run.world.leads:
        write_candidate(encoder, base.name, recipe, result, read_sample(prepared.splits["validation"]))
    wait_for_all(run.world)
    run.report(Progress("done", 1.0))
    return result
