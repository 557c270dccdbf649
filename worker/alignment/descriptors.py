"""What is known of one video when it is compared with another: descriptors of its frames, in several looks.

A look is one way to see the frames: whole and upright, mirrored, turned, or a part of the picture. Copies that were
flipped, turned, or put beside or into other footage are found because one look of the query resembles the whole
frames of the reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from worker.types import FloatArray

Box = tuple[float, float, float, float]  # left, top, right, bottom as shares of the picture inside its borders
LookKind = Literal["whole", "mirrored", "turned", "part", "region"]


@dataclass(frozen=True, slots=True)
class View:
    """Another look at some of a video's frames.

    ``region`` is a rectangle that was found in the video itself (an inset, one half of a split screen): it is matched
    on either side of a pair. ``part`` is one of a fixed set, tried on the query side only, as ``mirrored`` and
    ``turned`` are.
    """

    name: str
    kind: LookKind
    rows: NDArray[np.int64]  # (n,) which of the video's frames, ascending
    vectors: FloatArray  # (n, D) unit norm
    mirrored: bool = False
    turn: int = 0  # degrees clockwise
    box: Box | None = None
    penalty: FloatArray | None = None  # (n,)


@dataclass(frozen=True, slots=True)
class Descriptors:
    """One video's copy descriptors. vectors (N, D) unit norm, times (N,) ascending seconds.

    ``informative`` (N,) is False for flat or black frames, which never vote. ``penalty`` (N,) is
    ``background_penalty`` of the vectors, to be given on both sides or on neither (views included). ``hashes``
    (N, 32) are PDQ hashes of the frames. ``spans`` (N, 2): the seconds that each frame stands for, where only key
    frames are kept; such a side is brought back to an even grid before it is aligned.
    """

    vectors: FloatArray
    times: NDArray[np.float64]
    informative: NDArray[np.bool_]
    duration: float
    views: tuple[View, ...] = ()
    penalty: FloatArray | None = None
    hashes: NDArray[np.uint8] | None = None
    spans: NDArray[np.float64] | None = None

    def looks(self) -> tuple[View, ...]:
        """The whole frames first, then every view."""
        whole = View("whole", "whole", np.arange(len(self.times)), self.vectors, penalty=self.penalty)
        return (whole, *self.views)
