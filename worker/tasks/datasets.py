"""Freezing a dataset: gather its lines, check every one, hold a part out, write it once and hash it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.db import transaction

from apps.training.datasets.captions import feedback_lines, library_lines, source_groups
from apps.training.datasets.files import csv_dialect
from apps.training.datasets.lifecycle import dataset_mark_frozen
from apps.training.datasets.references import NotReadable, References
from apps.training.job_kinds import DATASET
from apps.training.models import MANIFEST, Dataset
from worker.tasks.running import JobFailed, RunningJob, task
from worker.training.data.items import Item, ManifestError, Problem
from worker.training.data.manifest import read_manifest, require_trainable, write_manifest
from worker.training.data.sent_files import Line, csv_lines, json_lines
from worker.training.data.splits import frozen_splits, source_numbers

NOTHING = {
    Dataset.Source.LIBRARY: "No ready video has a text that says what it shows. Give videos titles or descriptions.",
    Dataset.Source.FEEDBACK: "Nobody has rated a moment yet, or as many thumbs point down as up.",
}


@task(DATASET)
def dataset(job: RunningJob) -> None:
    dataset = Dataset.objects.filter(id=job.subject).first()
    if dataset is None or dataset.state != Dataset.State.WAITING:
        return  # deleted meanwhile, or a second message for work that is done
    dataset.folder.mkdir(parents=True, exist_ok=True)
    job.progress("gathering", 0.05)
    gathered = dataset.folder / "gathered.jsonl"
    refused: list[Problem] = []
    try:
        written = _write_lines(_gathered(dataset, refused), gathered, job)
        job.progress("checking", 0.5)
        if not written and not refused:
            raise ManifestError(
                "empty_data", NOTHING.get(Dataset.Source(dataset.source), "The file contains no items.")
            )
        items, problems = read_manifest(gathered) if written else ([], [])
        problems = sorted([*refused, *problems], key=lambda problem: problem.line)
        job.progress("checking", 0.8)
        require_trainable(items, problems)
    except ManifestError as error:
        raise JobFailed(error.code, error.message) from error
    finally:
        gathered.unlink(missing_ok=True)
    _write(job, dataset, items, problems)


def _write(job: RunningJob, dataset: Dataset, items: list[Item], problems: list[Problem]) -> None:
    splits = frozen_splits(items)
    path = dataset.folder / MANIFEST
    sha256 = write_manifest(items, path)
    held_out = write_manifest(splits["test"], dataset.held_out_path)
    counts = {
        "items": len(items),
        "captions": sum(len(item.captions) for item in items),
        "groups": len(set(source_numbers(items))),
        "split": {name: len(part) for name, part in splits.items()},
    }
    with transaction.atomic():
        job.hold()
        dataset_mark_frozen(
            dataset_id=dataset.id, path=path, sha256=sha256, held_out_sha256=held_out, counts=counts,
            problems=[asdict(problem) for problem in problems],
        )  # fmt: skip


def _write_lines(lines: Iterable[Line | str | None], path: Path, job: RunningJob) -> int:
    """How many were written. None keeps the number of a line that was refused, a text stays as it is."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for line in lines:
            job.check()
            # Escapes stay escapes: half a character, which the manifest's reader names, cannot be written as UTF-8.
            text = line if isinstance(line, str) else "" if line is None else json.dumps(line)
            file.write(text + "\n")
            count += bool(text.strip())
    return count


def _gathered(dataset: Dataset, refused: list[Problem]) -> Iterator[Line | None]:
    if dataset.source == Dataset.Source.LIBRARY:
        return library_lines(dataset.options.get("texts", ()))
    if dataset.source == Dataset.Source.FEEDBACK:
        return feedback_lines()
    source = dataset.folder / str(dataset.options.get("file", ""))
    if not source.is_file():
        raise JobFailed("missing", "The uploaded file was deleted. Create the dataset again.")
    lines = csv_lines(source, csv_dialect) if dataset.source == Dataset.Source.CSV else json_lines(source)
    return _resolved(lines, References(any_path=bool(dataset.options.get("any_path"))), refused)


def _resolved(lines: Iterable[Line | str], references: References, refused: list[Problem]) -> Iterator[Any]:
    """Names become paths; a video of the library joins its group of confirmed duplicates."""
    groups = source_groups()
    for number, line in enumerate(lines, start=1):
        if isinstance(line, str):
            yield line
            continue
        try:
            if isinstance(line.get("video"), str) and line["video"]:
                line["video"], video_id = references.video(line["video"])
                if video_id is not None and not line.get("group"):
                    line["group"] = groups.get(video_id, str(video_id))
            elif isinstance(line.get("frames"), list):
                line["frames"] = [references.file(str(frame)) for frame in line["frames"]]
        except NotReadable as problem:
            refused.append(Problem(number, str(line.get("id", "")), "not_allowed", problem.message))
            yield None
            continue
        yield line
