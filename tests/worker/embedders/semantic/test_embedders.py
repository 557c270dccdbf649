"""One conformance suite for every semantic encoder, and what is special to each."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.worker.embedders.tiny_models import tiny_bundled, tiny_clip, tiny_siglip
from worker.embedders.base import Embedder, EmbedderError, pool_clip
from worker.embedders.registry import load_semantic
from worker.embedders.semantic.bundled import BundledEmbedder
from worker.embedders.semantic.download import fetch_model
from worker.embedders.semantic.export import export_text_tower, run_onnx
from worker.embedders.semantic.transformers_model import TransformersEmbedder, embedding_of, read_preprocessing
from worker.embedders.towers import ImageTower
from worker.embedders.weights import load_packed, pack, save_packed, unpack

MAKERS: dict[str, Callable[[Path], Path]] = {"clip": tiny_clip, "siglip": tiny_siglip, "bundled": tiny_bundled}


@pytest.fixture(scope="module", params=sorted(MAKERS))
def embedder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    folder = MAKERS[request.param](tmp_path_factory.mktemp(request.param))
    return load_semantic(folder, request.param, "r1")


def pictures(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    return [rng.integers(0, 256, (40 + 7 * i, 90 - 5 * i, 3), np.uint8) for i in range(count)]


def test_vectors_are_unit_float32_in_order_whatever_the_batch(embedder: Embedder) -> None:
    images = pictures(5)
    together = embedder.encode_frames(images)
    assert together.shape == (5, embedder.spec.dim) and together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    alone = np.concatenate([embedder.encode_frames([image]) for image in images])
    np.testing.assert_allclose(together, alone, atol=2e-5)


def test_texts_of_different_lengths_do_not_disturb_each_other(embedder: Embedder) -> None:
    texts = ["a dog", "two people talk in the kitchen while it snows outside", "", "犬 🐕 unknown words"]
    together = embedder.encode_text(texts)
    assert together.shape == (4, embedder.spec.dim)
    alone = np.concatenate([embedder.encode_text([text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=2e-5)


def test_nothing_in_gives_nothing_out(embedder: Embedder) -> None:
    assert embedder.encode_frames([]).shape == embedder.encode_text([]).shape == (0, embedder.spec.dim)


def test_a_very_long_text_is_cut_not_refused(embedder: Embedder) -> None:
    assert np.isfinite(embedder.encode_text(["dog " * 5000])).all()


def test_the_exported_text_tower_gives_the_same_vectors_for_other_texts(embedder: Embedder, tmp_path: Path) -> None:
    figures = export_text_tower(embedder, tmp_path)
    assert figures["max_difference"] < 1e-3
    settings = json.loads((tmp_path / "text.json").read_text())
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    tokenizer.enable_truncation(settings["max_length"])
    length = settings["max_length"] if settings["pad_to_max_length"] else None
    tokenizer.enable_padding(length=length, pad_id=settings["pad_id"])
    texts = ["red dog", "snows", "two people on the beach at night in a red kitchen"]
    encoded = tokenizer.encode_batch(texts)
    tokens = {
        "input_ids": torch.tensor([e.ids for e in encoded]),
        "attention_mask": torch.tensor([e.attention_mask for e in encoded]),
    }
    np.testing.assert_allclose(run_onnx(tmp_path / "text.onnx", tokens), embedder.encode_text(texts), atol=1e-3)


def test_specs_name_the_weights(tmp_path: Path) -> None:
    first = TransformersEmbedder(tiny_clip(tmp_path / "a", seed=0)).spec
    again = TransformersEmbedder(tiny_clip(tmp_path / "b", seed=0)).spec
    other = TransformersEmbedder(tiny_clip(tmp_path / "c", seed=9)).spec
    assert first.weights_sha256 == again.weights_sha256 != other.weights_sha256
    assert first.preprocessing_hash == other.preprocessing_hash


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    folder = tiny_clip(tmp_path / "model")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(EmbedderError, match="safetensors"):
        TransformersEmbedder(folder)
    with pytest.raises(EmbedderError, match="safetensors"):
        fetch_model(str(folder), tmp_path / "copy")


def test_a_model_without_a_text_tower_is_refused(tmp_path: Path) -> None:
    from transformers import ViTConfig, ViTModel

    tiny_clip(tmp_path)  # leaves a tokenizer there
    ViTModel(
        ViTConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, image_size=32)
    ).save_pretrained(tmp_path)
    with pytest.raises(EmbedderError, match="CLIP or SigLIP"):
        TransformersEmbedder(tmp_path)


def test_broken_weights_are_reported_not_raised_raw(tmp_path: Path) -> None:
    folder = tiny_clip(tmp_path)
    (folder / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(EmbedderError, match="cannot be loaded"):
        TransformersEmbedder(folder)


def test_a_folder_is_fetched_without_pickles_and_code(tmp_path: Path) -> None:
    source = tiny_clip(tmp_path / "source")
    (source / "evil.bin").write_bytes(b"x")
    (source / "modeling.py").write_text("raise SystemExit")
    seen: list[float] = []
    assert fetch_model(str(source), tmp_path / "copy", on_progress=seen.append) == ""
    names = {f.name for f in (tmp_path / "copy").iterdir()}
    assert "model.safetensors" in names and not names & {"evil.bin", "modeling.py"}
    assert seen == sorted(seen) and seen[-1] == 1.0
    TransformersEmbedder(tmp_path / "copy")


def test_a_missing_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(EmbedderError, match="no folder"):
        fetch_model(str(tmp_path / "nowhere"), tmp_path / "copy")


def test_folding_the_norms_changes_nothing(tmp_path: Path) -> None:
    folder = tiny_bundled(tmp_path)
    plain = ImageTower(12, (8, 8, 16, 16), (1, 1, 1, 1)).eval()
    plain.load_state_dict(load_packed(folder / "image.safetensors"))
    x = torch.rand(3, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(BundledEmbedder(folder).image(x), plain(x), atol=1e-4, rtol=1e-3)


def test_int8_tables_come_back_within_half_a_step() -> None:
    table = torch.randn(50, 8)
    state = unpack(pack({"table": table, "other": torch.arange(3)}, ("table",)))
    step = table.abs().amax(1, keepdim=True) / 127
    assert ((state["table"] - table).abs() <= step * 0.51 + 1e-3).all()
    assert state["other"].tolist() == [0, 1, 2]


def test_packed_weights_survive_the_disk(tmp_path: Path) -> None:
    weight = torch.randn(4, 4).half().float()
    save_packed({"w": weight}, tmp_path / "w.safetensors")
    torch.testing.assert_close(load_packed(tmp_path / "w.safetensors")["w"], weight)


def test_a_clip_is_the_normalised_mean_of_its_frames() -> None:
    frames = np.eye(4, dtype=np.float32)[:2]
    np.testing.assert_allclose(pool_clip(frames), [0.5**0.5, 0.5**0.5, 0, 0], atol=1e-6)
    with pytest.raises(ValueError, match="without frames"):
        pool_clip(frames[:0])


def test_an_unknown_output_is_an_error_not_a_guess() -> None:
    with pytest.raises(EmbedderError, match="instead of an embedding"):
        embedding_of(object())


def test_preprocessing_reads_the_formats_of_clip_and_siglip(tmp_path: Path) -> None:
    clip = read_preprocessing(tiny_clip(tmp_path / "clip"), 224)
    siglip = read_preprocessing(tiny_siglip(tmp_path / "siglip"), 224)
    assert (clip.side, clip.crop, siglip.side, siglip.crop) == (32, True, 32, False)
    assert siglip.mean == (0.5, 0.5, 0.5)
    assert read_preprocessing(tmp_path, 224).side == 224
