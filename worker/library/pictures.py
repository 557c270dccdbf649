"""Similarity matrices as pictures that people look at."""

from __future__ import annotations

import io
from collections.abc import Collection

import numpy as np
from PIL import Image

from worker.alignment.picture import similarity_picture
from worker.types import Descriptors

# From nearly black over blue and green to light yellow: reads in grey as well, and without red against green.
ANCHORS = ((0, (12, 15, 20)), (90, (28, 52, 98)), (150, (24, 110, 122)), (210, (120, 186, 104)), (255, (252, 238, 140)))


def png_of(picture: np.ndarray) -> bytes:
    """(H, W) uint8 -> a PNG with a palette."""
    levels = [level for level, _ in ANCHORS]
    channels = [np.interp(np.arange(256), levels, [colour[c] for _, colour in ANCHORS]) for c in range(3)]
    image = Image.fromarray(picture, mode="P")
    image.putpalette(np.rint(np.stack(channels, axis=1)).astype(np.uint8).tobytes())
    target = io.BytesIO()
    image.save(target, format="PNG", optimize=True)
    return target.getvalue()


def similarity_png(query: Descriptors, reference: Descriptors, looks: Collection[str]) -> bytes:
    """The query across, the reference down, each look that is named."""
    return png_of(similarity_picture(query, reference, looks=looks))
