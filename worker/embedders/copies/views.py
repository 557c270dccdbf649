"""Descriptors of a video's frames in every look that its copies may need, made while the frames stream by.

Frames of one shot are looked at together: static borders are trimmed alike, and rectangles inside the picture (insets,
split screens) are found from what stands still while the footage moves. A query gets more looks than a reference:
mirrored, turned, and a fixed set of parts of the picture for composites whose seams cannot be seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from worker.embedders.copies.borders import find_borders
from worker.embedders.copies.descriptor import DIM, SIDE, CopyDescriptor, to_square
from worker.embedders.copies.pdq import MIN_QUALITY as PDQ_QUALITY
from worker.embedders.copies.pdq import pdq_hashes
from worker.embedders.copies.quality import MIN_QUALITY, frame_quality
from worker.embedders.copies.regions import find_regions
from worker.types import Box, ByteImage, Descriptors, FloatArray, LookKind, View, box_overlap

# A query asks now; a library video is described once and asks whenever the library is matched, so its parts and turns
# are looked at half as often; a reference only answers.
Role = Literal["query", "library", "reference"]

THIRD = 0.38  # an inset of a third of the width with a little of its surroundings
PARTS: dict[str, Box] = {
    "left half": (0.0, 0.0, 0.5, 1.0),
    "right half": (0.5, 0.0, 1.0, 1.0),
    "upper half": (0.0, 0.0, 1.0, 0.5),
    "lower half": (0.0, 0.5, 1.0, 1.0),
    "upper left quarter": (0.0, 0.0, 0.52, 0.52),
    "upper right quarter": (0.48, 0.0, 1.0, 0.52),
    "lower left quarter": (0.0, 0.48, 0.52, 1.0),
    "lower right quarter": (0.48, 0.48, 1.0, 1.0),
    "upper left corner": (0.0, 0.0, THIRD, THIRD),
    "upper right corner": (1 - THIRD, 0.0, 1.0, THIRD),
    "lower left corner": (0.0, 1 - THIRD, THIRD, 1.0),
    "lower right corner": (1 - THIRD, 1 - THIRD, 1.0, 1.0),
}
TURNS = (90, 180, 270)
MAX_REGIONS = 4  # rectangles of one video, however they move
SAME_REGION = 0.6  # intersection over union from which two shots show the same rectangle
THIN_SECONDS = 1.0  # parts and turns are looked at no more often than this,
THIN_ROWS = 600  # and in a long video at about this many places
BASE_SIDE = 256  # parts are cut from squares of this size


@dataclass
class _Rows:
    """One view while it grows."""

    kind: LookKind
    mirrored: bool = False
    turn: int = 0
    box: Box | None = None
    rows: list[int] = field(default_factory=list)
    vectors: list[FloatArray] = field(default_factory=list)

    def add(self, rows: NDArray[np.int64], vectors: FloatArray) -> None:
        self.rows += rows.tolist()
        self.vectors.append(vectors)


class CopyViews:
    """Takes frames in time order, shot by shot or a part of a shot at a time; ``finish`` gives the Descriptors.

    Memory: the descriptors only. ``expected_seconds``: the length that the header promises; it sets how often parts
    and turns of a long video are looked at.
    """

    def __init__(self, copy: CopyDescriptor, role: Role, expected_seconds: float) -> None:
        self._copy = copy
        self._role = role
        least = THIN_SECONDS * (min(max(expected_seconds / 20, 1.0), 2.0) if role == "library" else 1.0)
        self._spacing = max(least, expected_seconds / THIN_ROWS)
        self._last_thin = -np.inf
        self._times: list[float] = []
        self._whole: list[FloatArray] = []
        self._hashes: list[NDArray[np.uint8]] = []
        self._views: dict[str, _Rows] = {}

    def add(self, images: Sequence[ByteImage], times: Sequence[float]) -> None:
        """Frames of one shot, all of one size. Raises ValueError for anything that is not 8-bit RGB."""
        stacked = np.stack(images)
        trimmed = find_borders(stacked).crop(stacked)
        first = len(self._times)
        rows = np.arange(first, first + len(images))
        self._times += [float(t) for t in times]
        squares = to_square(np.ascontiguousarray(trimmed))
        self._whole.append(self._copy.encode_squares(squares))
        hashes, quality = pdq_hashes(trimmed)
        hashes[quality < PDQ_QUALITY] = 0  # PDQ itself says that such frames must not be compared
        self._hashes.append(hashes)
        base = _base(trimmed)
        for box in find_regions(trimmed):
            self._add_region(box, rows, base)
        if self._role != "reference":
            self._view("mirrored", _Rows("mirrored", mirrored=True)).add(
                rows, self._copy.encode_squares(squares.flip(-1))
            )
            thin = self._thin(rows)
            if len(thin):
                self._add_thin(thin, squares[thin - first], base[thin - first])

    def _view(self, name: str, new: _Rows) -> _Rows:
        return self._views.setdefault(name, new)

    def _add_region(self, box: Box, rows: NDArray[np.int64], base: Tensor) -> None:
        known = [n for n, v in self._views.items() if v.kind == "region" and not v.mirrored]
        name = next((n for n in known if box_overlap(self._views[n].box or box, box) >= SAME_REGION), None)
        if name is None:
            if len(known) == MAX_REGIONS:
                return
            name = f"region {len(known) + 1}"
        elif self._views[name].rows and self._views[name].rows[-1] >= rows[0]:
            return  # two rectangles of one shot that were one before: the more certain one is there already
        crop, kept = _part(base, box)
        if not len(kept):
            return
        rows = rows[kept]
        self._view(name, _Rows("region", box=box)).add(rows, self._copy.encode_squares(crop))
        if self._role != "reference":
            flipped = self._copy.encode_squares(crop.flip(-1))
            self._view(f"{name} mirrored", _Rows("region", mirrored=True, box=box)).add(rows, flipped)

    def _thin(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        kept = []
        for row in rows:
            if self._times[row] - self._last_thin >= self._spacing - 1e-3:
                self._last_thin = self._times[row]
                kept.append(row)
        return np.asarray(kept, dtype=np.int64)

    def _add_thin(self, rows: NDArray[np.int64], squares: Tensor, base: Tensor) -> None:
        for turn in TURNS:
            turned = torch.rot90(squares, -turn // 90, (2, 3)).contiguous(memory_format=torch.channels_last)
            self._view(f"turned {turn}", _Rows("turned", turn=turn)).add(rows, self._copy.encode_squares(turned))
        upside_down = squares.flip(-2)
        self._view("upside down", _Rows("turned", mirrored=True, turn=180)).add(
            rows, self._copy.encode_squares(upside_down)
        )
        for name, box in PARTS.items():
            crop, kept = _part(base, box)
            if len(kept):
                self._view(name, _Rows("part", box=box)).add(rows[kept], self._copy.encode_squares(crop))

    def finish(self, informative: Sequence[bool], duration: float) -> Descriptors:
        """``informative``: one for every frame that was added. Penalties are left to the caller."""
        whole = np.concatenate(self._whole) if self._whole else np.zeros((0, DIM), np.float32)
        views = tuple(
            View(
                name,
                view.kind,
                np.asarray(view.rows, dtype=np.int64),
                np.concatenate(view.vectors),
                view.mirrored,
                view.turn,
                view.box,
            )
            for name, view in self._views.items()
        )
        return Descriptors(
            vectors=whole,
            times=np.asarray(self._times, dtype=np.float64),
            informative=np.asarray(informative, dtype=np.bool_),
            duration=duration,
            views=views,
            hashes=np.concatenate(self._hashes) if self._hashes else np.zeros((0, 32), np.uint8),
        )


def _base(images: NDArray[np.uint8]) -> Tensor:
    """(N, H, W, 3) -> (N, 3, BASE_SIDE, BASE_SIDE) uint8, squashed."""
    x = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2)
    return F.interpolate(x, (BASE_SIDE, BASE_SIDE), mode="bilinear", antialias=True)


def _part(base: Tensor, box: Box) -> tuple[Tensor, NDArray[np.int64]]:
    """The parts inside ``box`` as squares for the network, and the rows they come from: a piece of plain sky or wall
    would resemble every other, so parts that say too little are left out."""
    left, top, right, bottom = (round(share * BASE_SIDE) for share in box)
    part = base[:, :, top:bottom, left:right]
    kept = np.flatnonzero(frame_quality(part.permute(0, 2, 3, 1).numpy()) >= MIN_QUALITY)
    small = F.interpolate(part[kept], (SIDE, SIDE), mode="bilinear", antialias=True) if len(kept) else part[kept]
    return small.contiguous(memory_format=torch.channels_last).float().div_(255), kept
