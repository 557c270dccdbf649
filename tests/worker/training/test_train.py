"""A whole run of the head on a tiny model: it learns, resumes exactly and refuses what cannot work."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

from tests.worker.embedders.tiny_models import tiny_bundled, tiny_clip
from tests.worker.training.photo_data import SUBJECTS, photo_items, photo_manifest
from tests.worker.training.runs import train_run
from worker.embedders.registry import load_semantic
from worker.embedders.semantic.export import run_onnx
from worker.training.data.items import Item
from worker.training.data.manifest import write_manifest
from worker.training.errors import Interrupted, TrainingError
from worker.training.loop.epochs import batch_size, epoch_order, rate_factor
from worker.training.loop.events import read_curve
from worker.training.prepare import open_base, prepare
from worker.training.recipe import Recipe, load_recipe, recipe_from
from worker.training.run import Progress, Run

RECIPE = Recipe(
    name="test", title="test", tier="A", losses={"info_nce": 1.0}, epochs=6, batch=16, rate=0.01, patience=6, frames=2
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundled")
    return tiny_bundled(folder)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return photo_manifest(tmp_path_factory.mktemp("photos"))


def test_a_run_learns(model: Path, tmp_path: Path) -> None:
    # A random tower's pictures are nearly alike, so this takes its time.
    recipe = replace(RECIPE, epochs=30, patience=30, rate=0.05)
    manifest = photo_manifest(tmp_path, 120)
    result = train_run(manifest, recipe, model, tmp_path / "run")
    totals = [p["rsum"] for p in read_curve(tmp_path / "run" / "events" / "curve.jsonl") if "rsum" in p]
    assert max(totals[15:]) > max(totals[:5]) + 30
    assert result.best_epoch == 1 + totals.index(max(totals))


def test_the_candidate_of_a_run_serves(model: Path, manifest: Path, tmp_path: Path) -> None:
    told: list[Progress] = []
    result = train_run(manifest, RECIPE, model, tmp_path / "run", report=told.append)
    fractions = [progress.fraction for progress in told]
    assert (np.diff(fractions) >= -1e-9).all()
    assert fractions[-1] == 1.0
    assert {progress.stage for progress in told} == {"checking", "embedding", "training", "exporting", "done"}
    embedder = load_semantic(result.candidate, "candidate", "1")
    assert (result.candidate / "text.onnx").is_file()
    assert "R@1" in (result.candidate / "README.md").read_text()
    pictures = [np.full((24, 32, 3), colour, np.uint8) for colour in SUBJECTS.values()]
    vectors = embedder.encode_frames(pictures)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-4)
    assert embedder.encode_clip(vectors).shape == (embedder.spec.dim,)
    base = load_semantic(model, "base", "")
    assert embedder.spec.weights_sha256 != base.spec.weights_sha256


def test_the_exported_text_tower_answers_as_the_candidate(model: Path, manifest: Path, tmp_path: Path) -> None:
    result = train_run(manifest, RECIPE, model, tmp_path / "run")
    texts = ["a red dog", "night", "two people talk in the kitchen"]
    wanted = load_semantic(result.candidate, "candidate", "1").encode_text(texts)
    tokenizer = Tokenizer.from_file(str(result.candidate / "tokenizer.json"))
    tokenizer.enable_padding()
    encoded = tokenizer.encode_batch(texts)
    tokens = {
        "input_ids": torch.tensor([e.ids for e in encoded]),
        "attention_mask": torch.tensor([e.attention_mask for e in encoded]),
    }
    np.testing.assert_allclose(run_onnx(result.candidate / "text.onnx", tokens), wanted, atol=1e-3)


def test_the_curve_holds_losses_and_recalls(model: Path, manifest: Path, tmp_path: Path) -> None:
    train_run(manifest, RECIPE, model, tmp_path / "run")
    points = read_curve(tmp_path / "run" / "events" / "curve.jsonl")
    assert len(points) == 6 * 8 or len(points) >= 6 * 4
    assert all("loss" in point and "rate" in point for point in points)
    assert sum("t2v_r10" in point for point in points) == 6
    assert list((tmp_path / "run" / "events").glob("events.out.tfevents*"))


SCRIPT = """
import sys, torch
from pathlib import Path
torch.set_num_threads(1)
from tests.worker.training.runs import train_run
from tests.worker.training.test_train import RECIPE, replace
import worker.training.loop.epochs as epochs
epochs.CHECKPOINT_SECONDS = 0.0  # after every step: the kill hits anywhere
import time
def slowly(progress):
    if progress.stage == "training":
        time.sleep(float(sys.argv[4]))
recipe = replace(RECIPE, mining=True, losses={"info_nce": 1.0, "hscl": 0.5}, dropout=0.2)
train_run(Path(sys.argv[1]), recipe, Path(sys.argv[2]), Path(sys.argv[3]), report=slowly)
"""


def start(manifest: Path, model: Path, folder: Path, pause: float) -> subprocess.Popen[bytes]:
    arguments = [sys.executable, "-c", SCRIPT, str(manifest), str(model), str(folder), str(pause)]
    return subprocess.Popen(arguments, env={**os.environ, "OMP_NUM_THREADS": "1"})


def test_a_killed_run_resumes_to_the_same_weights(model: Path, manifest: Path, tmp_path: Path) -> None:
    assert start(manifest, model, tmp_path / "whole" / "run", 0.0).wait(timeout=300) == 0
    killed = start(manifest, model, tmp_path / "killed" / "run", 0.1)
    curve = tmp_path / "killed" / "run" / "events" / "curve.jsonl"
    deadline = time.monotonic() + 300
    while (len(read_curve(curve)) < 13) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    assert not (tmp_path / "killed" / "run" / "candidate").exists()
    assert start(manifest, model, tmp_path / "killed" / "run", 0.0).wait(timeout=300) == 0
    whole, resumed = (
        load_file(tmp_path / name / "run" / "candidate" / "head.safetensors") for name in ("whole", "killed")
    )
    assert whole.keys() == resumed.keys()
    assert all((whole[name] == resumed[name]).all() for name in whole)
    points = [read_curve(tmp_path / name / "run" / "events" / "curve.jsonl") for name in ("whole", "killed")]
    assert [p["loss"] for p in points[0]] == [p["loss"] for p in points[1]]


def test_a_stopped_run_goes_on(model: Path, manifest: Path, tmp_path: Path) -> None:
    steps: list[Progress] = []

    def stop_soon() -> bool:
        return sum(p.stage == "training" for p in steps) >= 5

    with pytest.raises(Interrupted):
        train_run(manifest, RECIPE, model, tmp_path / "run", report=steps.append, stopped=stop_soon)
    result = train_run(manifest, RECIPE, model, tmp_path / "run")
    assert result.candidate.is_dir()


def test_a_checkpoint_of_other_data_is_not_resumed(model: Path, manifest: Path, tmp_path: Path) -> None:
    train_run(manifest, RECIPE, model, tmp_path / "run")
    with pytest.raises(TrainingError, match="another recipe") as caught:
        train_run(manifest, replace(RECIPE, rate=0.02), model, tmp_path / "run")
    assert caught.value.code == "checkpoint"


def test_training_stops_early_when_validation_gets_no_better(model: Path, manifest: Path, tmp_path: Path) -> None:
    recipe = replace(RECIPE, epochs=40, patience=1, rate=1e-7)
    result = train_run(manifest, recipe, model, tmp_path / "run")
    assert result.stopped_early
    assert result.figures["steps"] < 40 * 8


def test_a_fine_tuned_model_trains_on(model: Path, manifest: Path, tmp_path: Path) -> None:
    first = train_run(manifest, RECIPE, model, tmp_path / "first" / "run")
    second = train_run(manifest, RECIPE, first.candidate, tmp_path / "second" / "run")
    assert second.before == first.after
    assert not (second.candidate / "base" / "base").exists()


def test_clip_models_train_too_and_filter_pairs(manifest: Path, tmp_path: Path) -> None:
    folder = tiny_clip(tmp_path / "clip")
    recipe = replace(RECIPE, pooling="transformer", filter_percentile=20, epochs=2)
    result = train_run(manifest, recipe, folder, tmp_path / "run")
    assert result.figures["filtered"]["dropped"] > 0
    assert load_semantic(result.candidate, "candidate", "1").encode_text(["night"]).shape == (1, 24)


def test_word_losses_train(model: Path, manifest: Path, tmp_path: Path) -> None:
    recipe = replace(RECIPE, losses={"neg_nce": 1.0, "dmae": 0.5, "tpm_cl": 0.1, "s3": 0.1}, epochs=2)
    result = train_run(manifest, recipe, model, tmp_path / "run")
    assert np.isfinite(result.after["t2v"]["rsum"])


def refused(manifest: Path, recipe: Recipe, model: Path, folder: Path) -> TrainingError:
    with pytest.raises(TrainingError) as caught:
        prepare(manifest, open_base(model), Run(folder, recipe))
    return caught.value


def test_too_little_data_is_refused_before_anything_is_computed(model: Path, tmp_path: Path) -> None:
    error = refused(photo_manifest(tmp_path, 5), RECIPE, model, tmp_path / "run")
    assert error.code == "empty_data"
    assert "20" in error.message


def test_one_caption_for_everything_is_refused(model: Path, tmp_path: Path) -> None:
    items = [Item(item.id, ("a dog",), frames=item.frames) for item in photo_items(tmp_path / "photos", 30)]
    write_manifest(items, tmp_path / "manifest.jsonl")
    assert refused(tmp_path / "manifest.jsonl", RECIPE, model, tmp_path / "run").code == "one_class"


def test_a_recipe_for_a_gpu_is_refused_without_one(model: Path, manifest: Path, tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    error = refused(manifest, load_recipe("lora-gpu"), model, tmp_path / "run")
    assert error.code == "no_gpu"
    assert "GPU" in error.message


def test_a_full_disk_is_told_first(
    model: Path, manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.training.prepare.FREE_BYTES", 10**18)
    assert refused(manifest, RECIPE, model, tmp_path / "run").code == "no_disk"


def test_a_model_without_text_tower_is_refused(manifest: Path, tmp_path: Path) -> None:
    from transformers import ViTConfig, ViTModel

    config = ViTConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, image_size=32)
    ViTModel(config).save_pretrained(tmp_path / "vit")
    error = refused(manifest, RECIPE, tmp_path / "vit", tmp_path / "run")
    assert error.code in {"no_text_tower", "model"}
    assert error.message


def test_an_estimate_counts_the_data(model: Path, manifest: Path, tmp_path: Path) -> None:
    prepared = prepare(manifest, open_base(model), Run(tmp_path / "run", RECIPE))
    assert (len(prepared.items), prepared.captions, prepared.problems) == (60, 120, [])
    assert prepared.seconds > 0


def test_every_preset_is_a_valid_recipe() -> None:
    from worker.training.recipe import FOLDER

    names = [file.stem for file in FOLDER.glob("*.json") if file.stem != "schema"]
    assert {load_recipe(name).name for name in names} == set(names)


@pytest.mark.parametrize(
    ("change", "told"),
    [({"losses": {"magic": 1}}, "magic"), ({"epochs": 0}, "epochs"), ({"tier": "B"}, "lora_rank"), ({"x": 1}, "x")],
)
def test_a_faulty_recipe_names_the_field(change: dict[str, object], told: str) -> None:
    values = {**json.loads((Path("recipes") / "adapter.json").read_text()), **change}
    with pytest.raises(TrainingError, match=told):
        recipe_from(values)


def test_small_data_gets_smaller_batches() -> None:
    assert batch_size(replace(RECIPE, batch=1024), 10_000) == 1024
    assert batch_size(replace(RECIPE, batch=1024), 800) == 100
    assert batch_size(replace(RECIPE, batch=1024), 10) == 10


def test_the_rate_warms_up_and_falls() -> None:
    factors = [rate_factor(p) for p in np.linspace(0, 1, 101)]
    assert max(factors) == pytest.approx(1.0)
    assert (
        factors[10] == pytest.approx(1.0) and factors[0] == pytest.approx(0.01) and factors[-1] == pytest.approx(0.01)
    )


def test_every_epoch_has_its_own_order() -> None:
    assert sorted(epoch_order(50, 0, 3)) == list(range(50))
    assert (epoch_order(50, 0, 3) == epoch_order(50, 0, 3)).all()
    assert not (epoch_order(50, 0, 3) == epoch_order(50, 0, 4)).all()


def test_no_item_is_in_two_splits(model: Path, manifest: Path, tmp_path: Path) -> None:
    splits = prepare(manifest, open_base(model), Run(tmp_path, RECIPE)).splits
    names = [item.id for part in splits.values() for item in part]
    assert len(names) == len(set(names)) == 60
