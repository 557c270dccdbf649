"""Datasets are frozen, runs train and stop and continue, candidates are indexed and compared: with real tiny models."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pytest_django import Settings

from apps.core.jobs import job_cancel, job_retry
from apps.core.models import Job
from apps.embeddings.models import ClipEmbedding, ModelVersion
from apps.embeddings.selectors import model_version_serving
from apps.search.models import Feedback
from apps.training.datasets.lifecycle import dataset_from_feedback, dataset_from_file, dataset_from_library
from apps.training.models import Dataset, EvaluationReport, TrainingRun
from apps.training.runs.lifecycle import run_create, run_resume, run_start
from apps.videos.models import TextSegment, Video
from tests.apps.people import user
from tests.clips import Scene, make_clip
from tests.worker.embedders.tiny_models import WORDS
from tests.worker.tasks.active_versions import register, versions  # noqa: F401
from worker.embedders.registry import load_semantic
from worker.tasks import candidates, library_index
from worker.tasks.candidates import candidate, live_traffic
from worker.tasks.datasets import dataset
from worker.tasks.ingest import ingest
from worker.tasks.running import shutting_down
from worker.tasks.training import train

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]
Versions = tuple[ModelVersion, ModelVersion]
COLOURS = 48
RECIPE: dict[str, Any] = {
    "name": "tiny", "title": "Tiny", "tier": "A", "losses": {"info_nce": 1.0}, "pooling": "mean", "epochs": 3,
    "batch": 16, "rate": 0.01, "frames": 2, "patience": 3, "dropout": 0.0,
}  # fmt: skip


@pytest.fixture(autouse=True)
def folders(settings: Settings, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path / "data"
    settings.TRAINING_DIR, settings.MODELS_DIR = tmp_path / "data" / "training", tmp_path / "data" / "models"
    settings.TRAINING_FOLDERS = [str(tmp_path / "pictures")]
    settings.MODELS_DIR.mkdir(parents=True)
    torch.set_num_threads(1)


def pictures(folder: Path, count: int = COLOURS) -> bytes:
    """A manifest of plain pictures, each with two captions of the words that the tiny towers know."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    lines = []
    for number in range(count):
        file = folder / f"{number}.png"
        Image.fromarray(rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)).save(file)
        said = [" ".join(rng.choice(WORDS, 4)) + f" {WORDS[number % len(WORDS)]}" for _ in range(2)]
        lines.append(json.dumps({"id": f"p{number}", "frames": [str(file)], "captions": said}))
    return ("\n".join(lines) + "\n").encode()


def made(content: bytes, name: str = "m.jsonl", **fields: Any) -> Dataset:
    found = dataset_from_file(name="", file=io.BytesIO(content), file_name=name, owner=user("Trainers"), **fields)
    return frozen(found)


def frozen(found: Dataset) -> Dataset:
    assert found.job is not None
    dataset(str(found.job.id))
    found.refresh_from_db()
    return found


def started(base: ModelVersion, tmp_path: Path, **changes: Any) -> TrainingRun:
    data = made(pictures(tmp_path / "pictures"))
    assert data.state == "frozen", data.failure
    (Path(base.folder) / "text.onnx").touch()  # an exported tower, as far as the form looks
    run = run_create(dataset_id=data.id, recipe={**RECIPE, **changes}, base_id=base.id)
    return run_start(run_id=run.id)


def job_of(run: TrainingRun) -> Job:
    return Job.objects.get(kind="train", subject_id=run.id)


# Datasets


def test_a_manifest_is_frozen_with_its_held_out_part_and_its_problems(tmp_path: Path) -> None:
    content = pictures(tmp_path / "pictures")
    content += (
        b'{"id": "gone", "frames": ["' + str(tmp_path / "pictures" / "x.png").encode() + b'"], "captions": ["a"]}\n'
    )
    content += b'{"id": "far", "frames": ["/etc/passwd"], "captions": ["a"]}\n'
    content += b'{"id": "broken", "captions": []}\nno json\n'
    found = made(content)
    assert found.state == "frozen", found.failure
    assert found.counts["items"] == found.counts["groups"] == COLOURS
    assert found.counts["split"]["test"] >= 2 and len(found.sha256) == 64
    assert [(p["id"], p["code"]) for p in found.problems][:2] == [("gone", "missing"), ("far", "not_allowed")]
    assert found.counts["problems"] == 4 and [p["line"] for p in found.problems] == [49, 50, 51, 52]
    held_out = {json.loads(line)["id"] for line in found.held_out_path.read_text().splitlines()}
    assert held_out and held_out < {f"p{n}" for n in range(COLOURS)}


@pytest.mark.parametrize(
    ("content", "name", "code"),
    [
        (b'{"id": "a", "video": "nowhere.mp4", "captions": ["x"]}\n', "m.jsonl", "empty_data"),
        (b"video,caption\nnowhere.mp4,a dog\n", "t.csv", "empty_data"),
    ],
)
def test_data_without_a_usable_item_fails_with_the_reason(content: bytes, name: str, code: str) -> None:
    found = made(content, name)
    assert (found.state, found.failure_code) == ("failed", code), found.failure
    assert "lies outside" in found.failure or "usable" in found.failure


def test_captions_that_are_all_the_same_are_one_class(tmp_path: Path) -> None:
    lines = [json.loads(line) for line in pictures(tmp_path / "pictures", 6).splitlines()]
    found = made("\n".join(json.dumps({**line, "captions": ["a dog"]}) for line in lines).encode())
    assert (found.state, found.failure_code) == ("failed", "one_class")


def library(tmp_path: Path, count: int = 3) -> list[Video]:
    videos = []
    for seed in range(count):
        video = register(make_clip(tmp_path / f"{seed}.mp4", scenes=[Scene("shapes", seed + 1)], seconds=3))
        ingest(str(Job.objects.get(subject_id=video.id, kind="ingest").id))
        TextSegment.objects.create(video=video, source="subtitle", start=0.5, end=1.5, text=f"the dog runs {seed}")
        video.refresh_from_db()
        videos.append(video)
    Job.objects.exclude(kind="ingest").delete()
    return videos


@pytest.mark.usefixtures("versions")
def test_texts_and_feedback_of_the_library_become_captions_with_pictures(tmp_path: Path) -> None:
    videos = library(tmp_path)
    for number, video in enumerate(videos):
        TextSegment.objects.filter(video=video, source="title").update(text=f"two people in a kitchen {number}")
    texts = ["title", "subtitle"]
    found = frozen(dataset_from_library(name="", texts=texts, owner=None))
    assert found.state == "frozen", found.failure
    lines = [json.loads(line) for line in Path(found.path).read_text().splitlines()]
    assert len(lines) == 6 and found.counts["groups"] == 3
    spoken = [line for line in lines if line.get("origin") == "subtitle"]
    assert all(line["weight"] == 0.5 and line["frames"] for line in spoken)
    for video in videos[:2]:
        moment = {"video": video, "start": 0.0, "end": 3.0, "query": f"dog {video.id}"}
        Feedback.objects.create(kind="thumb_up", **moment)
        Feedback.objects.create(kind="click", **moment)
    Feedback.objects.create(kind="click", query="refused", video=videos[2], start=0.0, end=3.0)
    Feedback.objects.create(kind="thumb_down", query="refused", video=videos[2], start=0.0, end=3.0)
    marked = frozen(dataset_from_feedback(name="", owner=None))
    assert marked.state == "frozen", marked.failure
    weak = [json.loads(line) for line in Path(marked.path).read_text().splitlines()]
    assert [line["weight"] for line in weak] == [0.68, 0.68]
    table = f"video,caption\n{videos[0].id},a dog runs\n{videos[1].original_name},a red car\n".encode()
    assert made(table, "t.csv").counts["items"] == 2


# Runs


def test_a_run_trains_and_leaves_a_candidate_that_does_not_serve(tmp_path: Path, versions: Versions) -> None:  # noqa: F811
    run = started(versions[0], tmp_path)
    train(str(job_of(run).id))
    run.refresh_from_db()
    assert run.state == "done", run.reason
    assert run.estimate["checked"] and run.figures["after"]["t2v"].keys() >= {"r1", "r5", "r10"}
    made_version = run.candidate
    assert made_version is not None and made_version.state == "ready"
    assert (Path(made_version.folder) / "text.onnx").is_file() and (Path(made_version.folder) / "README.md").is_file()
    assert model_version_serving("semantic") == versions[0]
    assert run.curve_path.read_text().count("\n") >= 3
    assert Job.objects.filter(kind="candidate", subject_id=run.id, state="queued").exists()
    train(str(job_of(run).id))  # a second delivery
    assert TrainingRun.objects.get(id=run.id).candidate == made_version


def test_a_gpu_recipe_without_a_gpu_fails_in_its_first_stage(
    tmp_path: Path,
    versions: Versions,  # noqa: F811
) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    run = started(versions[0], tmp_path, needs_gpu=True)
    train(str(job_of(run).id))
    run.refresh_from_db()
    assert (run.state, run.reason_code) == ("failed", "no_gpu") and "GPU" in run.reason
    assert job_of(run).error == run.reason and not run.curve_path.exists()


def test_a_base_whose_weights_are_broken_fails_with_a_reason(tmp_path: Path, versions: Versions) -> None:  # noqa: F811
    run = started(versions[0], tmp_path)
    load_semantic.cache_clear()
    (Path(versions[0].folder) / "text.safetensors").write_bytes(b"no")
    train(str(job_of(run).id))
    run.refresh_from_db()
    assert run.state == "failed" and run.reason_code in {"model", "no_text_tower"} and run.reason


def test_a_dataset_that_was_tampered_with_is_refused(tmp_path: Path, versions: Versions) -> None:  # noqa: F811
    run = started(versions[0], tmp_path)
    file = Path(run.dataset.path)
    file.write_text(file.read_text().replace('"p1"', '"other"'))
    train(str(job_of(run).id))
    run.refresh_from_db()
    assert (run.state, run.reason_code) == ("failed", "manifest")


def test_a_stopped_run_keeps_its_checkpoint_and_goes_on(
    tmp_path: Path,
    versions: Versions,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from worker.training import train as training

    run = started(versions[0], tmp_path, epochs=4, patience=4)
    real = training.train

    def stops_in_the_second_epoch(prepared: Any, given: Any) -> Any:
        steps: list[Any] = []

        def counting(progress: Any) -> None:
            if progress.stage == "training":
                steps.append(progress)
            if len(steps) == 7:  # of four an epoch
                Job.objects.filter(id=job_of(run).id).update(cancel_requested=True)
            given.report(progress)

        def asked() -> bool:
            return bool(given.stopped()) or Job.objects.filter(id=job_of(run).id, cancel_requested=True).exists()

        return real(prepared, replace(given, report=counting, stopped=asked))

    monkeypatch.setattr(training, "train", stops_in_the_second_epoch)
    # The heartbeat reads the flag every other second; here the body must not outrun it.
    monkeypatch.setattr(
        "worker.tasks.running.RunningJob.check",
        _checked_from_the_row(monkeypatch),
    )
    train(str(job_of(run).id))
    run.refresh_from_db()
    assert (run.state, job_of(run).state) == ("stopped", "cancelled"), run.reason
    before = run.curve_path.read_text()
    assert before and (run.folder / "checkpoint").is_dir()
    monkeypatch.setattr(training, "train", real)
    run_resume(run_id=run.id)
    train(str(job_of(run).id))
    run.refresh_from_db()
    assert run.state == "done", run.reason
    steps = [json.loads(line)["step"] for line in run.curve_path.read_text().splitlines()]
    assert steps == sorted(steps) and len(steps) > before.count("\n")


def _checked_from_the_row(monkeypatch: pytest.MonkeyPatch) -> Any:
    from worker.tasks.running import RunningJob

    real = RunningJob.check

    def check(self: Any) -> None:
        if Job.objects.filter(id=self.id, cancel_requested=True).exists():
            self._cancelled.set()
        real(self)

    return check


def test_a_worker_that_stops_hands_the_run_back(tmp_path: Path, versions: Versions) -> None:  # noqa: F811
    run = started(versions[0], tmp_path)
    shutting_down.set()
    try:
        train(str(job_of(run).id))
    finally:
        shutting_down.clear()
    job = job_of(run)
    assert (job.state, job.attempts) == ("queued", 0)
    train(str(job.id))
    run.refresh_from_db()
    assert run.state == "done", run.reason


# Candidates


def candidate_job(run: TrainingRun) -> Job:
    return Job.objects.filter(kind="candidate", subject_id=run.id).latest("created_at")


def test_a_candidate_is_indexed_beside_the_serving_version_and_compared_but_never_promoted(
    tmp_path: Path,
    versions: Versions,  # noqa: F811
) -> None:
    videos = library(tmp_path)
    guard = made(pictures(tmp_path / "pictures" / "guard", 24), "guard.jsonl", guards=True)
    assert guard.state == "frozen"
    run = started(versions[0], tmp_path)
    train(str(job_of(run).id))
    candidate(str(candidate_job(run).id))
    assert candidate_job(run).state == "done", candidate_job(run).error
    run.refresh_from_db()
    assert run.candidate is not None and run.candidate.state == "ready"
    assert model_version_serving("semantic") == versions[0]
    rows = ClipEmbedding.objects.filter(model_version=run.candidate)
    assert set(rows.values_list("video_id", flat=True)) == {video.id for video in videos}
    report = EvaluationReport.objects.get()
    assert (report.candidate, report.active) == (run.candidate, versions[0])
    assert report.queries == 2 * report.videos == 2 * run.dataset.counts["split"]["test"]
    assert report.library["coverage"] == 1.0
    assert report.gain is not None and report.gain["units"] == report.videos
    assert report.guard is not None and report.guard["name"] == guard.name and report.guard["units"] == 24
    assert report.metrics["candidate"]["t2v"]["r10"]["value"] <= 100
    assert [canary["name"] for canary in report.canaries] == ["text tower", "index", "words"]
    assert not report.verdict["passed"]  # a handful of held-out pictures proves nothing
    assert report.canaries[0]["ok"] and report.canaries[1]["ok"]


def test_indexing_lets_live_traffic_pass_and_goes_on_where_it_was(
    tmp_path: Path,
    versions: Versions,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    library(tmp_path, 2)
    run = started(versions[0], tmp_path)
    train(str(job_of(run).id))
    traffic = Job.objects.create(kind="lookup", state="running")
    assert live_traffic()
    monkeypatch.setattr(candidates, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(candidates, "SLICE_SECONDS", 0.0)
    candidate(str(candidate_job(run).id))
    run.refresh_from_db()
    assert candidate_job(run).state == "queued" and candidate_job(run).attempts == 0
    assert not ClipEmbedding.objects.filter(model_version=run.candidate).exists()
    Job.objects.filter(id=traffic.id).update(state="done")
    # One video a slice, as when the slices are short.
    clock = SimpleNamespace(monotonic=count().__next__)
    monkeypatch.setattr(library_index, "time", clock)
    monkeypatch.setattr(library_index, "SLICE_SECONDS", 1.5)
    slices = 0
    while candidate_job(run).state == "queued" and slices < 20:
        candidate(str(candidate_job(run).id))
        slices += 1
    assert slices == 2
    assert candidate_job(run).state == "done", candidate_job(run).error
    assert ClipEmbedding.objects.filter(model_version=run.candidate).values("video_id").distinct().count() == 2
    assert EvaluationReport.objects.count() == 1


def test_cancelling_an_installation_leaves_no_version_that_looks_busy(tmp_path: Path) -> None:
    version = ModelVersion.objects.create(role="semantic", name="somewhere/model")
    job = Job.objects.create(kind="model_install", subject_id=version.id)
    job_cancel(job_id=job.id)
    version.refresh_from_db()
    assert version.state == "failed" and "cancelled" in version.failure
    job_retry(job_id=job.id)
    version.refresh_from_db()
    assert (version.state, version.failure) == ("pending", "")
