from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from worker.embedders.copies.mac import normalised
from worker.pretraining.copies import dml
from worker.pretraining.copies.dml import (
    embedded,
    group_rows,
    retrieval_map,
    start_head,
    train,
    triplet_loss,
    validation_videos,
    versions,
    within_whitening,
)
from worker.pretraining.copies.edited_alike import edited_alike


def test_the_loss_is_that_of_a_plain_loop_over_triplets() -> None:
    generator = torch.Generator().manual_seed(0)
    a, p = (F.normalize(torch.randn(6, 4, generator=generator), dim=1) for _ in range(2))
    total = []
    for i in range(6):
        near = float(((a[i] - p[i]) ** 2).sum())
        far = sorted(float(((a[i] - p[j]) ** 2).sum()) for j in range(6) if j != i)
        total += [max(0.0, near - d + 1.0) for d in far[:2]]
    assert float(triplet_loss(a, p, gamma=1.0, hardest=2)) == pytest.approx(sum(total) / len(total), abs=1e-5)


def test_well_separated_videos_cost_nothing() -> None:
    rows = torch.eye(4)
    assert float(triplet_loss(rows, rows)) == 0.0


def test_map_is_that_of_a_plain_loop() -> None:
    vectors = normalised(np.random.default_rng(3).standard_normal((5, 3, 6)).astype(np.float32).reshape(-1, 6))
    vectors = vectors.reshape(5, 3, 6)
    found = []
    for query in range(5):
        scored = sorted(((float(vectors[query, 0] @ vectors[v, e]), v) for v in range(5) for e in (1, 2)), reverse=True)
        hits, precisions = 0, []
        for place, (_, video) in enumerate(scored, 1):
            if video == query:
                hits += 1
                precisions.append(hits / place)
        found.append(sum(precisions) / 2)
    assert retrieval_map(vectors) == pytest.approx(sum(found) / 5, abs=1e-6)


def planted_features(videos: int, seed: int) -> np.ndarray:
    """Edits move a video along directions that all videos share, further than videos differ."""
    rng = np.random.default_rng(seed)
    directions = np.random.default_rng(99).standard_normal((3, 24))
    own = np.zeros((videos, 1, 24))
    own[:, 0, :12] = rng.standard_normal((videos, 12))
    edits = rng.standard_normal((videos, 4, 3)) @ directions * 2
    edits[:, 0] = 0
    return normalised((own + edits).astype(np.float32).reshape(-1, 24)).reshape(videos, 4, 24)


def test_whitening_makes_what_edits_change_even() -> None:
    features = np.random.default_rng(0).standard_normal((50, 4, 8)).astype(np.float32) * np.arange(1, 9)
    apart = ((features - features.mean(1, keepdims=True)) @ within_whitening(features, ridge=0.0)).reshape(-1, 8)
    covariance = apart.T @ apart
    assert covariance / covariance[0, 0] == pytest.approx(np.eye(8), abs=1e-3)


def test_a_head_that_is_not_trained_yet_already_finds_more_than_plain_features() -> None:
    held_out = planted_features(60, 1)
    head = start_head(planted_features(120, 0))
    whitened = head.whitened(torch.from_numpy(held_out.reshape(-1, 24))).numpy().reshape(held_out.shape)
    assert retrieval_map(whitened) > retrieval_map(held_out) + 0.05


def test_one_training_video_in_ten_only_validates() -> None:
    assert np.flatnonzero(validation_videos(25)).tolist() == [9, 19]
    assert np.flatnonzero(validation_videos(4)).tolist() == [3]


def test_training_keeps_the_weights_of_the_best_validation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dml, "VALIDATION_STEPS", 1)
    maps = iter([0.2, 0.9, 0.1])
    seen = []
    real = dml.embedded

    def noted(head: dml.DmlHead, features: np.ndarray) -> np.ndarray:
        seen.append(head.layers[0].weight.detach().clone())
        return real(head, features)

    monkeypatch.setattr(dml, "embedded", noted)
    monkeypatch.setattr(dml, "retrieval_map", lambda vectors: next(maps))
    kept = train(planted_features(20, 0), tmp_path, steps=3, seed=0)
    assert torch.equal(kept.layers[0].weight, seen[1]) and not torch.equal(seen[1], seen[2])


def test_training_raises_the_map_of_videos_it_has_not_seen(tmp_path: Path) -> None:
    head = train(planted_features(120, 0), tmp_path, steps=25, seed=0)
    held_out = planted_features(60, 1)
    assert retrieval_map(embedded(head, held_out)) > retrieval_map(held_out) + 0.05


def test_training_resumes_with_the_same_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dml, "CHECKPOINT_STEPS", 2)
    monkeypatch.setattr(dml, "BATCH", 8)
    features = planted_features(20, 0)
    whole = train(features, tmp_path / "whole", steps=4, seed=0)

    class Stopped(Exception):
        pass

    def stop(*args: object) -> None:
        real(*args)
        raise Stopped

    real = dml.save_checkpoint
    with monkeypatch.context() as patch:
        patch.setattr(dml, "save_checkpoint", stop)
        with pytest.raises(Stopped):
            train(features, tmp_path / "parts", steps=4, seed=0)
    resumed = train(features, tmp_path / "parts", steps=4, seed=0)
    for left, right in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.allclose(left, right, atol=1e-6)


def test_one_video_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="too few"):
        train(planted_features(1, 0), tmp_path, steps=1, seed=0)


def test_groups_are_videos_of_one_split_in_time_order() -> None:
    rows = [
        {"id": f"{group}_{i}", "split": split, "group": group, "captions": []}
        for group, split in (("msrvtt/2", "train"), ("msrvtt/1", "train"), ("msrvtt/3", "dev"), ("flickr/a", "train"))
        for i in range(2)
    ]
    assert [g.tolist() for g in group_rows(rows, "train")] == [[2, 3], [0, 1]]  # type: ignore[arg-type]
    assert [g.tolist() for g in group_rows(rows, "dev")] == [[4, 5]]  # type: ignore[arg-type]


def pictures(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 64, 64, 3), dtype=np.uint8)


def test_the_frames_of_a_video_are_edited_in_one_way() -> None:
    same = np.repeat(pictures(1), 3, axis=0)
    for seed in range(8):
        edited = edited_alike(same, pictures(2)[1], 32, [seed])
        assert edited.shape == (3, 32, 32, 3)
        assert (edited[0] == edited[1]).all() and (edited[0] == edited[2]).all()
    assert (edited_alike(same[:1], same[0], 32, [1]) != edited_alike(same[:1], same[0], 32, [2])).any()


def test_versions_begin_with_the_original_and_are_reproducible() -> None:
    images = pictures(12)
    groups = [np.arange(0, 4), np.arange(4, 8), np.arange(8, 12)]
    made = list(versions(images, groups, 1, seed=5))
    assert len(made) == 1 + dml.EDITS
    assert (np.stack(made[0]) == images[4:8]).all()
    again = list(versions(images, groups, 1, seed=5))
    assert all((np.stack(a) == np.stack(b)).all() for a, b in zip(made, again, strict=True))
    assert all(2 <= len(v) <= 4 for v in made)
