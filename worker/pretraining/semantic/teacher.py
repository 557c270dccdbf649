"""The distillation teacher (MobileNetV2, TFLite, Apache-2.0): its maps and its pooled features."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image

TEACHER_SIDE = 224
FEATURE_DIM = 1280


@dataclass(frozen=True)
class TeacherMaps:
    """What the teacher sees in one picture, quantised as the network itself quantises."""

    FINAL: ClassVar[int] = FEATURE_DIM
    MIDDLE: ClassVar[int] = 96

    final: np.ndarray  # (7, 7, 1280) uint8, proportional to the activations before pooling, >= 0
    middle: np.ndarray  # (7, 7, 96) uint8, affine in the linear activations of block 12, averaged 2 x 2


class Teacher:
    """One interpreter; not for use by several threads."""

    def __init__(self, model: Path, threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter  # a training extra, absent in the product

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            self._net: Any = Interpreter(str(model), experimental_preserve_all_tensors=True, num_threads=threads)
        self._net.allocate_tensors()
        self._source = self._net.get_input_details()[0]["index"]
        details = self._net.get_tensor_details()
        self._pooled = next(d for d in details if d["name"].endswith("Logits/AvgPool"))
        shaped = [d for d in details if len(d["shape"]) == 4]
        self._final = next(d for d in shaped if tuple(d["shape"]) == (1, 7, 7, FEATURE_DIM))
        self._middle = next(
            d for d in shaped if tuple(d["shape"]) == (1, 14, 14, 96) and d["name"].endswith("expanded_conv_12/add")
        )
        if self._final["quantization"][1] != 0:
            raise ValueError(f"{model}: the last map is not quantised from zero, so it is not proportional")

    def _see(self, picture: np.ndarray) -> None:
        self._net.set_tensor(self._source, picture[None])
        self._net.invoke()

    def maps(self, picture: np.ndarray) -> TeacherMaps:
        """(224, 224, 3) uint8."""
        self._see(picture)
        middle = self._net.get_tensor(self._middle["index"])[0].astype(np.uint16)
        pooled = middle.reshape(7, 2, 7, 2, -1).sum((1, 3)) // 4
        return TeacherMaps(self._net.get_tensor(self._final["index"])[0], pooled.astype(np.uint8))

    def pooled(self, picture: np.ndarray) -> np.ndarray:
        """(224, 224, 3) uint8 -> (1280,) float32, >= 0."""
        self._see(picture)
        scale, zero = self._pooled["quantization"]
        values = self._net.get_tensor(self._pooled["index"]).reshape(-1).astype(np.float32)
        return np.asarray((values - zero) * scale, np.float32)


def open_teacher(model: Path, *, threads: int) -> Teacher:
    return Teacher(model, threads)


def teacher_features(images: np.ndarray, model: Path, *, threads: int = 2) -> np.ndarray:
    """(N, H, W, 3) uint8 -> (N, 1280) float16: the pooled activations before the classifier, >= 0."""
    teacher = open_teacher(model, threads=threads)
    out = np.empty((len(images), FEATURE_DIM), np.float16)
    for i, image in enumerate(images):
        big = Image.fromarray(image).resize((TEACHER_SIDE, TEACHER_SIDE), Image.Resampling.BICUBIC)
        out[i] = teacher.pooled(np.asarray(big))
    return out


def cached_teacher_features(images: np.ndarray, model: Path, cache: Path) -> np.ndarray:
    """``teacher_features`` with a cache file; rows appended to the pack later are added to it."""
    done = np.load(cache) if cache.exists() else np.empty((0, FEATURE_DIM), np.float16)
    if len(done) < len(images):
        done = np.concatenate([done, teacher_features(images[len(done) :], model)])
        np.save(cache, done)
    return done[: len(images)]
