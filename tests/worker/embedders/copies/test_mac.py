"""MAC features against plain loops, and the head that stands on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.worker.embedders.tiny_models import tiny_bundled
from worker.embedders.base import EmbedderError
from worker.embedders.copies.dml import Dml, DmlHead
from worker.embedders.copies.mac import SIDE, mac, normalised, semantic_mac, stage_maps
from worker.embedders.semantic.bundled import BundledEmbedder
from worker.embedders.towers import ResidualNet
from worker.embedders.weights import save_packed


def test_mac_is_the_maximum_of_every_channel_of_every_map() -> None:
    rng = np.random.default_rng(0)
    maps = [rng.standard_normal((2, c, h, w)).astype(np.float32) for c, h, w in ((3, 4, 5), (2, 1, 1), (4, 2, 3))]
    found = mac([torch.from_numpy(m) for m in maps]).numpy()
    for picture in range(2):
        channels = [channel.tolist() for m in maps for channel in m[picture]]
        expected = [max(value for row in channel for value in row) for channel in channels]
        assert found[picture].tolist() == pytest.approx(expected)
    with pytest.raises(ValueError, match="at least one map"):
        mac([])


def test_a_residual_network_gives_the_map_at_the_end_of_every_stage() -> None:
    torch.manual_seed(0)
    net = ResidualNet((4, 6, 8), (2, 1, 2)).eval()
    x = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        maps = stage_maps(net, x)
        middle, last = net.maps(x)
    assert [m.shape[1] for m in maps] == [4, 6, 8]
    assert torch.equal(maps[-1], last)
    assert torch.equal(maps[-2], middle)


def test_batches_do_not_matter(tmp_path: Path) -> None:
    embedder = BundledEmbedder(tiny_bundled(tmp_path / "tiny"))
    images = list(np.random.default_rng(0).integers(0, 256, (35, 24, 32, 3), dtype=np.uint8))
    features = semantic_mac(embedder)(images)
    with torch.inference_mode():
        widths = [m.shape[1] for m in stage_maps(embedder.image.net, torch.rand(1, 3, SIDE, SIDE))]
    assert features.shape == (35, sum(widths))
    assert np.allclose(features[33], semantic_mac(embedder)(images[33:34])[0], atol=1e-4)


def test_the_head_gives_unit_rows_and_survives_saving(tmp_path: Path) -> None:
    torch.manual_seed(0)
    head = DmlHead(12, (16, 10, 5)).eval()
    head.centre.copy_(torch.linspace(-0.1, 0.1, 12))
    save_packed(head.state_dict(), tmp_path / "dml.safetensors")
    videos = normalised(np.random.default_rng(0).standard_normal((6, 12)).astype(np.float32))
    found = Dml(tmp_path / "dml.safetensors").embed(videos)
    assert found.shape == (6, 5)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    with torch.inference_mode():
        assert np.allclose(found, head(torch.from_numpy(videos)).numpy(), atol=2e-2)  # half precision


def test_other_features_and_missing_weights_are_refused(tmp_path: Path) -> None:
    save_packed(DmlHead(12, (8, 5)).state_dict(), tmp_path / "dml.safetensors")
    with pytest.raises(ValueError, match="12"):
        Dml(tmp_path / "dml.safetensors").embed(np.zeros((2, 11), np.float32))
    with pytest.raises(EmbedderError, match="cannot be read"):
        Dml(tmp_path / "nothing.safetensors")
