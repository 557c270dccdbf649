"""A training run as a job: check in seconds, train with checkpoints, register the candidate. Thin over worker.training.

Nothing here imports torch before a run begins. A stop leaves a checkpoint, and so does a killed worker: the next
attempt continues in the same folder.
"""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction

from apps.embeddings.model_versions import model_version_register
from apps.embeddings.models import ModelVersion
from apps.training.job_kinds import TRAIN
from apps.training.models import TrainingRun
from apps.training.runs.lifecycle import (
    run_mark_checked,
    run_mark_done,
    run_mark_note,
    run_mark_running,
)
from worker.tasks.running import JobFailed, JobInterrupted, JobStopped, RunningJob, model_failed, task

if TYPE_CHECKING:
    from worker.training.prepare import Base
    from worker.training.recipe import Recipe
    from worker.training.run import Progress, TrainingResult

TRAIN_SHARE = 0.97  # of the job's progress


@task(TRAIN)
def train(job: RunningJob) -> None:
    training = TrainingRun.objects.filter(id=job.subject).select_related("dataset", "base").first()
    if training is None or training.state == TrainingRun.State.DONE:
        return  # deleted meanwhile, or a second message for work that is done
    if training.base is None:
        raise JobFailed("model", "The base model was deleted. Start a new run with another.")
    run_mark_running(run_id=training.id)
    job.progress("checking", 0.0)
    from worker.embedders.base import EmbedderError
    from worker.training.errors import Interrupted, TrainingError
    from worker.training.prepare import prepare
    from worker.training.recipe import recipe_from
    from worker.training.run import Run
    from worker.training.train import train as train_prepared

    training.folder.mkdir(parents=True, exist_ok=True)
    try:
        run = Run(training.folder, recipe_from(training.recipe), _reporter(job, training), job.stopped)
        base = _opened(training.base)
        prepared = prepare(Path(training.dataset.path), base, run, frozen_sha256=training.dataset.sha256)
        run_mark_checked(
            run_id=training.id, seconds=prepared.seconds, items=len(prepared.items), captions=prepared.captions,
            problems=[asdict(problem) for problem in prepared.problems],
        )  # fmt: skip
        job.check()
        result = train_prepared(prepared, run)
        job.progress("registering", TRAIN_SHARE)
        _finish(job, training, run.recipe, result)
    except TrainingError as error:
        raise JobFailed(error.code, error.message) from error
    except EmbedderError as error:
        raise model_failed(error) from error
    except Interrupted as error:
        job.check()  # says by whom: a person, a shutdown, or another worker that took over
        raise JobInterrupted(str(job.id)) from error


def _opened(version: ModelVersion) -> Base:
    """Read now, and still what was registered. Raises JobFailed, TrainingError or EmbedderError."""
    from safetensors import SafetensorError

    from worker.embedders.registry import load_semantic
    from worker.library.vectors import require_same_weights
    from worker.training.prepare import open_base

    load_semantic.cache_clear()  # the files may have changed since
    try:
        base = open_base(Path(version.folder))
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise JobFailed(
            "model",
            f"The files of {version} are damaged or missing ({error}). Install it again, or choose another base.",
        ) from error
    require_same_weights(version, base.embedder.spec.weights_sha256)
    return base


def _reporter(job: RunningJob, training: TrainingRun) -> Any:
    """Progress of the training as progress of the job; a message stays on the run's page."""

    def report(progress: Progress) -> None:
        if progress.message:
            run_mark_note(run_id=training.id, note=progress.message)
        # Whoever asked for an end: the training sees it, too, and ends behind its next checkpoint, not here.
        with contextlib.suppress(JobStopped):
            job.progress(progress.stage, TRAIN_SHARE * progress.fraction)

    return report


def _finish(job: RunningJob, training: TrainingRun, recipe: Recipe, result: TrainingResult) -> None:
    """The candidate under MODELS_DIR, its row, and the job that indexes and evaluates it."""
    from worker.embedders.registry import load_semantic

    folder = Path(settings.MODELS_DIR) / f"candidate-{training.id}"
    fresh = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(result.candidate, fresh)
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)
    name = f"{training.dataset.name}, {recipe.title}"[:300]
    load_semantic.cache_clear()  # of an earlier attempt, and of the base that is not needed any more
    spec = load_semantic(folder, name, "").spec
    with transaction.atomic():
        job.hold()
        version = model_version_register(
            spec=replace(spec, name=name, revision=str(training.id)[:8]),
            folder=str(folder),
            details={"run": str(training.id), "base": training.base_name, "dataset": training.dataset.sha256},
        )
        run_mark_done(
            run_id=training.id,
            candidate=version,
            figures={
                "before": result.before, "after": result.after, "best_epoch": result.best_epoch,
                "stopped_early": result.stopped_early, **result.figures,
            },
            problems=[asdict(problem) for problem in result.problems],
        )  # fmt: skip
