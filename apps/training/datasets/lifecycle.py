"""Datasets: what is refused at once, the row with its job, and how the job reports that it is frozen."""

from __future__ import annotations

import csv
import json
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
from apps.training.checks import disk_check
from apps.training.datasets.captions import LIBRARY_TEXTS
from apps.training.job_kinds import DATASET
from apps.training.models import Dataset

State = Dataset.State

MAX_FILE_BYTES = 512 * 1024**2
PROBLEMS_KEPT = 500
NAME_LENGTH = 120
MANIFEST_KEYS = 'a line is {"id": ..., "video": path or "frames": [paths], "captions": [...]}'
CSV_COLUMNS = "the first line names the columns: video and caption, and if you like id, group and weight"


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
        _keep(file, kept)
        (_csv_check if source == Dataset.Source.CSV else _manifest_check)(kept)
    except InvalidInput:
        shutil.rmtree(dataset.folder, ignore_errors=True)
        raise
    dataset.options = {"file": kept.name, "file_name": file_name[:300], "any_path": may_administer(owner)}
    return _enqueued(dataset)


def dataset_from_library(*, name: str, texts: Sequence[str], owner: User | None, guards: bool = False) -> Dataset:
    """From titles, descriptions and subtitles of the ready videos."""
    unknown = [text for text in texts if text not in LIBRARY_TEXTS]
    if unknown or not texts:
        raise InvalidInput(f"texts are some of {', '.join(LIBRARY_TEXTS)}.", field="texts")
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
    named = _name(name or "Feedback of searches")
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
        raise Conflict("Training runs were made with this dataset; delete them first.")
    if dataset.state == State.WAITING:
        raise Conflict("The dataset is being frozen; wait for its end or cancel its job.")
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
    name = " ".join(name.replace("\x00", "").split())
    if not name:
        raise InvalidInput("Give the dataset a name.", field="name")
    if len(name) > NAME_LENGTH:
        raise InvalidInput(f"The name may have at most {NAME_LENGTH} characters.", field="name")
    return name


def _keep(file: IO[bytes], target: Path) -> None:
    """Copy, line by line, as UTF-8 without a byte order mark; InvalidInput names the line that is not."""
    size = 0
    with target.open("wb") as out:
        for number, line in enumerate(file, start=1):
            size += len(line)
            if size > MAX_FILE_BYTES:
                raise InvalidInput(f"The file is larger than {MAX_FILE_BYTES // 1024**2} MB.", field="file")
            if number == 1:
                if line.startswith((b"\xff\xfe", b"\xfe\xff")):
                    raise InvalidInput("The file is UTF-16. Save it as UTF-8, then send it again.", field="file")
                line = line.removeprefix(b"\xef\xbb\xbf")
            try:
                text = line.decode("utf-8")
            except UnicodeDecodeError as error:
                raise InvalidInput(
                    f"Line {number} is not UTF-8 (byte {error.start + 1}). Save the file as UTF-8, then send it again.",
                    field="file",
                ) from error
            if "\x00" in text:
                raise InvalidInput(f"Line {number} holds binary data; this is not a text file.", field="file")
            out.write(line)
    if size == 0:
        raise InvalidInput("The file is empty.", field="file")


def _manifest_check(path: Path) -> None:
    with path.open(encoding="utf-8") as file:
        first = next((line for line in file if line.strip()), "")
    if not first:
        raise InvalidInput("The file holds nothing but empty lines.", field="file")
    try:
        value = json.loads(first)
    except ValueError as error:
        if first.lstrip().startswith(("[", "{")):
            raise InvalidInput(
                f"The file is one JSON document or broken JSON, and not JSON lines: {MANIFEST_KEYS}.", field="file"
            ) from error
        raise InvalidInput(f"The first line is no JSON: {MANIFEST_KEYS}.", field="file") from error
    if not isinstance(value, dict):
        raise InvalidInput(f"The first line is no JSON object: {MANIFEST_KEYS}.", field="file")
    missing = [name for name in ("id", "captions") if name not in value]
    if not {"video", "frames"} & value.keys():
        missing.append("video or frames")
    if missing:
        has = ", ".join(sorted(map(str, value))) or "nothing"
        raise InvalidInput(
            f"This is a manifest of another schema: {', '.join(missing)} is missing (it has {has}); {MANIFEST_KEYS}.",
            field="file",
        )


def csv_dialect(first: str) -> type[csv.Dialect]:
    """Comma, semicolon or tab, whichever the header has most of."""

    class Found(csv.excel):
        delimiter = max(",;\t", key=first.count)

    return Found


def _csv_check(path: Path) -> None:
    with path.open(encoding="utf-8", newline="") as file:
        first = file.readline()
        rows = csv.reader([first], dialect=csv_dialect(first))
        columns = [name.strip().lower() for name in next(rows, [])]
        anything = any(line.strip() for line in file)
    if "video" not in columns or not {"caption", "captions"} & set(columns):
        raise InvalidInput(f"The columns are {', '.join(columns) or 'none'}; {CSV_COLUMNS}.", field="file")
    if not anything:
        raise InvalidInput("The table has a header and no rows.", field="file")
