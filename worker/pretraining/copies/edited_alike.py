"""Several pictures edited in one and the same way: the frames of one edited video, or of one stitched from two.

The edits are those of the copy descriptor (worker.pretraining.copies.edits). Their draws do not depend on the picture,
so the same seed gives the same crop, bars, text and colours to every frame.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from worker.pretraining.copies.edits import plain_view, strong_view

PLAIN_SHARE = 0.25


def edited_alike(images: np.ndarray, other: np.ndarray, side: int, seed: list[int]) -> np.ndarray:
    """images (F, H, H, 3) uint8 and one picture of another video, which composites show -> (F, side, side, 3) uint8."""
    beside = Image.fromarray(other)
    plain = np.random.default_rng([*seed, 1]).random() < PLAIN_SHARE
    out = np.empty((len(images), side, side, 3), np.uint8)
    for i, image in enumerate(images):
        rng = np.random.default_rng(seed)
        picture = Image.fromarray(image)
        view = plain_view(picture, side, rng) if plain else strong_view(picture, beside, side, rng)[0]
        out[i] = np.asarray(view)
    return out
