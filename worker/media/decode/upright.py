"""Turns kept decoder frames into small upright RGB pictures."""

from __future__ import annotations

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from worker.media.decode.container import clockwise_turn, displayed_size
from worker.types import ByteImage

SHORT_SIDE = 256
LONG_SIDE = 2048  # of extreme panoramas


def fitted(width: int, height: int) -> tuple[int, int]:
    """The size with the short side at most SHORT_SIDE and the long side at most LONG_SIDE; never enlarged."""
    scale = min(1.0, SHORT_SIDE / min(width, height), LONG_SIDE / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


class UprightScaler:
    """Scales (area averaging), squares the pixels and turns. One per video; reuses FFmpeg's scaler."""

    def __init__(self, sample_aspect: float) -> None:
        self._aspect = sample_aspect
        self._reformatter = VideoReformatter()

    def __call__(self, frame: av.VideoFrame) -> ByteImage:
        """(H, W, 3) uint8 RGB, contiguous."""
        shown = fitted(*displayed_size(frame.width, frame.height, self._aspect, 0))
        small = self._reformatter.reformat(frame, *shown, "rgb24", interpolation="AREA", threads=1)
        image = small.to_ndarray()
        quarter_turns = clockwise_turn(frame.rotation) // 90
        return np.ascontiguousarray(np.rot90(image, -quarter_turns) if quarter_turns else image)
