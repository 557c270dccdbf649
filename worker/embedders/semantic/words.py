"""Vectors of single words in the space of the whole text, for losses and re-rankers that compare words with frames.

Each token's last hidden state goes through what the pooled state goes through; the pieces of one word are averaged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from worker.embedders.base import Embedder, EmbedderError
from worker.embedders.semantic.bundled import BundledEmbedder
from worker.embedders.semantic.transformers_model import TransformersEmbedder
from worker.types import FloatArray

WordVectors = tuple[list[str], FloatArray]  # L words as they stand in the text, (L, D) unit rows


def encode_words(embedder: Embedder, texts: Sequence[str]) -> list[WordVectors]:
    """One entry a text; a text without words gives ([], (0, D)). Raises EmbedderError for a model without tokens."""
    if isinstance(embedder, BundledEmbedder):
        return _bundled(embedder, texts)
    if isinstance(embedder, TransformersEmbedder):
        return _transformers(embedder, texts)
    raise EmbedderError(f"{type(embedder).__name__} gives no vectors of single words; choose losses without them.")


@torch.inference_mode()
def _bundled(embedder: BundledEmbedder, texts: Sequence[str]) -> list[WordVectors]:
    embedder.tokenizer.enable_truncation(embedder.max_length)
    embedder.tokenizer.enable_padding()
    encoded = embedder.tokenizer.encode_batch(list(texts))
    ids, mask = torch.tensor([e.ids for e in encoded]), torch.tensor([e.attention_mask for e in encoded])
    hidden = embedder.text.bert(input_ids=ids, attention_mask=mask).last_hidden_state
    vectors = embedder.text.head(F.normalize(hidden, dim=-1))
    return [
        joined_words(text, e.word_ids, e.offsets, row) for text, e, row in zip(texts, encoded, vectors, strict=True)
    ]


@torch.inference_mode()
def _transformers(embedder: TransformersEmbedder, texts: Sequence[str]) -> list[WordVectors]:
    tokens = embedder.tokenizer(
        list(texts),
        padding="max_length" if embedder.siglip else True,
        truncation=True,
        max_length=embedder.max_length,
        return_tensors="pt",
        return_offsets_mapping=True,
    )
    inputs = {"input_ids": tokens["input_ids"].to(embedder.device)}
    if not embedder.siglip:
        inputs["attention_mask"] = tokens["attention_mask"].to(embedder.device)
    hidden = embedder.model.text_model(**inputs).last_hidden_state
    vectors = _projection(embedder.model)(hidden).float().cpu()
    return [
        joined_words(text, tokens.word_ids(i), tokens["offset_mapping"][i].tolist(), vectors[i])
        for i, text in enumerate(texts)
    ]


def _projection(model: Any) -> Any:
    """CLIP projects behind its text model, SigLIP inside of it."""
    return model.text_projection if hasattr(model, "text_projection") else model.text_model.head


def joined_words(
    text: str, word_ids: Sequence[int | None], offsets: Sequence[Sequence[int]], vectors: Tensor
) -> WordVectors:
    """Means over the pieces of each word; special tokens belong to none. Pieces that touch are one word."""
    words: list[tuple[int, int]] = []
    members: list[list[int]] = []
    last: int | None = None
    for place, (word, (start, end)) in enumerate(zip(word_ids, offsets, strict=True)):
        if word is None or start == end:
            continue
        if word == last:
            words[-1] = (words[-1][0], end)
            members[-1].append(place)
        else:
            words.append((start, end))
            members.append([place])
        last = word
    if not words:
        return [], np.empty((0, vectors.shape[-1]), np.float32)
    joined = torch.stack([vectors[places].mean(0) for places in members])
    return [text[a:b].strip() for a, b in words], F.normalize(joined, dim=-1).numpy()
