"""Static bars at the border of a video (letterbox, pillarbox, a plain frame), found over many frames. Numpy only.

Conservative on purpose: a bar must be plain and the same in every frame given. What stays untrimmed costs a little
similarity; a wrongly trimmed picture would cost more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.types import ByteImage, FloatArray

SPREAD = 14.0  # a bar's pixels differ by at most this much (of 255), over its length and over time
DARK = 28.0  # bars brighter than this must come in pairs of about equal width
LARGEST_SHARE = 0.42  # of the side, for one bar
LEAST_SHARE = 0.012  # thinner ones are left alone
MAX_FRAMES = 64  # evenly spaced ones are looked at


@dataclass(frozen=True, slots=True)
class Borders:
    """Width of each bar as a share of the picture's side, so that it holds for any scaling of the video."""

    top: float = 0.0
    bottom: float = 0.0
    left: float = 0.0
    right: float = 0.0

    def crop(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(..., H, W, 3) -> the part inside the bars (a view)."""
        height, width = images.shape[-3:-1]
        top, bottom = round(self.top * height), round(self.bottom * height)
        left, right = round(self.left * width), round(self.right * width)
        return images[..., top : height - bottom, left : width - right, :]


NO_BORDERS = Borders()


def _bar(low: FloatArray, high: FloatArray) -> tuple[int, float]:
    """Leading lines that are plain and alike, and their brightest mean. low, high (L, 3): extremes of each line."""
    least = np.minimum.accumulate(low, axis=0)
    most = np.maximum.accumulate(high, axis=0)
    plain = (most - least).max(1) <= SPREAD
    count = len(low) if plain.all() else int(np.argmin(plain))
    return count, float(((most + least) / 2)[count - 1].max()) if count else 0.0


def _pair(low: FloatArray, high: FloatArray) -> tuple[float, float]:
    """Shares of the side taken by the two opposite bars; zeros when they do not look like bars."""
    side = len(low)
    first, first_tone = _bar(low, high)
    last, last_tone = _bar(low[::-1], high[::-1])
    if max(first, last) > LARGEST_SHARE * side:
        return 0.0, 0.0
    alike = abs(first - last) <= max(2, 0.02 * side)
    first = first if first >= LEAST_SHARE * side and (first_tone <= DARK or alike) else 0
    last = last if last >= LEAST_SHARE * side and (last_tone <= DARK or alike) else 0
    # One line more: the edge between bar and picture is blurred by scaling.
    return tuple(n / side + (1 / side if n else 0) for n in (first, last))  # type: ignore[return-value]


def find_borders(images: NDArray[np.uint8]) -> Borders:
    """(N, H, W, 3) uint8 frames of one video -> its static bars; none if the frames are all plain."""
    if len(images) == 0:
        return NO_BORDERS
    sample = images[:: -(-len(images) // MAX_FRAMES)]
    over_time_low, over_time_high = sample.min(0), sample.max(0)  # (H, W, 3)
    top, bottom = _pair(over_time_low.min(1).astype(np.float32), over_time_high.max(1).astype(np.float32))
    inside = slice(round(top * images.shape[1]), images.shape[1] - round(bottom * images.shape[1]))
    low, high = over_time_low[inside].min(0), over_time_high[inside].max(0)
    left, right = _pair(low.astype(np.float32), high.astype(np.float32))
    return Borders(top, bottom, left, right)


def trim_borders(images: NDArray[np.uint8] | Sequence[ByteImage]) -> NDArray[np.uint8] | list[ByteImage]:
    """Frames of one video without its static bars. A list may mix sizes; each size is looked at by itself."""
    if isinstance(images, np.ndarray):
        return find_borders(images).crop(images)
    shapes: dict[tuple[int, ...], list[int]] = {}
    for i, image in enumerate(images):
        shapes.setdefault(image.shape, []).append(i)
    trimmed: list[ByteImage] = list(images)
    for members in shapes.values():
        borders = find_borders(np.stack([images[i] for i in members]))
        for i in members:
            trimmed[i] = borders.crop(images[i])
    return trimmed
