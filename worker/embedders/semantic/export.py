"""The text tower as ONNX, for the web process: text.onnx, tokenizer.json and text.json, parity-checked.

Graph: int64 ``input_ids`` (N, L) and, where the tower takes one, ``attention_mask`` (N, L) -> ``embedding``
(N, D) float32 unit rows.
"""

from __future__ import annotations

import json
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
import torch.nn.functional as F
from onnxruntime.quantization import QuantType, quantize_dynamic
from tokenizers import Tokenizer
from torch import Tensor, nn

from worker.embedders.base import Embedder, EmbedderError
from worker.embedders.semantic.bundled import BundledEmbedder
from worker.embedders.semantic.fine_tuned import FineTunedEmbedder
from worker.embedders.semantic.transformers_model import TransformersEmbedder, embedding_of
from worker.types import FloatArray

PARITY_TEXTS = (
    "a dog runs on the beach",
    "red",
    "two people talk in a kitchen while it snows outside, seen through a window at night",
    "42 balloons",
)
EXPORTED_OUTPUT = "unit_rows"
FP32_TOLERANCE = 1e-3
INT8_COSINE = 0.999
# Below this many bytes fp32 answers within a few milliseconds and needs no quantisation.
QUANTISE_ABOVE_BYTES = 120 * 1024**2


class _MaskedText(nn.Module):
    def __init__(self, encode: Any, owner: nn.Module) -> None:
        super().__init__()
        self.owner = owner
        self.encode = encode

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        return F.normalize(embedding_of(self.encode(input_ids=input_ids, attention_mask=attention_mask)), dim=1)


class _PlainText(nn.Module):
    def __init__(self, encode: Any, owner: nn.Module) -> None:
        super().__init__()
        self.owner = owner
        self.encode = encode

    def forward(self, input_ids: Tensor) -> Tensor:
        return F.normalize(embedding_of(self.encode(input_ids=input_ids)), dim=1)


class _FineTunedText(nn.Module):
    """A base tower with the trained head behind it."""

    def __init__(self, base: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.base = base
        self.head = head

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        return self.head(self.base(input_ids) if attention_mask is None else self.base(input_ids, attention_mask))


def _tokenizer_and_settings(embedder: Embedder) -> tuple[Tokenizer, dict[str, Any]]:
    if isinstance(embedder, BundledEmbedder):
        return embedder.tokenizer, {"max_length": embedder.max_length, "pad_to_max_length": False, "pad_id": 0}
    if isinstance(embedder, TransformersEmbedder):
        backend = getattr(embedder.tokenizer, "backend_tokenizer", None)
        if backend is None:
            raise EmbedderError("This model's tokenizer has no fast version (tokenizer.json), which queries need.")
        settings = {
            "max_length": embedder.max_length,
            "pad_to_max_length": embedder.siglip,
            "pad_id": embedder.tokenizer.pad_token_id or 0,
        }
        return backend, settings
    if isinstance(embedder, FineTunedEmbedder):
        return _tokenizer_and_settings(embedder.base)
    raise EmbedderError(f"No export is known for {type(embedder).__name__}")


def _module(embedder: Embedder) -> tuple[nn.Module, bool]:
    """The tower as a module and whether it takes an attention mask."""
    if isinstance(embedder, TransformersEmbedder):
        model = embedder.model.cpu()
        wrapper = _PlainText if embedder.siglip else _MaskedText
        return wrapper(model.get_text_features, model), not embedder.siglip
    if isinstance(embedder, BundledEmbedder):
        return _MaskedText(embedder.text, embedder.text), True
    if isinstance(embedder, FineTunedEmbedder):
        base, masked = _module(embedder.base)
        return _FineTunedText(base, embedder.head.text), masked
    raise EmbedderError(f"No export is known for {type(embedder).__name__}")


def _tokens(tokenizer: Tokenizer, settings: dict[str, Any], texts: tuple[str, ...], masked: bool) -> dict[str, Tensor]:
    tokenizer.enable_truncation(settings["max_length"])
    length = settings["max_length"] if settings["pad_to_max_length"] else None
    tokenizer.enable_padding(length=length, pad_id=settings["pad_id"])
    encoded = tokenizer.encode_batch(list(texts))
    tokens = {"input_ids": torch.tensor([e.ids for e in encoded])}
    if masked:
        tokens["attention_mask"] = torch.tensor([e.attention_mask for e in encoded])
    return tokens


def run_onnx(file: Path, tokens: dict[str, Tensor]) -> FloatArray:
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    wanted = {i.name for i in session.get_inputs()}
    result: FloatArray = session.run(["embedding"], {k: v.numpy() for k, v in tokens.items() if k in wanted})[0]
    return result


def export_text_tower(embedder: Embedder, folder: Path) -> dict[str, float]:
    """Write the three files into ``folder`` and return the parity figures; EmbedderError when parity fails."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer, settings = _tokenizer_and_settings(embedder)
    module, masked = _module(embedder)
    module.eval()
    tokens = _tokens(tokenizer, settings, PARITY_TEXTS, masked)
    batch, length = (
        torch.export.Dim("batch", min=1, max=256),
        torch.export.Dim("length", min=2, max=settings["max_length"]),
    )
    shape = {0: batch} if settings["pad_to_max_length"] else {0: batch, 1: length}
    plain = folder / "text.onnx"
    for chatty in ("torch.onnx", "onnx_ir", "onnxscript"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations and renamed axes
        reference = module(**tokens).numpy()
        program = torch.onnx.export(
            module,
            kwargs=tokens,
            dynamo=True,
            input_names=list(tokens),
            output_names=[EXPORTED_OUTPUT],
            dynamic_shapes=dict.fromkeys(tokens, shape),
            verbose=False,
        )
    if program is None:
        raise EmbedderError("torch gave no ONNX program for this text tower")
    program.save(str(plain), external_data=False)
    _name_output(plain)
    figures = {"max_difference": float(np.abs(run_onnx(plain, tokens) - reference).max())}
    if figures["max_difference"] > FP32_TOLERANCE:
        raise EmbedderError(f"The exported text tower differs from the model by {figures['max_difference']:.2e}")
    if plain.stat().st_size > QUANTISE_ABOVE_BYTES:
        figures["int8_cosine"] = _quantise_if_faithful(plain, tokens, reference)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "text.json").write_text(json.dumps({**settings, "lowercase": False, "dim": embedder.spec.dim}))
    return figures


def _name_output(file: Path) -> None:
    """Call the output ``embedding``. The exporter gives inner values names such as that, so they move away first."""
    model = onnx.load(file)
    names = {"embedding": "embedding_inner", EXPORTED_OUTPUT: "embedding"}
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for value in [*model.graph.output, *model.graph.value_info]:
        value.name = names.get(value.name, value.name)
    onnx.save(model, file)


def _quantise_if_faithful(plain: Path, tokens: dict[str, Tensor], reference: FloatArray) -> float:
    """Replace ``plain`` by its int8 form if every parity text keeps its direction; return the lowest cosine."""
    small = plain.with_name("text.int8.onnx")
    quantize_dynamic(str(plain), str(small), weight_type=QuantType.QInt8)
    cosine = float((run_onnx(small, tokens) * reference).sum(1).min())
    if cosine >= INT8_COSINE:
        small.replace(plain)
    else:
        small.unlink()
    return cosine
