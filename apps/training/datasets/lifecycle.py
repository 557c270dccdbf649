"""Datasets: the row with its job, and how the job reports that it is frozen."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction

from apps.accounts.permissions import may_administer
from apps.core.exceptions import Conflict, InvalidInput, NotFound
from apps.core.jobs import enqueue
from apps.core.plain import one_line
from apps.training.checks import disk_check
from apps.training.datasets.captions import LIBRARY_TEXTS
from apps.training.datasets.files import csv_check, file_keep, manifest_check
from apps.training.job_kinds import DATASET
from apps.training.models import Dataset

State = Dataset.State

PROBLEMS_KEPT = 500
NAME_LENGTH = 120


def dataset_from_file(
    *, name: str, file: IO[bytes], file_name: str, owner: User | None, guards: bool = False
) -> Dataset:
    """A manifest (JSON lines) or a CSV. InvalidInput for what can be told without looking at a video."""
    name = _name(name or Path(file_name).stem)
    source = Dataset.Source.CSV if file_name.lower().endswith((".csv", ".tsv")) else Dataset.Source.MANIFEST
    disk_check()
    dataset = Dataset(name=name, source=source, owner=owner, guards=guards)
    kept = dataset.folder / ("source.csv" if source == Dataset.Source.CSV else "source.jsonl")
    kept.parent.mkdir(parents=True, exist_ok=True)
    try:
        file_keep(file, kept)
        (csv_check if source == Dataset.Source.CSV else manifest_check)(kept)
    except InvalidInput:
        shutil.rmtree(dataset.folder, ignore_errors=True)
        raise
    dataset.options = {"file": kept.name, "file_name": one_line(file_name)[:300], "any_path": may_administer(owner)}
    return _enqueued(dataset)


def dataset_from_library(*, name: str, texts: Sequence[str], owner: User | None, guards: bool = False) -> Dataset:
    """From titles, descriptions and subtitles of the ready videos."""
    unknown = [text for text in texts if text not in LIBRARY_TEXTS]
    if unknown or not texts:
        raise InvalidInput(f"texts must be some of {', '.join(LIBRARY_TEXTS)}.", field="texts")
    disk_check()
    options = {"texts": [str(text) for text in LIBRARY_TEXTS if text in texts]}
    return _enqueued(
        Dataset(
            name=_name(name or "Texts of the library"), source=Dataset.Source.LIBRARY, options=options,
            owner=owner, guards=guards,
        )
    )  # fmt: skip


def dataset_from_feedback(*, name: str, owner: User | None, guards: bool = False) -> Dataset:
    """From clicks and thumbs: weak labels, each with a weight below 1."""
    disk_check()
    named = _name(name or "Feedback on search results")
    return _enqueued(Dataset(name=named, source=Dataset.Source.FEEDBACK, owner=owner, guards=guards))


@transaction.atomic
def dataset_guard_set(*, dataset_id: UUID, guards: bool) -> Dataset:
    """Let every later evaluation measure candidates on this dataset, too, or no longer."""
    dataset = _locked(dataset_id)
    dataset.guards = guards
    dataset.save(update_fields=["guards", "updated_at"])
    return dataset


@transaction.atomic
def dataset_delete(*, dataset_id: UUID) -> None:
    """Conflict while a run names it: what a model was trained on stays known."""
    dataset = _locked(dataset_id)
    if dataset.runs.exists():
        raise Conflict("Training runs use this dataset; delete them first.")
    if dataset.state == State.WAITING:
        raise Conflict("The dataset is being frozen; wait until it is done or cancel its job.")
    folder = dataset.folder
    dataset.delete()
    transaction.on_commit(lambda: shutil.rmtree(folder, ignore_errors=True))


def dataset_mark_frozen(
    *,
    dataset_id: UUID,
    path: Path,
    sha256: str,
    held_out_sha256: str,
    counts: dict[str, Any],
    problems: Sequence[dict[str, Any]],
) -> None:
    """Called by the job, in its transaction."""
    Dataset.objects.filter(id=dataset_id, state=State.WAITING).update(
        state=State.FROZEN,
        path=str(path),
        sha256=sha256,
        held_out_sha256=held_out_sha256,
        counts={**counts, "problems": len(problems)},
        problems=list(problems[:PROBLEMS_KEPT]),
        failure="",
        failure_code="",
    )


def _enqueued(dataset: Dataset) -> Dataset:
    with transaction.atomic():
        dataset.save(force_insert=True)
        dataset.job = enqueue(kind=DATASET, subject_id=dataset.id, title=dataset.name)
        dataset.save(update_fields=["job"])
    return dataset


def _locked(dataset_id: UUID) -> Dataset:
    dataset = Dataset.objects.select_for_update().filter(id=dataset_id).first()
    if dataset is None:
        raise NotFound("There is no such dataset.")
    return dataset


def _name(name: str) -> str:
    name = " ".join(one_line(name).split())
    if not name:
        raise InvalidInput("Give the dataset a name.", field="name")
    if len(name) > NAME_LENGTH:
        raise InvalidInput(f"The name can have at most {NAME_LENGTH} characters.", field="name")
    return name
