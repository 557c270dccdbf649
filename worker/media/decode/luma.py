"""A tiny signature of a decoded frame for comparing neighbours: cheap enough for every frame of a video."""

from __future__ import annotations

from typing import Any

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

Signature = NDArray[np.int16]  # (n,) luma then chroma samples on the 0..255 scale

ROWS, COLUMNS = 27, 48
CHROMA_ROWS, CHROMA_COLUMNS = 14, 24
CHROMA_WEIGHT = 2  # colour differences are small numbers but say much about a cut


def difference(a: Signature, b: Signature) -> float:
    """Mean absolute difference, 0..255; 255 for signatures of different shape (the picture size changed)."""
    if a.shape != b.shape:
        return 255.0
    change = a - b
    return float(np.abs(change, out=change).sum()) / change.size


def _sampled(plane: NDArray[np.uint8] | NDArray[np.uint16], rows: int, columns: int, shift: int) -> Signature:
    """About ``rows x columns`` values, each the mean of four points: point samples alone alias fine texture."""
    height, width = plane.shape
    down, right = max(1, height // rows), max(1, width // columns)
    n_rows, n_columns = min(rows, height // down), min(columns, width // right)
    total = plane[::down, ::right][:n_rows, :n_columns].astype(np.int32)
    for y, x in ((0, right // 2), (down // 2, 0), (down // 2, right // 2)):
        total += plane[y::down, x::right][:n_rows, :n_columns]
    return (total >> (2 + shift)).astype(np.int16).ravel()


class FrameSigner:
    """Makes signatures straight from the decoder's planes, without converting the picture."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def __call__(self, frame: VideoFrame) -> Signature:
        layout = frame.format
        bits = layout.components[0].bits
        name = layout.name
        direct = ((name.startswith("yuv") and layout.is_planar) or name.startswith("gray")) and (
            bits == 8 or (bits <= 16 and name.endswith("le"))
        )
        if not direct:
            frame = self._reformatter.reformat(frame, 96, 54, "yuv420p", interpolation="FAST_BILINEAR", threads=1)
            bits = 8
        parts = [self._plane(frame, 0, ROWS, COLUMNS, bits)]
        if len(frame.planes) >= 3:
            parts += [self._plane(frame, i, CHROMA_ROWS, CHROMA_COLUMNS, bits) * CHROMA_WEIGHT for i in (1, 2)]
        return np.concatenate(parts)

    @staticmethod
    def _plane(frame: VideoFrame, index: int, rows: int, columns: int, bits: int) -> Signature:
        plane = frame.planes[index]
        kind: np.dtype[Any] = np.dtype(np.uint8 if bits == 8 else np.uint16)
        values = np.frombuffer(memoryview(plane), kind).reshape(-1, plane.line_size // kind.itemsize)
        return _sampled(values[: plane.height, : plane.width], rows, columns, bits - 8)
