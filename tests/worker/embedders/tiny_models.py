"""Tiny random CLIP and SigLIP folders, and a tiny bundled model: the real loading code runs on them."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    BertConfig,
    CLIPConfig,
    CLIPModel,
    PreTrainedTokenizerFast,
    SiglipConfig,
    SiglipModel,
)

from worker.embedders.towers import ImageTower, TextTower
from worker.embedders.weights import save_packed

WORDS = (
    "a the dog runs on beach red two people talk in kitchen while it snows outside seen through window at night"
).split()
VOCAB = {word: i for i, word in enumerate(["<pad>", "<unk>", "<s>", "</s>", *WORDS])}


def tokenizer() -> Tokenizer:
    made = Tokenizer(models.WordLevel(VOCAB, unk_token="<unk>"))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 2), ("</s>", 3)])
    return made


def _save_tokenizer(folder: Path, length: int) -> None:
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer(), pad_token="<pad>", unk_token="<unk>", eos_token="</s>", model_max_length=length
    ).save_pretrained(folder)


def tiny_clip(folder: Path, seed: int = 0) -> Path:
    torch.manual_seed(seed)
    text = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, vocab_size=len(VOCAB),
                max_position_embeddings=16, eos_token_id=3, bos_token_id=2, pad_token_id=0)  # fmt: skip
    vision = dict(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=8
    )
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=24)).save_pretrained(folder)
    _save_tokenizer(folder, 16)
    settings = {"do_center_crop": True, "crop_size": {"height": 32, "width": 32}, "size": {"shortest_edge": 32}}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


def tiny_siglip(folder: Path) -> Path:
    torch.manual_seed(1)
    text = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, vocab_size=len(VOCAB),
                max_position_embeddings=64, pad_token_id=0, projection_size=32)  # fmt: skip
    vision = dict(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=8
    )
    SiglipModel(SiglipConfig(text_config=text, vision_config=vision)).save_pretrained(folder)
    _save_tokenizer(folder, 64)
    settings = {"size": {"height": 32, "width": 32}, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


def tiny_bundled(folder: Path) -> Path:
    torch.manual_seed(2)
    widths, blocks, dim = (8, 8, 16, 16), (1, 1, 1, 1), 12
    bert = dict(vocab_size=len(VOCAB), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
                max_position_embeddings=48, type_vocab_size=2)  # fmt: skip
    image = ImageTower(dim, widths, blocks)
    with torch.no_grad():  # batch norms with real statistics, so that folding them is put to the test
        for _ in range(3):
            image.train()(torch.rand(4, 3, 64, 64))
    save_packed(image.state_dict(), folder / "image.safetensors")
    text = TextTower(BertConfig(**bert), dim)
    save_packed(text.state_dict(), folder / "text.safetensors", ("bert.embeddings.word_embeddings.weight",))
    tokenizer().save(str(folder / "tokenizer.json"))
    config = {"architecture": "vsearch-bundled", "revision": "test", "dim": dim, "image_side": 64, "max_length": 32,
              "widths": widths, "blocks": blocks, "bert": bert}  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    return folder
