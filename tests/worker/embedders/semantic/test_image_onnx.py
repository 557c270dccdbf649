"""The image tower as ONNX: it answers as torch does, in int8 nearly so, and is only kept where it pays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.worker.embedders.tiny_models import tiny_bundled, tiny_clip, tiny_siglip
from worker.embedders.base import EmbedderError
from worker.embedders.registry import load_semantic
from worker.embedders.semantic.fine_tuned import DualHead
from worker.embedders.semantic.image_onnx import IMAGE_FILE, OnnxImages, export_images, open_images, quantise_images


def pictures(count: int = 8) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (40, 60, 3), dtype=np.uint8) // (1 + i % 3) for i in range(count)]


@pytest.mark.parametrize("make", [tiny_bundled, tiny_clip, tiny_siglip])
def test_the_exported_tower_answers_as_torch_in_any_batch(make, tmp_path: Path) -> None:
    base = load_semantic(make(tmp_path), "base", "")
    assert export_images(base, None, tmp_path / IMAGE_FILE, pictures()) < 1e-3
    images = OnnxImages(tmp_path / IMAGE_FILE)
    for count in (1, 5):
        np.testing.assert_allclose(
            images(base.pixels(pictures(count))).numpy(), base.encode_frames(pictures(count)), atol=2e-3
        )


@pytest.mark.parametrize("make", [tiny_bundled, tiny_clip])
def test_int8_keeps_the_direction(make, tmp_path: Path) -> None:
    base = load_semantic(make(tmp_path), "base", "")
    head = DualHead(base.spec.dim, base.spec.dim, base.spec.dim, "mean")
    export_images(base, head.video, tmp_path / "plain.onnx", pictures())
    quantise_images(base, tmp_path / "plain.onnx", tmp_path / IMAGE_FILE, pictures())
    vectors = OnnxImages(tmp_path / IMAGE_FILE)(base.pixels(pictures())).numpy()
    assert (vectors * base.encode_frames(pictures())).sum(1).min() > 0.98
    assert (tmp_path / IMAGE_FILE).stat().st_size < (tmp_path / "plain.onnx").stat().st_size


def test_no_file_is_no_tower_and_a_damaged_one_is_told(tmp_path: Path) -> None:
    assert open_images(tmp_path) is None
    (tmp_path / IMAGE_FILE).write_bytes(b"no graph")
    with pytest.raises(EmbedderError, match="cannot be loaded"):
        open_images(tmp_path)
