"""What must hold before a dataset or a run spends anything."""

from __future__ import annotations

import shutil
from pathlib import Path

from django.conf import settings

from apps.core.exceptions import Conflict, InvalidInput
from apps.embeddings.models import ModelVersion
from apps.training.models import Dataset, TrainingRun

USABLE = {ModelVersion.State.READY, ModelVersion.State.SERVING}
MIN_GROUPS = 2
NEEDED_BYTES = 1024**3  # a run writes cached embeddings, checkpoints and a candidate


def disk_check() -> None:
    """Conflict unless the data directory has space for a run."""
    folder = Path(settings.DATA_DIR)
    free = shutil.disk_usage(folder if folder.exists() else folder.parent).free
    if free < NEEDED_BYTES:
        raise Conflict(
            f"The server's disk has {free / 1024**2:.0f} MB left and training needs {NEEDED_BYTES / 1024**2:.0f} MB. "
            "Free some space, then try again."
        )


def dataset_check(dataset: Dataset) -> None:
    """Conflict or InvalidInput when a run with it cannot succeed."""
    if dataset.state == Dataset.State.WAITING:
        raise Conflict("The dataset is still being frozen; wait a moment.", field="dataset")
    if dataset.state == Dataset.State.FAILED:
        raise Conflict(f"The dataset cannot be used: {dataset.failure}", field="dataset")
    if not dataset.counts.get("items") or not dataset.counts.get("captions"):
        raise InvalidInput("The dataset is empty: there is nothing to learn from.", field="dataset")
    if dataset.counts.get("groups", 0) < MIN_GROUPS:
        raise InvalidInput("The whole dataset is of one source: there is nothing to distinguish.", field="dataset")
    if not Path(dataset.path).is_file():
        raise Conflict("The files of the dataset are missing. Create it again.", field="dataset")


def base_check(base: ModelVersion) -> None:
    """InvalidInput for a version that cannot be trained on."""
    if base.role != ModelVersion.Role.SEMANTIC:
        raise InvalidInput(f"{base} has no text tower: it finds copies, not words. Choose another.", field="base")
    if base.state not in USABLE:
        raise InvalidInput(f"{base} is {base.get_state_display()}; choose a version that is ready.", field="base")
    if not base.folder or not Path(base.folder).is_dir():
        raise InvalidInput(f"The files of {base} are gone. Install it again, or choose another.", field="base")
    if not (Path(base.folder) / "text.onnx").is_file():
        raise InvalidInput(f"{base} has no text tower (text.onnx is missing in its folder).", field="base")


def run_check(run: TrainingRun) -> None:
    """Conflict or InvalidInput when it cannot succeed with its dataset and base."""
    dataset_check(run.dataset)
    if run.base is None:
        raise Conflict("The base model was deleted. Start a new run with another.")
    base_check(run.base)
