"""Turns kept decoder frames into small upright RGB pictures in ordinary colours."""

from __future__ import annotations

import numpy as np

from worker.media.decode.colors import ColorReader, RgbScaler
from worker.media.decode.container import displayed_size
from worker.media.decode.fields import Deinterlacer, Picture
from worker.media.decode.orientation import Orientation
from worker.media.tones import is_plain, to_sdr
from worker.types import ByteImage, ProbeFacts

SHORT_SIDE = 256
LONG_SIDE = 2048  # of extreme panoramas


def fitted(width: int, height: int) -> tuple[int, int]:
    """The size with the short side at most SHORT_SIDE and the long side at most LONG_SIDE; never enlarged."""
    scale = min(1.0, SHORT_SIDE / min(width, height), LONG_SIDE / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


class UprightScaler:
    """Deinterlaces, scales, squares the pixels, brings HDR down to SDR, and turns. One per video."""

    def __init__(self, facts: ProbeFacts, colors: ColorReader, deinterlacer: Deinterlacer) -> None:
        # Not every frame repeats a matrix that is in the picture stream.
        self._orientation, self._white = Orientation(facts.rotation, facts.mirrored), facts.white_nits
        self._colors, self._deinterlacer = colors, deinterlacer
        self._scaler = RgbScaler()

    def __call__(self, picture: Picture) -> ByteImage:
        """(H, W, 3) uint8 RGB, contiguous."""
        frame = picture.frame
        shown = fitted(*displayed_size(frame.width, frame.height, picture.sample_aspect, 0))
        colors, whole = self._colors(frame), self._deinterlacer(picture)
        if is_plain(colors):
            image = self._scaler.eight_bits(whole, shown, colors)
        else:
            light = to_sdr(self._scaler.sixteen_bits(whole, shown, colors), colors, self._white)
            image = np.rint(light * 255).astype(np.uint8)
        return self._orientation(image)
