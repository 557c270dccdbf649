"""Training runs: made as a draft with its cost, started, stopped, resumed; and how their jobs report back."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from apps.core.exceptions import Conflict, NotFound
from apps.core.jobs import enqueue, job_cancel, job_retry
from apps.core.models import Job
from apps.embeddings.models import ModelVersion
from apps.embeddings.selectors import model_version_serving
from apps.training.checks import base_check, dataset_check, disk_check, run_check
from apps.training.job_kinds import CANDIDATE, TRAIN, train_retried
from apps.training.models import Dataset, TrainingRun
from apps.training.runs.estimate import estimate_seconds
from apps.training.runs.recipes import recipe_check, recipe_preset

State = TrainingRun.State
PROBLEMS_KEPT = 500


def run_create(
    *, dataset_id: UUID, recipe: str | dict[str, Any], base_id: UUID | None = None, person: User | None = None
) -> TrainingRun:
    """A draft with its estimated cost; ``run_start`` spends it. Raises InvalidInput, NotFound, Conflict."""
    dataset = Dataset.objects.filter(id=dataset_id).first()
    if dataset is None:
        raise NotFound("There is no such dataset.", field="dataset")
    dataset_check(dataset)
    chosen = recipe_preset(recipe) if isinstance(recipe, str) else recipe_check(recipe)
    base = _base(base_id)
    seconds = estimate_seconds(chosen, items=dataset.counts["items"], captions=dataset.counts["captions"])
    return TrainingRun.objects.create(
        dataset=dataset,
        recipe=chosen,
        base=base,
        base_name=str(base),
        estimate={
            "seconds": seconds,
            "items": dataset.counts["items"],
            "captions": dataset.counts["captions"],
            "checked": False,
        },
        started_by=person,
    )


def _base(base_id: UUID | None) -> ModelVersion:
    base = (
        ModelVersion.objects.filter(id=base_id).first()
        if base_id
        else model_version_serving(ModelVersion.Role.SEMANTIC)
    )
    if base is None:
        raise NotFound("There is no such model version." if base_id else "No model is active yet.", field="base")
    base_check(base)
    return base


def run_start(*, run_id: UUID, person: User | None = None) -> TrainingRun:
    """Queue a draft. Conflict when it is no draft any more, or the disk is full."""
    disk_check()
    with transaction.atomic():
        run = _locked(run_id)
        if run.state != State.DRAFT:
            raise Conflict(f"This run is {run.get_state_display()}; only a draft can be started.")
        run_check(run)
        run.folder.mkdir(parents=True, exist_ok=True)
        run.state, run.started_at = State.QUEUED, timezone.now()
        run.started_by = person or run.started_by
        run.job = enqueue(kind=TRAIN, subject_id=run.id, title=str(run))
        run.save(update_fields=["state", "started_at", "started_by", "job", "updated_at"])
        return run


def run_stop(*, run_id: UUID) -> TrainingRun:
    """End now while it waits, or at its next step with a checkpoint. Conflict when nothing is running."""
    with transaction.atomic():
        run = _locked(run_id)
        if not run.active or run.job is None:
            raise Conflict(f"This run is {run.get_state_display()}; there is nothing to stop.")
        job_cancel(job_id=run.job.id)
    run.refresh_from_db()
    return run


def run_resume(*, run_id: UUID) -> TrainingRun:
    """Continue from the last checkpoint of a stopped or failed run."""
    disk_check()
    with transaction.atomic():
        run = _locked(run_id)
        if run.state not in {State.STOPPED, State.FAILED}:
            raise Conflict(f"This run is {run.get_state_display()}; only a stopped or failed one can be resumed.")
        job = run.job
        if job is not None and job.state in {Job.State.FAILED, Job.State.CANCELLED}:
            job_retry(job_id=job.id)  # its hook sets the state
        elif job is not None and job.active:
            raise Conflict("The run is being stopped; try again in a moment.")
        else:
            train_retried(run.id)
            run.job = enqueue(kind=TRAIN, subject_id=run.id, title=str(run))
            run.save(update_fields=["job"])
    run.refresh_from_db()
    return run


def run_evaluate(*, run_id: UUID) -> TrainingRun:
    """Index and evaluate the candidate (again): after a failure, or because another version is active by now."""
    with transaction.atomic():
        run = _locked(run_id)
        if run.candidate is None:
            raise Conflict("This run has no candidate yet.")
        if run.candidate_job is not None and run.candidate_job.active:
            raise Conflict("The candidate is being indexed and evaluated already.")
        # Files that could not be read the last time may be back.
        run.candidate.details.pop("unreadable", None)
        run.candidate.save(update_fields=["details", "updated_at"])
        return _evaluation_queue(run)


@transaction.atomic
def run_delete(*, run_id: UUID) -> None:
    """Remove a run that is not at work, with its checkpoints. Its candidate, if any, stays."""
    run = _locked(run_id)
    if run.active or (run.candidate_job is not None and run.candidate_job.active):
        raise Conflict("Stop the run first.")
    folder = run.folder
    run.delete()
    transaction.on_commit(lambda: shutil.rmtree(folder, ignore_errors=True))


def run_mark_running(*, run_id: UUID) -> None:
    TrainingRun.objects.filter(id=run_id).update(state=State.RUNNING, reason="", reason_code="", finished_at=None)


def run_mark_checked(
    *, run_id: UUID, seconds: float, items: int, captions: int, problems: Sequence[dict[str, Any]]
) -> None:
    """What the job's first stage found, before anything is spent."""
    TrainingRun.objects.filter(id=run_id).update(
        estimate={"seconds": seconds, "items": items, "captions": captions, "checked": True},
        problems=list(problems[:PROBLEMS_KEPT]),
    )


def run_mark_note(*, run_id: UUID, note: str) -> None:
    TrainingRun.objects.filter(id=run_id).update(note=note[:1000])


def run_mark_done(
    *, run_id: UUID, candidate: ModelVersion, figures: dict[str, Any], problems: Sequence[dict[str, Any]]
) -> None:
    """In the job's transaction: the candidate exists, and its indexing is queued."""
    run = _locked(run_id)
    TrainingRun.objects.filter(candidate=candidate).exclude(id=run_id).update(candidate=None)  # the same weights again
    run.state, run.candidate, run.finished_at = State.DONE, candidate, timezone.now()
    run.figures, run.problems = figures, list(problems[:PROBLEMS_KEPT])
    run.save(update_fields=["state", "candidate", "finished_at", "figures", "problems", "updated_at"])
    _evaluation_queue(run)


def candidate_mark_building(*, run_id: UUID) -> None:
    """The candidate is being indexed; until that ends it cannot become active."""
    idle = [ModelVersion.State.READY, ModelVersion.State.FAILED]
    ModelVersion.objects.filter(training_run__id=run_id, state__in=idle).update(state=ModelVersion.State.BUILDING)


def _evaluation_queue(run: TrainingRun) -> TrainingRun:
    run.candidate_job = enqueue(kind=CANDIDATE, subject_id=run.id, title=str(run))
    run.save(update_fields=["candidate_job", "updated_at"])
    return run


def _locked(run_id: UUID) -> TrainingRun:
    run = TrainingRun.objects.select_for_update(of=("self",)).filter(id=run_id).first()
    if run is None:
        raise NotFound("There is no such training run.")
    return run
