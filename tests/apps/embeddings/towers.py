"""A tiny text tower: the mean of word vectors, as ONNX, with a word-level tokenizer."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from apps.embeddings import text_encoder

WORDS = ("[PAD]", "[UNK]", "dog", "beach", "car", "red", "night", "snow", "cat")


def word_vector(word: str, dim: int = 16) -> np.ndarray:
    """The unit vector that the tower gives for this word alone."""
    vector = np.zeros(dim, np.float32)
    vector[WORDS.index(word)] = 1.0
    return vector


def write_tower(folder: Path, *, dim: int = 16, masked: bool = True, max_length: int = 8) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    table = np.stack([word_vector(word, dim) for word in WORDS])
    axis = numpy_helper.from_array(np.array([1], np.int64), "axis")
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["words"])]
    inputs = [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["n", "l"])]
    if masked:
        inputs.append(helper.make_tensor_value_info("attention_mask", TensorProto.INT64, ["n", "l"]))
        axis_last = numpy_helper.from_array(np.array([2], np.int64), "last")
        nodes += [
            helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
            helper.make_node("Unsqueeze", ["mask", "last"], ["wide"]),
            helper.make_node("Mul", ["words", "wide"], ["kept"]),
        ]
        initializers = [numpy_helper.from_array(table, "table"), axis, axis_last]
        summed = "kept"
    else:
        initializers = [numpy_helper.from_array(table, "table"), axis]
        summed = "words"
    nodes += [
        helper.make_node("ReduceSum", [summed, "axis"], ["total"], keepdims=0),
        helper.make_node("LpNormalization", ["total"], ["embedding"], axis=1, p=2),
    ]
    output = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", dim])
    graph = helper.make_graph(nodes, "tower", inputs, [output], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(folder / "text.onnx"))
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"max_length": max_length, "pad_to_max_length": False, "pad_id": 0, "lowercase": False, "dim": dim}
    (folder / "text.json").write_text(json.dumps(settings))
    return folder


def forget_towers() -> None:
    """Of this process, which keeps what it loaded."""
    text_encoder._towers.clear()
