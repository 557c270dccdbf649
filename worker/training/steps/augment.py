"""What training varies in a clip: where its pictures are cut, and which of its frames are seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from worker.types import ByteImage

LEAST_AREA = 0.6  # of the picture: captions name things at its edges


def crop_clip(images: Sequence[ByteImage], rng: np.random.Generator, least_area: float = LEAST_AREA) -> list[ByteImage]:
    """The pictures of one clip, all cut to the same random part, given in shares of each. No copies are made.

    The part keeps the picture's aspect; nothing is mirrored, because captions say left and right.
    """
    edge = float(np.sqrt(rng.uniform(least_area, 1.0)))
    top, left = rng.uniform(0.0, 1.0 - edge, 2)
    return [_cut(image, edge, float(top), float(left)) for image in images]


def _cut(image: ByteImage, edge: float, top: float, left: float) -> ByteImage:
    height, width = image.shape[:2]
    rows, columns = max(1, round(edge * height)), max(1, round(edge * width))
    y, x = min(int(top * height), height - rows), min(int(left * width), width - columns)
    return image[y : y + rows, x : x + columns]


def drop_frames(mask: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """(B, F) bool -> the same with about ``share`` of the frames gone, never all of a clip's."""
    kept: np.ndarray = mask & (rng.random(mask.shape) >= share)
    rescued = np.where(mask, rng.random(mask.shape), -1.0).argmax(1)
    bare = mask.any(1) & ~kept.any(1)
    kept[bare, rescued[bare]] = True
    return kept
