from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from worker.pretraining.segments import transition
from worker.pretraining.segments.footage import VIEW
from worker.pretraining.segments.transition import (
    CHANGES,
    KINDS,
    PAN,
    Frames,
    Pairs,
    accuracies,
    blurred,
    cosine_distance,
    cosine_threshold,
    edited_frames,
    moving_camera,
    neighbour_pairs,
    probabilities,
    train,
    video_frames,
)

VIDEOS = [3, 2, 1, 4, 1, 2, 5, 2, 3]


def frames_of(lengths: list[int]) -> tuple[Frames, np.ndarray]:
    """Videos of noise; all frames of one are the same but for the last of those with an even number."""
    ends = np.cumsum(lengths)
    rng = np.random.default_rng(0)
    scenes = rng.integers(0, 256, (len(lengths), 32, 32, 3), dtype=np.uint8)
    images = np.repeat(scenes, lengths, axis=0)
    cut = [end - 1 for n, end in zip(lengths, ends.tolist(), strict=True) if n % 2 == 0]
    images[cut] = rng.integers(0, 256, (len(cut), 32, 32, 3), dtype=np.uint8)
    groups = [np.arange(end - n, end) for n, end in zip(lengths, ends.tolist(), strict=True)]
    return edited_frames(images, groups, seed=0), images


def test_videos_are_edited_in_sets_and_a_camera_moves_over_single_pictures() -> None:
    frames, _ = frames_of(VIDEOS)
    assert len(frames.images) == len(frames.video) == sum(n if n > 1 else PAN for n in VIDEOS)
    assert np.unique(frames.edit).tolist() == [0, 1, 2]
    assert frames.single.sum() == 2 * PAN
    for video in range(len(VIDEOS)):
        assert len(np.unique(frames.edit[frames.video == video])) == 1


def test_only_frames_that_look_alike_before_the_edit_go_on() -> None:
    frames, _ = frames_of(VIDEOS)
    for number, length in enumerate(VIDEOS):
        found = frames.follows[frames.video == number].tolist()
        if length == 1:
            assert found == [False, *[True] * (PAN - 1)]
        else:
            assert found == [False, *[True] * (length - 2), length % 2 == 1]


def test_a_moving_camera_stays_on_its_picture() -> None:
    y, x = np.mgrid[0:64, 0:64]
    picture = np.stack([x * 4, y * 4, x * 2 + y * 2], 2).astype(np.uint8)
    frames = moving_camera(picture, np.random.default_rng(0))
    assert frames.shape == (PAN, VIEW, VIEW, 3)
    assert 0 < np.abs(np.diff(frames.astype(int), axis=0)).mean() < 40


def test_pairs_that_go_on_are_neighbours_of_one_video_and_the_others_are_not() -> None:
    frames, _ = frames_of(VIDEOS * 6)
    pairs = neighbour_pairs(frames, seed=1)
    same = frames.video[pairs.before] == frames.video[pairs.after]
    assert (same == ~pairs.changes).all()
    assert (pairs.after[same] == pairs.before[same] + 1).all()
    assert frames.follows[pairs.after[same]].all() and same.sum() == frames.follows.sum()
    assert abs(int(pairs.changes.sum()) - CHANGES * int(same.sum())) <= 0.1 * CHANGES * same.sum()
    alike = frames.edit[pairs.before] == frames.edit[pairs.after]
    assert (alike == (pairs.kind != KINDS.index("apart"))).all()
    assert (frames.single[pairs.before] & same == (pairs.kind == KINDS.index("moved"))).all()


def test_splits_share_no_video() -> None:
    rows = [
        {"id": f"{split}{group}{i}", "split": split, "group": f"msrvtt/{split}{group}", "captions": []}
        for split in ("train", "dev")
        for group in range(4)
        for i in range(1 + group % 2)
    ]
    for split in ("train", "dev"):
        chosen = np.concatenate(video_frames(rows, split, 10, 10, seed=0))  # type: ignore[arg-type]
        assert len(chosen) == 6
        assert {rows[i]["split"] for i in chosen} == {split}


def test_accuracy_is_that_of_a_plain_count() -> None:
    pairs = Pairs(np.arange(6), np.arange(6), np.array([0, 0, 1, 2, 3, 3]))
    found = accuracies(np.array([0.1, 0.9, 0.2, 0.8, 0.4, 0.6]), pairs)
    assert found == pytest.approx({
        "balanced": 2 / 3, "video": 0.5, "moved": 1.0, "alike": 1.0, "apart": 0.5,
    })  # fmt: skip


def test_the_baseline_takes_the_best_threshold() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((60, 5)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    pairs = Pairs(rng.integers(0, 60, 80), rng.integers(0, 60, 80), rng.integers(0, 4, 80))
    apart = cosine_distance(vectors, pairs)
    best = max(accuracies(apart, pairs, t)["balanced"] for t in np.r_[apart, apart + 1e-6])
    assert accuracies(apart, pairs, cosine_threshold(vectors, pairs))["balanced"] == pytest.approx(best)


def test_noise_leaves_unit_rows_near_where_they_were() -> None:
    rows = torch.nn.functional.normalize(torch.randn(64, 128, generator=torch.Generator().manual_seed(0)), dim=1)
    before, after = blurred(rows, rows)
    assert torch.allclose(before.norm(dim=1), torch.ones(64), atol=1e-5)
    assert float((before * rows).sum(1).min()) > 0.9 and not torch.equal(before, after)


def planted_pairs() -> tuple[np.ndarray, Pairs]:
    """Videos are far apart; frames of one differ a little."""
    rng = np.random.default_rng(0)
    video = np.repeat(np.arange(60), 3)
    vectors = rng.standard_normal((60, 16))[video] + 0.4 * rng.standard_normal((180, 16))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    rows = np.arange(180)
    frames = Frames(np.empty((180, 0)), video, rows // 12, np.zeros(180, bool), rows % 3 > 0)
    return vectors, neighbour_pairs(frames, 0)


def test_training_learns_and_resumes_with_the_same_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transition, "CHECKPOINT_STEPS", 10)
    monkeypatch.setattr(transition, "BATCH", 32)
    vectors, pairs = planted_pairs()
    whole = train(vectors, pairs, tmp_path / "whole", steps=20, seed=0)
    assert accuracies(probabilities(whole, vectors, pairs), pairs)["balanced"] > 0.9

    class Stopped(Exception):
        pass

    def stop(*args: object) -> None:
        real(*args)
        raise Stopped

    real = transition.save_checkpoint
    with monkeypatch.context() as patch:
        patch.setattr(transition, "save_checkpoint", stop)
        with pytest.raises(Stopped):
            train(vectors, pairs, tmp_path / "parts", steps=20, seed=0)
    resumed = train(vectors, pairs, tmp_path / "parts", steps=20, seed=0)
    for left, right in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.allclose(left.float(), right.float(), atol=1e-5)
