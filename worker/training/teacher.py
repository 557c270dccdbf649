"""Features of the distillation teacher (MobileNetV2, TFLite, Apache-2.0), cached beside the pack."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from PIL import Image

TEACHER_SIDE = 224
FEATURE_DIM = 1280


def _interpreter(model: Path, threads: int):  # type: ignore[no-untyped-def]
    from ai_edge_litert.interpreter import Interpreter  # a training extra, absent in the product

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        interpreter = Interpreter(str(model), experimental_preserve_all_tensors=True, num_threads=threads)
    interpreter.allocate_tensors()
    return interpreter


def teacher_features(images: np.ndarray, model: Path, *, threads: int = 2) -> np.ndarray:
    """(N, H, W, 3) uint8 -> (N, 1280) float16: the pooled activations before the classifier, >= 0."""
    interpreter = _interpreter(model, threads)
    source = interpreter.get_input_details()[0]["index"]
    pooled = next(d for d in interpreter.get_tensor_details() if d["name"].endswith("Logits/AvgPool"))
    scale, zero = pooled["quantization"]
    out = np.empty((len(images), FEATURE_DIM), np.float16)
    for i, image in enumerate(images):
        big = Image.fromarray(image).resize((TEACHER_SIDE, TEACHER_SIDE), Image.Resampling.BICUBIC)
        interpreter.set_tensor(source, np.asarray(big)[None])
        interpreter.invoke()
        out[i] = (interpreter.get_tensor(pooled["index"]).reshape(-1).astype(np.float32) - zero) * scale
    return out


def cached_teacher_features(images: np.ndarray, model: Path, cache: Path) -> np.ndarray:
    """``teacher_features`` with a cache file; rows appended to the pack later are added to it."""
    done = np.load(cache) if cache.exists() else np.empty((0, FEATURE_DIM), np.float16)
    if len(done) < len(images):
        done = np.concatenate([done, teacher_features(images[len(done) :], model)])
        np.save(cache, done)
    return done[: len(images)]
