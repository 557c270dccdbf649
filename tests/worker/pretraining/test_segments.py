"""Training of the segment detector and of the key-frame selector, on a few steps and a tiny bank of footage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from worker.alignment import unit
from worker.detection.keyframes import KeyframeNet, KeyframeSelector
from worker.detection.spd import SpdNet
from worker.pretraining.segments import keyframes, spd
from worker.pretraining.segments.footage import FPS, Bank, edited_shot, pan
from worker.pretraining.segments.spd_data import MadeUpTrack, compose, thin
from worker.training.loop.checkpoint import load_checkpoint


@pytest.fixture
def bank() -> Bank:
    rng = np.random.default_rng(0)
    shots = []
    for _ in range(5):
        walk = unit(rng.standard_normal((1, 128)) + np.cumsum(0.1 * rng.standard_normal((20, 128)), axis=0))
        looks = [walk, *(unit(walk + 0.03 * rng.standard_normal(walk.shape)) for _ in range(3))]
        shots.append(np.stack(looks).astype(np.float32))
    return Bank(shots)


def test_pairs_show_the_reference_where_the_plan_says_so(bank: Bank) -> None:
    for seed in range(8):
        for shoot in (MadeUpTrack, bank.shoot):
            pair = compose(np.random.default_rng(seed), shoot)
            for piece in pair.pieces:
                middle = sum(piece.query) / 2
                row = int(np.abs(pair.query_times - middle).argmin())
                if not piece.query[0] <= pair.query_times[row] < piece.query[1]:
                    continue
                share = (pair.query_times[row] - piece.query[0]) / (piece.query[1] - piece.query[0])
                low, high = piece.reference
                moment = high - share * (high - low) if piece.backwards else low + share * (high - low)
                column = int(np.abs(pair.reference_times - moment).argmin())
                likeness = pair.query[row] @ pair.reference.T
                assert likeness[column] >= np.median(likeness) - 0.05


def test_a_thinned_reference_keeps_its_times_and_stays_of_unit_length() -> None:
    pair = compose(np.random.default_rng(3), MadeUpTrack)
    sparse = thin(np.random.default_rng(1), pair)
    assert sparse.reference.shape == pair.reference.shape
    assert np.allclose(np.linalg.norm(sparse.reference, axis=1), 1, atol=1e-4)


def test_a_detector_learns_one_matrix_by_heart() -> None:
    torch.manual_seed(0)
    rng = np.random.default_rng(4)
    picture, *targets = spd.collate(spd.lessons(rng, [MadeUpTrack], 2))
    net = SpdNet()
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3)
    losses = []
    for _ in range(12):
        loss = spd.detection_loss(net(picture), *targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]


def test_a_stopped_training_goes_on_where_it_was(tmp_path: Path, bank: Bank) -> None:
    shoots = [MadeUpTrack, bank.shoot]
    spd.train(tmp_path, shoots, minutes=5, batch=2, steps=2)
    first = load_checkpoint(tmp_path / "spd", {})
    net = spd.train(tmp_path, shoots, minutes=5, batch=2, steps=1)
    after = load_checkpoint(tmp_path / "spd", {"net": SpdNet()})
    assert first is not None and after is not None
    assert (first["seen"], after["seen"]) == (4, 6)
    assert after["seconds"] > first["seconds"]
    spd.release(net, tmp_path / "spd.safetensors")
    SpdNet().load_state_dict(load_file(tmp_path / "spd.safetensors"))


def test_selector_and_detector_train_together_and_resume(tmp_path: Path, bank: Bank) -> None:
    torch.manual_seed(0)
    before = KeyframeNet().state_dict()
    selector, _ = keyframes.train(tmp_path, [MadeUpTrack, bank.shoot], None, minutes=5, steps=2)
    assert any(not torch.equal(before[k], v) for k, v in selector.state_dict().items())
    keyframes.train(tmp_path, [bank.shoot], None, minutes=5, steps=1)
    after = load_checkpoint(tmp_path / "joint", {})
    assert after is not None and after["steps"] == 3


def test_the_loss_of_the_detector_reaches_the_scores_of_the_frames(bank: Bank) -> None:
    net = KeyframeNet()
    pictures, targets = keyframes.joint_pictures(net, keyframes.short_pairs(np.random.default_rng(0), [bank.shoot], 1))
    spd.detection_loss(SpdNet()(pictures), *targets).backward()
    assert float(net.head.weight.grad.abs().sum()) > 0  # type: ignore[union-attr]


def test_rebuilding_from_frames_that_are_all_wanted_gives_the_video_back(bank: Bank) -> None:
    vectors = torch.from_numpy(bank.shots[0][0])[None]
    times = torch.arange(vectors.shape[1])[None].float()
    kept = keyframes.rebuilt(torch.full(vectors.shape[:2], 9.0), vectors, times)
    assert torch.allclose(kept, vectors, atol=1e-5)
    one = torch.full(vectors.shape[:2], -60.0)
    one[0, 3] = 9.0
    alone = keyframes.rebuilt(one, vectors, times)
    assert torch.allclose(alone[0], vectors[0, 3].expand_as(vectors[0]), atol=1e-5)


def test_tracks_of_a_bank_hold_the_shots_frames(bank: Bank) -> None:
    track = bank.shoot(np.random.default_rng(2), 30.0)
    moments = track.starts[:-1] + 1 / FPS
    expected = np.stack([shot[0][1] for shot in track.shots])
    assert np.allclose(track.at(moments), expected, atol=1e-4)


def test_all_frames_of_a_shot_get_the_same_edit() -> None:
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 255, (160, 160, 3), dtype=np.uint8))
    frames = pan(image, 4, rng)
    still = edited_shot([frames[0]] * 3, frames, [7])
    assert np.array_equal(np.asarray(still[0]), np.asarray(edited_shot([frames[0]], frames, [7])[0]))
    assert len(frames) == 4


def test_an_untrained_selector_scores_every_frame_and_a_single_one() -> None:
    selector = KeyframeSelector(net=KeyframeNet().eval())
    for count in (1, 2, 7, 40):
        vectors = unit(np.random.default_rng(count).standard_normal((count, 128)))
        scores = selector.scores(vectors, np.arange(float(count)))
        assert scores.shape == (count,)
        assert ((scores > 0) & (scores < 1)).all()
