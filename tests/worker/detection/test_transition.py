from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from worker.detection.transition import TransitionClassifier, TransitionNet
from worker.embedders.base import EmbedderError
from worker.embedders.weights import save_packed


def saved(folder: Path, dim: int = 8) -> Path:
    torch.manual_seed(0)
    net = TransitionNet(dim, (16, 12, 6))
    net(torch.randn(32, dim), torch.randn(32, dim))  # moves the running averages away from where they start
    save_packed(net.state_dict(), folder / "transition.safetensors")
    return folder / "transition.safetensors"


def test_every_frame_gets_the_probability_of_its_pair_with_the_frame_before(tmp_path: Path) -> None:
    classifier = TransitionClassifier(saved(tmp_path))
    vectors = np.random.default_rng(0).standard_normal((7, 8)).astype(np.float32)
    found = classifier(vectors)
    assert found[0] == 1
    for i in range(1, 7):
        assert found[i] == pytest.approx(classifier.of_pairs(vectors[i - 1 : i], vectors[i : i + 1])[0], abs=1e-5)
    assert ((found >= 0) & (found <= 1)).all()


def test_short_queries_are_answered(tmp_path: Path) -> None:
    classifier = TransitionClassifier(saved(tmp_path))
    assert classifier(np.ones((1, 8), np.float32)).tolist() == [1]
    assert classifier(np.ones((0, 8), np.float32)).tolist() == []


def test_other_descriptors_and_missing_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="pairs of 8 numbers"):
        TransitionClassifier(saved(tmp_path))(np.ones((3, 9), np.float32))
    with pytest.raises(EmbedderError, match="cannot be read"):
        TransitionClassifier(tmp_path / "nothing.safetensors")
