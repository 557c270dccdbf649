"""Whole runs of the towers on tiny models: they train, resume exactly, and give candidates that answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.clips import make_clip
from tests.worker.embedders.tiny_models import tiny_bundled, tiny_clip, tiny_siglip
from tests.worker.training.photo_data import photo_items, photo_manifest
from tests.worker.training.runs import train_run
from worker.embedders.registry import load_semantic
from worker.training.data.items import Item
from worker.training.data.manifest import write_manifest
from worker.training.data.pictures import PictureCache
from worker.training.errors import Interrupted
from worker.training.loop.events import read_curve
from worker.training.loop.mining import Mined
from worker.training.recipe import Recipe
from worker.training.run import Progress
from worker.training.towers.encoder import TowerEncoder, anchor_term

RECIPE = Recipe(
    name="towers", title="towers", tier="B", losses={"neg_nce": 1.0}, epochs=2, batch=16, micro_batch=5, rate=0.003,
    backbone_rate=0.001, patience=5, frames=2, unfrozen_blocks=1, checkpointing=True,
)  # fmt: skip


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return photo_manifest(tmp_path_factory.mktemp("photos"), 40)


def never() -> bool:
    return False


@pytest.mark.parametrize("make", [tiny_bundled, tiny_clip, tiny_siglip])
def test_towers_train_and_the_candidate_serves(make, manifest: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    base = load_semantic(make(folder), "base", "")
    result = train_run(manifest, RECIPE, folder, tmp_path / "run")
    embedder = load_semantic(result.candidate, "candidate", "1")
    pictures = [np.full((24, 32, 3), value, np.uint8) for value in (20, 220)]
    vectors = embedder.encode_frames(pictures)
    assert np.abs(vectors - base.encode_frames(pictures)).max() > 1e-4
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-4)
    assert (result.candidate / "text.onnx").is_file()
    assert result.figures["split"]["train"] > 20


@pytest.mark.parametrize(
    "change",
    [
        {"lora_rank": 4, "unfrozen_blocks": 0},
        {"losses": {"info_nce": 1.0, "dmae": 0.5, "s3": 0.2}},
        {"mining": True, "epochs": 3, "pooling": "attention"},
        {"anchor": 0.5, "epochs": 1, "filter_percentile": 20.0},
    ],
)
def test_recipes_of_the_towers_run(change: dict[str, object], manifest: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    result = train_run(manifest, replace(RECIPE, **change), tiny_clip(folder), tmp_path / "run")
    assert np.isfinite(result.after["t2v"]["rsum"])


def test_a_stopped_run_resumes_to_the_same_weights(manifest: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    folder = tmp_path / "model"
    folder.mkdir()
    tiny_clip(folder)
    recipe = replace(RECIPE, dropout=0.2, lora_rank=2)
    train_run(manifest, recipe, folder, tmp_path / "whole" / "run")
    seen: list[Progress] = []
    with pytest.raises(Interrupted):
        train_run(
            manifest, recipe, folder, tmp_path / "halves" / "run",
            report=seen.append, stopped=lambda: sum(p.stage == "training" for p in seen) >= 3,
        )  # fmt: skip
    train_run(manifest, recipe, folder, tmp_path / "halves" / "run")
    whole, halves = (load_file(tmp_path / name / "run" / "best.safetensors") for name in ("whole", "halves"))
    assert all(torch.equal(whole[name], halves[name]) for name in whole)


def test_videos_are_decoded_once_and_broken_ones_told(tmp_path: Path) -> None:
    video = make_clip(tmp_path / "clip.mp4", seconds=2)
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    items = [Item("good", ("a",), video=video), Item("bad", ("b",), video=tmp_path / "broken.mp4")]
    cache = PictureCache(tmp_path / "cache", 3, 64)
    problems = cache.fill(items, lambda done: None, never)
    assert [problem.id for problem in problems] == ["bad"]
    pictures = cache.read(items[0])
    assert len(pictures) == 3
    assert min(pictures[0].shape[:2]) >= 64


def test_mined_neighbours_meet_in_the_batch(tmp_path: Path) -> None:
    encoder = TowerEncoder.__new__(TowerEncoder)
    mined = Mined(np.zeros((6, 1), int), np.array([[3], [4], [-1], [0], [1], [-1]]), {})
    arranged = encoder.arrange(np.array([5, 0, 1, 2, 3, 4]), mined)
    assert arranged.tolist() == [5, 0, 3, 1, 4, 2]
    assert encoder.arrange(np.arange(6), None).tolist() == list(range(6))


def test_the_anchor_measures_the_way_from_the_base() -> None:
    rows = {"text": torch.eye(2), "video": torch.eye(2)}
    assert anchor_term(rows).item() == 0
    rows |= {"base_text": torch.eye(2), "base_video": torch.eye(2).flip(0)}
    assert anchor_term(rows).item() == pytest.approx(1.0)


def test_a_clip_of_several_pictures_is_one_item(tmp_path: Path) -> None:
    photos = photo_items(tmp_path / "photos", 60)
    clips = [Item(f"clip-{i}", photos[i].captions, frames=photos[i].frames + photos[i + 30].frames) for i in range(30)]
    write_manifest(clips, tmp_path / "manifest.jsonl")
    folder = tmp_path / "model"
    folder.mkdir()
    recipe = replace(RECIPE, frame_dropout=0.4, epochs=1)
    result = train_run(tmp_path / "manifest.jsonl", recipe, tiny_bundled(folder), tmp_path / "run")
    assert result.figures["items"] == 30


def test_two_processes_share_a_run(manifest: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    tiny_clip(folder)
    recipe = {"name": "two", "title": "two", "tier": "B", "losses": {"neg_nce": 1.0}, "epochs": 2, "batch": 16,
              "micro_batch": 5, "frames": 2, "rate": 0.003, "backbone_rate": 0.001, "unfrozen_blocks": 1}  # fmt: skip
    (tmp_path / "recipe.json").write_text(json.dumps(recipe))
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
        "-m", "worker.training.command", "--manifest", str(manifest), "--recipe", str(tmp_path / "recipe.json"),
        "--model", str(folder), "--out", str(tmp_path / "run"),
    ]  # fmt: skip
    done = subprocess.run(
        command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["candidate"] == str(tmp_path / "run" / "candidate")
    assert load_semantic(tmp_path / "run" / "candidate", "two", "").encode_text(["night"]).shape == (1, 24)
    assert sum("t2v_r1" in point for point in read_curve(tmp_path / "run" / "events" / "curve.jsonl")) == 2


def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "worker.training.command", "--manifest", str(tmp_path / "none.jsonl"),
               "--recipe", "magic", "--model", str(tmp_path), "--out", str(tmp_path / "run")]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    assert "adapter" in done.stderr and "Traceback" not in done.stderr
