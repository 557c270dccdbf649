"""The image tower as ONNX for workers without a GPU: image.onnx, in int8 where that changes no answer.

Graph: float32 ``pixels`` (N, 3, S, S), prepared as the embedder does -> ``unit_rows`` (N, D) float32. A folder holds it
only when it was faster than torch when it was built; whoever builds decides with data of its own whether int8 is good
enough (worker.training.candidate). The file belongs to the weights: vectors of int8 and float32 are not mixed.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
import torch.nn.functional as F
from onnxruntime.capi import onnxruntime_pybind11_state as ort_state
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import Tensor, nn

from worker.embedders.base import EmbedderError
from worker.embedders.semantic.bundled import BundledEmbedder
from worker.embedders.semantic.transformers_model import TransformersEmbedder, embedding_of
from worker.types import ByteImage, FloatArray

IMAGE_FILE = "image.onnx"
# onnxruntime has no common class for what goes wrong with a file.
ONNX_ERRORS = (
    ort_state.Fail, ort_state.InvalidProtobuf, ort_state.InvalidGraph, ort_state.NoSuchFile, ort_state.NotImplemented,
    ort_state.InvalidArgument, ort_state.RuntimeException,
)  # fmt: skip
OUTPUT = "unit_rows"  # the exporter gives inner values names such as "embedding"
TOLERANCE = 2e-3
BATCH = 16
# Weights of 7 bits: processors without VNNI add two products of 8 bits in 16, which overflows (onnxruntime's
# documentation of reduce_range), and one version's vectors must not depend on the processor.
REDUCE_RANGE = True

BaseEmbedder = BundledEmbedder | TransformersEmbedder


class _BundledImages(nn.Module):
    def __init__(self, tower: nn.Module) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, pixels: Tensor) -> Tensor:
        return F.normalize(self.tower(pixels), dim=1)


class _TransformersImages(nn.Module):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: Tensor) -> Tensor:
        return F.normalize(embedding_of(self.model.get_image_features(pixel_values=pixels)), dim=1)


class OnnxImages:
    """Runs image.onnx. One session a process; threads as torch has them."""

    def __init__(self, file: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        self._session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])

    def __call__(self, pixels: Tensor) -> Tensor:
        """(N, 3, S, S) -> (N, D) unit rows."""
        (found,) = self._session.run([OUTPUT], {"pixels": pixels.contiguous().numpy()})
        return F.normalize(torch.from_numpy(found), dim=1)


def open_images(folder: Path) -> OnnxImages | None:
    """The ONNX tower of a folder, if it has one: then everywhere, so that one version has one kind of vectors.

    Raises EmbedderError for a damaged file.
    """
    file = folder / IMAGE_FILE
    if not file.exists():
        return None
    try:
        return OnnxImages(file)
    except ONNX_ERRORS as error:
        raise EmbedderError(f"{file} cannot be loaded ({error}). Train or install the model again.") from error


def export_images(base: BaseEmbedder, head: nn.Module | None, file: Path, pictures: Sequence[ByteImage]) -> float:
    """Write the tower (and what stands behind it) in float32; returns its largest difference on ``pictures``.

    Raises EmbedderError when it differs from torch by more than TOLERANCE.
    """
    tower: nn.Module = (
        _BundledImages(base.image) if isinstance(base, BundledEmbedder) else _TransformersImages(base.model)
    )
    whole = nn.Sequential(tower, head) if head is not None else tower
    whole.eval()
    for chatty in ("torch.onnx", "onnx_ir", "onnxscript"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    pixels = base.pixels(pictures[:2])
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            whole, (pixels,), dynamo=True, input_names=["pixels"], output_names=[OUTPUT],
            dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=256)},), verbose=False,
        )  # fmt: skip
        reference = whole(base.pixels(pictures)).numpy()
    if program is None:
        raise EmbedderError("torch gave no ONNX program for this image tower")
    program.save(str(file), external_data=False)
    difference = float(np.abs(OnnxImages(file)(base.pixels(pictures)).numpy() - reference).max())
    if difference > TOLERANCE:
        raise EmbedderError(f"The exported image tower differs from the model by {difference:.2e}")
    return difference


class _Pixels(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, pixels: Tensor) -> None:
        self._rest: Iterator[Tensor] = iter(pixels.split(BATCH))

    def get_next(self) -> dict[str, FloatArray] | None:
        part = next(self._rest, None)
        return None if part is None else {"pixels": part.contiguous().numpy()}


def quantise_images(base: BaseEmbedder, plain: Path, small: Path, pictures: Sequence[ByteImage]) -> None:
    """The int8 form: convolutions calibrated on ``pictures``, transformers with scales taken while they run."""
    if isinstance(base, BundledEmbedder):
        ready = plain.with_suffix(".ready.onnx")
        quant_pre_process(str(plain), str(ready), skip_symbolic_shape=True)
        quantize_static(
            str(ready), str(small), _Pixels(base.pixels(pictures)), per_channel=True, reduce_range=REDUCE_RANGE
        )
        ready.unlink()
    else:
        model = onnx.load(plain)
        del model.graph.value_info[:]  # the exporter's shapes of inner values are not all true
        quantize_dynamic(model, str(small), weight_type=QuantType.QInt8, reduce_range=REDUCE_RANGE)
