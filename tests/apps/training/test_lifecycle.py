"""Datasets and runs: what is refused before anything is spent, and which state follows which."""

from __future__ import annotations

import io
import shutil
from collections import namedtuple
from pathlib import Path
from uuid import uuid4

import pytest
from django.conf import settings

from apps.core.exceptions import Conflict, InvalidInput, NotFound
from apps.core.jobs import job_cancel, job_retry
from apps.core.models import Job
from apps.training.datasets.lifecycle import (
    dataset_delete,
    dataset_from_feedback,
    dataset_from_file,
    dataset_from_library,
)
from apps.training.job_kinds import train_failed
from apps.training.models import Dataset, TrainingRun
from apps.training.runs.lifecycle import (
    candidate_mark_building,
    run_create,
    run_delete,
    run_evaluate,
    run_mark_done,
    run_resume,
    run_start,
    run_stop,
)
from apps.training.runs.recipes import recipe_check, recipe_presets
from tests.apps.people import user
from tests.apps.training.planted import done, draft, frozen, recipe, semantic

pytestmark = pytest.mark.django_db
LINE = b'{"id": "1", "video": "a.mp4", "captions": ["a dog"]}\n'


def sent(content: bytes, name: str = "manifest.jsonl") -> Dataset:
    return dataset_from_file(name="", file=io.BytesIO(content), file_name=name, owner=user("Trainers"))


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (b"", "m.jsonl", "empty"),
        (b"\n \n", "m.jsonl", "empty lines"),
        (b'{"id": "1", "video": "a", "captions": ["caf\xe9"]}', "m.jsonl", "Line 1 is not UTF-8"),
        (LINE + LINE.replace(b"a dog", b"\xe4\xf6"), "m.jsonl", "Line 2 is not UTF-8"),
        ('{"id": 1}'.encode("utf-16"), "m.jsonl", "UTF-16"),
        (b"\x00\x01\x02", "m.jsonl", "binary"),
        (b'{"id": "1", "path": "a.mp4", "text": "a dog"}\n', "m.jsonl", "another schema"),
        (b'{"images": [{"sentids": [0]}]}', "m.jsonl", "another schema"),
        (b'[{"id": 1}]', "m.jsonl", "not a JSON object"),
        (b'{\n "id": 1\n}', "m.jsonl", "not JSON lines"),
        (b"just words\n", "m.jsonl", "not JSON"),
        (b"file,words\na.mp4,dog\n", "m.csv", "The columns are file, words"),
        (b"video,caption\n", "m.csv", "no rows"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_a_reason_and_leaves_nothing(
    content: bytes, name: str, words: str
) -> None:
    with pytest.raises(InvalidInput, match=words) as refused:
        sent(content, name)
    assert refused.value.field == "file"
    assert not Dataset.objects.exists()
    assert not any((Path(settings.TRAINING_DIR) / "datasets").glob("*"))


@pytest.mark.parametrize("content", [LINE, b"\xef\xbb\xbf" + LINE])
def test_a_manifest_waits_for_its_job(content: bytes) -> None:
    dataset = sent(content, "my clips.jsonl")
    assert (dataset.name, dataset.state, dataset.source) == ("my clips", "waiting", "manifest")
    assert dataset.options["any_path"] is False
    assert (dataset.folder / "source.jsonl").read_bytes() == LINE
    assert Job.objects.get().kind == "dataset"


def test_administrators_may_name_any_file_of_the_server() -> None:
    dataset = dataset_from_file(
        name="x", file=io.BytesIO(b"video;caption\na.mp4;dog\n"), file_name="t.csv", owner=user("Administrators")
    )
    assert dataset.options["any_path"] is True and dataset.source == "csv"


def test_a_full_disk_is_said_before_anything_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")(10**12, 10**12, 10**6)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(Conflict, match="disk has 1 MB left"):
        sent(LINE)
    run = draft()
    with pytest.raises(Conflict, match="disk"):
        run_start(run_id=run.id)


def test_texts_of_the_library_must_be_known_ones() -> None:
    with pytest.raises(InvalidInput, match="texts must be some of"):
        dataset_from_library(name="", texts=["ocr"], owner=None)
    with pytest.raises(InvalidInput):
        dataset_from_library(name="", texts=[], owner=None)


def test_cancelling_a_waiting_dataset_ends_it_and_a_retry_revives_it() -> None:
    dataset = dataset_from_feedback(name="", owner=None)
    assert dataset.job is not None
    job_cancel(job_id=dataset.job.id)
    dataset.refresh_from_db()
    assert (dataset.state, dataset.failure_code) == ("failed", "cancelled")
    job_retry(job_id=dataset.job.id)
    dataset.refresh_from_db()
    assert dataset.state == "waiting"


def test_a_dataset_that_a_run_used_stays() -> None:
    run = draft()
    with pytest.raises(Conflict, match="runs use this"):
        dataset_delete(dataset_id=run.dataset_id)
    run_delete(run_id=run.id)
    dataset_delete(dataset_id=run.dataset_id)
    assert not Dataset.objects.exists()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"state": "waiting"}, "still being frozen"),
        ({"state": "failed", "failure": "Nothing in it."}, "Nothing in it"),
        ({"counts": {"items": 0, "captions": 0, "groups": 0}}, "empty"),
        ({"counts": {"items": 5, "captions": 9, "groups": 1}}, "one source"),
    ],
)
def test_a_run_needs_data_that_can_be_learned_from(fields: dict[str, object], words: str) -> None:
    dataset = frozen(**fields)
    with pytest.raises((Conflict, InvalidInput), match=words) as refused:
        run_create(dataset_id=dataset.id, recipe="adapter", base_id=semantic().id)
    assert refused.value.field == "dataset"


def test_a_run_needs_a_base_with_a_text_tower() -> None:
    dataset, base = frozen(), semantic()
    with pytest.raises(NotFound):
        run_create(dataset_id=dataset.id, recipe="adapter", base_id=uuid4())
    (Path(base.folder) / "text.onnx").unlink()
    with pytest.raises(InvalidInput, match="text tower"):
        run_create(dataset_id=dataset.id, recipe="adapter")
    base.role = "copy"
    base.save()
    with pytest.raises(InvalidInput, match="finds copies"):
        run_create(dataset_id=dataset.id, recipe="adapter", base_id=base.id)
    failed = semantic("failed")
    with pytest.raises(InvalidInput, match="failed"):
        run_create(dataset_id=dataset.id, recipe="adapter", base_id=failed.id)


@pytest.mark.parametrize("changes", [{"losses": {}}, {"losses": {"magic": 1}}, {"epochs": 0}, {"tier": "C"}, {"x": 1}])
def test_a_recipe_that_breaks_the_schema_names_the_place(changes: dict[str, object]) -> None:
    with pytest.raises(InvalidInput, match="recipe cannot be used"):
        recipe_check(recipe(**changes))


def test_every_preset_keeps_the_schema_and_an_unknown_name_lists_them() -> None:
    names = [preset["name"] for preset in recipe_presets()]
    assert "adapter" in names
    with pytest.raises(InvalidInput, match="adapter"):
        run_create(dataset_id=frozen().id, recipe="magic", base_id=semantic().id)


def test_a_run_goes_from_draft_to_queue_to_stopped_and_back() -> None:
    run = draft()
    assert run.state == "draft" and run.estimate["seconds"] > 0 and not Job.objects.filter(kind="train").exists()
    run = run_start(run_id=run.id)
    assert run.state == "queued" and run.job is not None and run.job.subject_id == run.id
    with pytest.raises(Conflict):
        run_start(run_id=run.id)
    with pytest.raises(Conflict):
        run_delete(run_id=run.id)
    run = run_stop(run_id=run.id)
    assert (run.state, run.reason_code) == ("stopped", "stopped")
    with pytest.raises(Conflict):
        run_stop(run_id=run.id)
    run = run_resume(run_id=run.id)
    assert run.state == "queued" and run.reason == ""
    assert Job.objects.filter(kind="train").count() == 1  # the same job continues
    with pytest.raises(Conflict):
        run_resume(run_id=run.id)


def test_a_failed_run_can_be_resumed_unless_its_data_is_gone() -> None:
    run = run_start(run_id=draft().id)
    train_failed(run.id, "no_gpu", "no GPU")
    Job.objects.filter(id=run.job_id).update(state="failed")
    Path(run.dataset.path).unlink()
    with pytest.raises(Conflict, match="missing"):
        run_resume(run_id=run.id)


def test_only_a_candidate_can_be_evaluated_and_only_once_at_a_time() -> None:
    with pytest.raises(Conflict, match="no candidate"):
        run_evaluate(run_id=draft().id)
    run = run_evaluate(run_id=done().id)
    assert run.candidate_job is not None and run.candidate_job.kind == "candidate"
    with pytest.raises(Conflict, match="already"):
        run_evaluate(run_id=run.id)


def test_a_finished_run_makes_a_job_for_its_candidate() -> None:
    run = run_start(run_id=draft().id)
    candidate = semantic("ready", "new")
    run_mark_done(run_id=run.id, candidate=candidate, figures={"best_epoch": 3}, problems=[])
    run.refresh_from_db()
    assert (run.state, run.candidate) == (TrainingRun.State.DONE, candidate)
    assert Job.objects.get(kind="candidate").subject_id == run.id


def test_cancelling_the_evaluation_leaves_the_candidate_standing_by() -> None:
    run = run_evaluate(run_id=done().id)
    candidate_mark_building(run_id=run.id)
    assert run.candidate is not None and run.candidate_job is not None
    job_cancel(job_id=run.candidate_job.id)
    run.candidate.refresh_from_db()
    assert run.candidate.state == "ready"
