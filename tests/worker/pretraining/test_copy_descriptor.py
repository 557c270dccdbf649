from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from worker.embedders.copies.descriptor import CopyDescriptor, CopyNet
from worker.pretraining.copies import descriptor
from worker.pretraining.copies.descriptor import pair_loss, rate_at, relations, spread_loss, train
from worker.pretraining.copies.release import release, whitening

NONE = -1


def test_views_of_one_picture_are_copies_and_others_are_strangers() -> None:
    copies, strangers = relations(torch.full((6,), NONE), torch.tensor([0, 1, 2]))
    assert copies.nonzero().tolist() == [[0, 3], [1, 4], [2, 5], [3, 0], [4, 1], [5, 2]]
    assert torch.equal(strangers, ~(copies | torch.eye(6, dtype=torch.bool)))


def test_frames_of_one_video_are_neither_copies_nor_strangers() -> None:
    copies, strangers = relations(torch.full((4,), NONE), torch.tensor([5, 5]))
    assert not copies[0, 1]
    assert not strangers[0, 1]


def test_a_view_that_shows_two_pictures_is_a_copy_of_both() -> None:
    second = torch.tensor([NONE, NONE, NONE, 1, NONE, NONE])  # the second view of picture 0 shows picture 1 as well
    copies, strangers = relations(second, torch.tensor([0, 1, 2]))
    assert copies[3].nonzero().flatten().tolist() == [0, 1, 4]
    assert torch.equal(copies, copies.T)
    assert strangers[3].nonzero().flatten().tolist() == [2, 5]


def test_two_views_that_share_only_their_second_picture_are_left_out() -> None:
    second = torch.tensor([NONE, NONE, NONE, 2, 2, NONE])
    copies, strangers = relations(second, torch.tensor([0, 1, 2]))
    assert not copies[3, 4]
    assert not strangers[3, 4]


def test_the_pair_loss_is_lower_when_copies_are_close() -> None:
    generator = torch.Generator().manual_seed(0)
    base = F.normalize(torch.randn(8, 16, generator=generator), dim=1)
    copies, strangers = relations(torch.full((16,), NONE), torch.arange(8))
    matched = pair_loss(torch.cat([base, base]), copies, strangers)
    shuffled = pair_loss(torch.cat([base, base.roll(1, 0)]), copies, strangers)
    assert matched < 0.1 < shuffled


def test_the_spread_loss_prefers_descriptors_far_apart() -> None:
    copies, strangers = relations(torch.full((4,), NONE), torch.arange(2))
    apart = torch.tensor([[1.0, 0.0], [-1.0, 0.0]]).repeat(2, 1)
    close = F.normalize(torch.tensor([[1.0, 0.0], [1.0, 0.2]]), dim=1).repeat(2, 1)
    assert spread_loss(apart, strangers) < spread_loss(close, strangers)
    assert spread_loss(apart, strangers) == pytest.approx(-np.log(2), abs=1e-5)


def test_the_rate_warms_up_and_ends_near_zero() -> None:
    assert rate_at(0.0) < rate_at(0.02) < rate_at(0.04) == pytest.approx(descriptor.PEAK_RATE)
    assert rate_at(1.0) == pytest.approx(0.005 * descriptor.PEAK_RATE)


def test_training_resumes_where_its_checkpoint_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptor, "BATCH", 8)
    monkeypatch.setattr(descriptor, "CHECKPOINT_SECONDS", 0)
    images = np.random.default_rng(0).integers(0, 256, (16, 128, 128, 3), dtype=np.uint8)
    before = CopyNet().project.weight.clone()
    first = train(images, np.arange(16), tmp_path, minutes=0.02, seed=0)
    assert not torch.equal(first.project.weight, before)
    again = train(images, np.arange(16), tmp_path, minutes=0.001, seed=0)
    assert torch.equal(again.project.weight, first.project.weight)


def test_too_few_pictures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="too few"):
        train(np.zeros((3, 128, 128, 3), np.uint8), np.arange(3), tmp_path, minutes=1, seed=0)


def test_full_whitening_makes_every_direction_equally_wide() -> None:
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(4000, 8, generator=generator) * torch.linspace(0.5, 1.5, 8) + 3
    centre, matrix = whitening(z, 1.0)
    white = (z - centre) @ matrix
    spread = white.std(0)
    assert white.mean(0).abs().max() < 1e-3
    assert spread.max() / spread.min() < 1.1


def test_a_release_can_be_read_and_encodes(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (12, 128, 128, 3), dtype=np.uint8)
    path = tmp_path / "copy.safetensors"
    release(CopyNet(), images, np.repeat(np.arange(6), 2), path, strength=0.0, seed=0)
    descriptor = CopyDescriptor(path)
    assert descriptor.background().shape == (6, 128)
    assert descriptor.encode_frames(images).shape == (12, 128)
