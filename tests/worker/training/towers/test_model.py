"""Training the towers themselves: tiny CLIP, SigLIP and bundled models, from their folders and back into folders."""

from __future__ import annotations

import builtins
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel

from tests.worker.embedders.tiny_models import tiny_bundled, tiny_clip, tiny_siglip
from worker.embedders.registry import load_semantic
from worker.training.candidate import write_weights
from worker.training.errors import TrainingError
from worker.training.loop.checkpoint import load_checkpoint, save_checkpoint
from worker.training.recipe import Recipe
from worker.training.steps.augment import crop_clip, drop_frames
from worker.training.steps.grad_cache import Embeddings, Tower, backward, micro_batches
from worker.training.towers.model import TowerModel, open_tower_model

MAKERS: dict[str, Callable[[Path], Path]] = {"clip": tiny_clip, "siglip": tiny_siglip, "bundled": tiny_bundled}
CAPTIONS = ["a dog runs on the beach", "two people talk", "red kitchen at night", "it snows outside", "the window", ""]
LORA = Recipe(name="lora", title="", tier="B", losses={"dmae": 1.0}, lora_rank=4, rate=3e-3, dropout=0.0)
BLOCKS = dataclasses.replace(LORA, lora_rank=0, unfrozen_blocks=1, backbone_rate=3e-3)
# Half precision and int8 rows on the way through the bundled format.
FILE_TOLERANCE = {"clip": 1e-5, "siglip": 1e-5, "bundled": 1e-2}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {kind: make(tmp_path_factory.mktemp(kind)) for kind, make in MAKERS.items()}


@pytest.fixture(params=sorted(MAKERS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def clips() -> list[list[np.ndarray]]:
    """Of one to three pictures of any size, each clip with a colour of its own."""
    rng = np.random.default_rng(0)
    colours = [(0, 0, 0), (255, 255, 255), (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)]
    return [
        [
            (rng.integers(0, 256, (40 + 9 * row, 70, 3)) // 3 + np.array(colours[row]) * 2 // 3).astype(np.uint8)
            for _ in range(1 + row % 3)
        ]
        for row in range(len(CAPTIONS))
    ]


def batch(model: TowerModel) -> tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
    return (*model.pictures(clips()), model.tokenize(CAPTIONS))


def contrast(model: TowerModel) -> Callable[[Embeddings], torch.Tensor]:
    def loss(e: Embeddings) -> torch.Tensor:
        target = torch.arange(len(e["text"]))
        logits = model.scale() * e["text"] @ e["video"].T
        local = torch.einsum("bld,cfd->bclf", e["words"], e["frames"]).amax(3).mean(2)
        cross = torch.nn.functional.cross_entropy
        return cross(logits, target) + cross(logits.T, target) + cross(10 * local, target)

    return loss


def train(model: TowerModel, recipe: Recipe, steps: int, micro_batch: int = 4) -> list[float]:
    optimizer = torch.optim.AdamW(model.parameter_groups(recipe))
    torch.manual_seed(0)  # for dropout
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        parts = micro_batches(batch(model), micro_batch)
        losses.append(float(backward([Tower(lambda part: model.encode_pairs(*part), parts)], contrast(model))))
        optimizer.step()
    return losses


def snapshot(model: TowerModel) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def test_untrained_it_answers_as_the_embedder_of_its_folder(kind: str, folders: dict[str, Path]) -> None:
    embedder = load_semantic(folders[kind], kind, "")
    model = open_tower_model(folders[kind], LORA)
    images = [image for clip in clips() for image in clip]
    np.testing.assert_allclose(model.encode_frames(images), embedder.encode_frames(images), atol=2e-5)
    np.testing.assert_allclose(model.encode_text(CAPTIONS), embedder.encode_text(CAPTIONS), atol=2e-5)
    assert model.training, "measuring leaves the mode as it was"


def test_pairs_have_the_promised_shapes_and_masked_frames_do_not_matter(kind: str, folders: dict[str, Path]) -> None:
    model = open_tower_model(folders[kind], LORA).eval()
    model.bf16 = False
    pictures, mask, tokens = batch(model)
    found = model.encode_pairs(pictures, mask, tokens)
    rows, length, dim = len(CAPTIONS), tokens["input_ids"].shape[1], model.towers.dim
    assert {name: tuple(t.shape) for name, t in found.items()} == {
        "text": (rows, dim), "video": (rows, dim), "frames": (rows, 3, dim), "frame_mask": (rows, 3),
        "words": (rows, length, dim), "word_mask": (rows, length),
    }  # fmt: skip
    unit = dict(atol=1e-5, rtol=0)
    for name in ("text", "video", "words"):
        torch.testing.assert_close(found[name].norm(dim=-1), torch.ones(found[name].shape[:-1]), **unit)
    torch.testing.assert_close(found["frames"].norm(dim=-1), mask.float(), **unit)
    assert found["word_mask"].sum(1).tolist() == [6, 3, 4, 3, 2, 1], "words without special tokens, at least one"
    pictures[~mask] = 255
    torch.testing.assert_close(model.encode_pairs(pictures, mask, tokens)["video"], found["video"])
    clip = clips()[2]
    np.testing.assert_allclose(
        model.encode_clip(model.encode_frames(clip)), found["video"][2].detach().numpy(), atol=1e-5
    )


def test_offsets_point_into_the_caption(kind: str, folders: dict[str, Path]) -> None:
    tokens = open_tower_model(folders[kind], BLOCKS).tokenize(CAPTIONS)
    spans = tokens["offsets"][0][tokens["word_mask"][0]].tolist()
    assert [CAPTIONS[0][start:end] for start, end in spans] == CAPTIONS[0].split()


@pytest.mark.parametrize("recipe", [LORA, BLOCKS], ids=["lora", "blocks"])
def test_the_loss_falls_and_only_what_should_train_changes(kind: str, folders: dict[str, Path], recipe: Recipe) -> None:
    model = open_tower_model(folders[kind], recipe)
    before = snapshot(model)
    losses = train(model, recipe, 30)
    assert np.mean(losses[-5:]) < losses[0] - 0.1
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    towers = {name for name in changed if name.startswith("towers.")}
    # What the head maps identically can stand still at first; LoRA and the last blocks cannot.
    assert changed <= {name for name, p in model.named_parameters() if p.requires_grad}
    assert "log_scale" in changed and any(name.startswith("head.") for name in changed)
    if recipe.lora_rank:
        assert towers and all("lora_" in name for name in towers)
    else:
        last = ("layers.1.", "layers.3.", "layer.0.", "layernorm", "layer_norm", "projection", "project", "head.")
        assert towers and all(any(part in name for part in last) for name in towers)
        assert not any("embeddings" in name or "layers.0." in name or "stem" in name for name in towers)
    assert not any("running" in name for name in changed), "batch norms keep their statistics"


@pytest.mark.parametrize("recipe", [LORA, BLOCKS], ids=["lora", "blocks"])
def test_what_is_written_loads_and_answers_as_the_trained_model(
    kind: str, folders: dict[str, Path], recipe: Recipe, tmp_path: Path
) -> None:
    model = open_tower_model(folders[kind], recipe)
    train(model, recipe, 4)
    (tmp_path / "candidate").mkdir()
    write_weights(tmp_path / "candidate", model.head, model.write_base, kind, recipe)
    embedder = load_semantic(tmp_path / "candidate", "candidate", "1")
    images = [image for clip in clips() for image in clip]
    tolerance = FILE_TOLERANCE[kind]
    np.testing.assert_allclose(embedder.encode_frames(images), model.encode_frames(images), atol=tolerance)
    np.testing.assert_allclose(embedder.encode_text(CAPTIONS), model.encode_text(CAPTIONS), atol=tolerance)
    untouched = load_semantic(folders[kind], kind, "")
    assert np.abs(embedder.encode_text(CAPTIONS) - untouched.encode_text(CAPTIONS)).max() > 3 * tolerance
    # and the next run continues from it
    again = open_tower_model(tmp_path / "candidate", recipe)
    np.testing.assert_allclose(again.encode_text(CAPTIONS), model.encode_text(CAPTIONS), atol=tolerance)


def test_merging_leaves_the_model_in_training_as_it_is(folders: dict[str, Path]) -> None:
    model = open_tower_model(folders["clip"], LORA)
    train(model, LORA, 2)
    before = snapshot(model)
    merged = model.merged_state()
    assert not any("lora" in name or "base_layer" in name for name in merged)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("recipe", [LORA, BLOCKS], ids=["lora", "blocks"])
def test_checkpointing_gives_the_same_gradients(kind: str, folders: dict[str, Path], recipe: Recipe) -> None:
    recipe = dataclasses.replace(recipe, dropout=0.2)
    found = []
    for checkpointing in (False, True):
        model = open_tower_model(folders[kind], dataclasses.replace(recipe, checkpointing=checkpointing))
        model.bf16 = False
        for micro_batch in (6, 4):
            model.zero_grad()
            torch.manual_seed(7)
            parts = micro_batches(batch(model), micro_batch)
            backward([Tower(lambda part, m=model: m.encode_pairs(*part), parts)], contrast(model))
            found.append({name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None})
    for plain, checkpointed in zip(found[:2], found[2:], strict=True):
        assert plain.keys() == checkpointed.keys() and any(name.startswith("towers.") for name in plain)
        for name, gradient in plain.items():
            torch.testing.assert_close(checkpointed[name], gradient, atol=1e-6, rtol=1e-5, msg=lambda m, n=name: n + m)


def test_micro_batches_of_a_real_tower_give_the_gradients_of_the_whole_batch(
    kind: str, folders: dict[str, Path]
) -> None:
    model = open_tower_model(folders[kind], LORA)
    model.bf16 = False
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0  # its draws would follow the cut
    gradients = []
    for micro_batch in (6, 4, 1):
        model.zero_grad()
        parts = micro_batches(batch(model), micro_batch)
        backward([Tower(lambda part: model.encode_pairs(*part), parts)], contrast(model))
        gradients.append(torch.cat([p.grad.flatten() for p in model.trainable_parameters() if p.grad is not None]))
    for other in gradients[1:]:
        torch.testing.assert_close(other, gradients[0], atol=2e-5, rtol=1e-4)


def test_groups_have_their_rates_and_norms_biases_and_temperature_no_decay(folders: dict[str, Path]) -> None:
    recipe = dataclasses.replace(LORA, unfrozen_blocks=1, rate=1e-4, backbone_rate=1e-6)
    model = open_tower_model(folders["clip"], recipe)
    groups = {group["name"]: group for group in model.parameter_groups(recipe)}
    assert {name: (g["peak"], g["weight_decay"]) for name, g in groups.items()} == {
        "new": (1e-4, 0.1), "new, no decay": (1e-4, 0.0), "backbone": (1e-6, 0.1), "backbone, no decay": (1e-6, 0.0),
    }  # fmt: skip
    listed = [id(p) for group in groups.values() for p in group["params"]]
    assert sorted(listed) == sorted(id(p) for p in model.trainable_parameters())
    assert any(p is model.log_scale for p in groups["new, no decay"]["params"])
    assert all(p.ndim > 1 for name in ("new", "backbone") for p in groups[name]["params"])


def test_a_checkpoint_holds_what_trains_alone_and_belongs_to_its_recipe(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    model = open_tower_model(folders["clip"], LORA)
    optimizer = torch.optim.AdamW(model.parameter_groups(LORA))
    train(model, LORA, 3)
    save_checkpoint(tmp_path / "c", {"model": model.trained}, optimizer, {})
    fresh = open_tower_model(folders["clip"], LORA)
    load_checkpoint(tmp_path / "c", {"model": fresh.trained})
    np.testing.assert_array_equal(fresh.encode_text(CAPTIONS), model.encode_text(CAPTIONS))
    assert all("lora_" in name for name in model.trained.state_dict() if name.startswith("towers."))
    with pytest.raises(TrainingError, match="Start a new run"):
        load_checkpoint(tmp_path / "c", {"model": open_tower_model(folders["clip"], BLOCKS).trained})


def test_words_are_left_out_where_no_loss_looks_at_them(folders: dict[str, Path]) -> None:
    model = open_tower_model(folders["clip"], dataclasses.replace(LORA, losses={"info_nce": 1.0}))
    assert "words" not in model.encode_pairs(*batch(model))


def test_a_model_without_a_text_tower_is_refused(tmp_path: Path, folders: dict[str, Path]) -> None:
    config = BertConfig(vocab_size=24, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
    BertModel(config).save_pretrained(tmp_path)
    for file in folders["clip"].glob("tokenizer*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(TrainingError) as caught:
        open_tower_model(tmp_path, LORA)
    assert caught.value.code == "no_text_tower"


def test_lora_without_peft_says_what_to_do(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_peft(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "peft":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_peft)
    with pytest.raises(TrainingError, match="make install"):
        open_tower_model(folders["clip"], LORA)


def test_the_candidate_keeps_tokenizer_and_preprocessing_byte_for_byte(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    open_tower_model(folders["clip"], BLOCKS).write_base(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json", "preprocessor_config.json"):
        assert (tmp_path / name).read_bytes() == (folders["clip"] / name).read_bytes()
    open_tower_model(folders["bundled"], BLOCKS).write_base(tmp_path / "bundled")
    config = json.loads((tmp_path / "bundled" / "config.json").read_text())
    assert config["revision"] == "test+tuned" and config["architecture"] == "vsearch-bundled"


def test_a_clip_is_cut_to_one_part_and_keeps_its_aspect() -> None:
    images = [np.arange(60 * 80 * 3, dtype=np.uint32).reshape(60, 80, 3).astype(np.uint8)] * 3
    for seed in range(50):
        cut = crop_clip(images, np.random.default_rng(seed))
        assert len({part.tobytes() for part in cut}) == 1
        height, width, _ = cut[0].shape
        assert abs(height / width - 60 / 80) < 0.03 and height * width >= 0.58 * 60 * 80
    assert len({crop_clip(images, np.random.default_rng(seed))[0].tobytes() for seed in range(9)}) == 9
    assert crop_clip([np.zeros((1, 1, 3), np.uint8)], np.random.default_rng(0))[0].shape == (1, 1, 3)


def test_frames_are_dropped_but_never_all_of_a_clip() -> None:
    mask = np.arange(8)[None] < np.array([[1], [4], [8]] * 200)
    kept = drop_frames(mask, 0.5, np.random.default_rng(0))
    assert not (kept & ~mask).any() and kept.any(1).all()
    assert 0.45 < kept[2::3].mean() < 0.55
    assert drop_frames(mask, 0.99, np.random.default_rng(0)).any(1).all()
    assert (drop_frames(mask, 0.0, np.random.default_rng(0)) == mask).all()
