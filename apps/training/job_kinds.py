"""Jobs of training, and what becomes of a dataset, a run or a candidate when one ends or is tried again."""

from __future__ import annotations

from uuid import UUID

from django.utils import timezone

from apps.core.exceptions import Conflict
from apps.core.jobs import job_kind
from apps.embeddings.models import ModelVersion
from apps.training.checks import run_check
from apps.training.models import Dataset, TrainingRun

FREEZING_CANCELLED = "Freezing was cancelled. Create the dataset again."
STOPPED = "Stopped by a person. Resume it to continue from its last checkpoint."


def dataset_failed(dataset_id: UUID, code: str, message: str) -> None:
    waiting = Dataset.objects.filter(id=dataset_id, state=Dataset.State.WAITING)
    waiting.update(state=Dataset.State.FAILED, failure_code=code, failure=message)


def dataset_cancelled(dataset_id: UUID) -> None:
    dataset_failed(dataset_id, "cancelled", FREEZING_CANCELLED)


def dataset_retried(dataset_id: UUID) -> None:
    failed = Dataset.objects.filter(id=dataset_id, state=Dataset.State.FAILED)
    if not failed.update(state=Dataset.State.WAITING, failure="", failure_code="", problems=[]):
        raise Conflict("The dataset was deleted or is frozen already.")


def _run_ended(run_id: UUID, state: TrainingRun.State, code: str, message: str) -> None:
    active = TrainingRun.objects.filter(id=run_id, state__in=[TrainingRun.State.QUEUED, TrainingRun.State.RUNNING])
    active.update(state=state, reason_code=code, reason=message, finished_at=timezone.now())


def train_failed(run_id: UUID, code: str, message: str) -> None:
    _run_ended(run_id, TrainingRun.State.FAILED, code, message)


def train_cancelled(run_id: UUID) -> None:
    _run_ended(run_id, TrainingRun.State.STOPPED, "stopped", STOPPED)


def train_retried(run_id: UUID) -> None:
    """Conflict or InvalidInput when it cannot succeed any more."""
    run = TrainingRun.objects.select_related("dataset", "base").filter(id=run_id).first()
    if run is None:
        raise Conflict("The run was deleted.")
    if run.state == TrainingRun.State.DONE:
        raise Conflict("The run is done; there is nothing to resume.")
    run_check(run)
    run.state, run.reason, run.reason_code, run.finished_at = TrainingRun.State.QUEUED, "", "", None
    run.save(update_fields=["state", "reason", "reason_code", "finished_at", "updated_at"])


def candidate_idle(run_id: UUID) -> None:
    """Indexing and evaluation ended or failed: the version is ready again. The report says whether it passed."""
    building = ModelVersion.objects.filter(training_run__id=run_id, state=ModelVersion.State.BUILDING)
    building.update(state=ModelVersion.State.READY)


def candidate_failed(run_id: UUID, code: str, message: str) -> None:
    candidate_idle(run_id)  # the job says why


def candidate_retried(run_id: UUID) -> None:
    run = TrainingRun.objects.filter(id=run_id).first()
    if run is None or run.candidate_id is None:
        raise Conflict("The candidate or its run was deleted.")


# Subject: Dataset. Gather, check and freeze it.
DATASET = job_kind(
    "dataset", queue="default", on_failure=dataset_failed, on_cancel=dataset_cancelled, on_retry=dataset_retried
)
# Subject: TrainingRun. Check, train, register the candidate.
TRAIN = job_kind("train", queue="training", on_failure=train_failed, on_cancel=train_cancelled, on_retry=train_retried)
# Subject: TrainingRun. Index its candidate beside the active version, evaluate both.
CANDIDATE = job_kind(
    "candidate", queue="training", on_failure=candidate_failed, on_cancel=candidate_idle, on_retry=candidate_retried
)
