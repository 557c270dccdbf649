"""SPD (similarity pattern detection, Ant): a small one-class detector finds the boxes of copied segments.

The matrix becomes a square picture (``raster``), a convolutional net without anchors marks the middle of every copied
segment and gives its size (as CenterNet, arXiv 1904.07850), and the line inside each box is then followed frame by
frame, which gives the direction, boundaries below a cell, and the evidence that the decision weighs.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from worker.alignment.base import AlignerConfig, SimilarityMatrix
from worker.alignment.lines import Line, Run, gain_of, measure, nearest_columns, refine
from worker.alignment.selection import Shortlist
from worker.detection.bundled import bundled_net
from worker.detection.raster import CHANNELS, Patch, draw, patches
from worker.types import Box, FloatArray, Segment, box_overlap

WEIGHTS = Path(__file__).resolve().parents[2] / "models" / "spd" / "spd.safetensors"
STRIDE = 4
WIDTHS = (16, 32, 64, 96, 128)
NECK = 48
CONFIDENCE = 0.32
NMS_OVERLAP = 0.3
BATCH = 8
LEAST_PEAK = 0.25  # a patch without any similarity this high is not looked at
REVERSED_MARGIN = 1.1  # a reversed reading must explain this much more than the forward one

AIM_SECONDS, AIM_SHARE, AIM_STEP = 2.0, 0.08, 0.5  # how far a box's line may be off, and the step of the search
SLOPES = np.array([0.8, 0.9, 1.0, 1.1, 1.25])

Seconds = tuple[float, float, float, float]  # query start and end, reference start and end
Boxes = list[tuple[Seconds, float]]


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


class SpdNet(nn.Module):
    """(B, 2, S, S) -> (B, 5, S/4, S/4): logit of "a middle", its offset in a cell (2) and log of half the sides (2).

    0.6 M parameters. The features go down to 1/32 so that the middle of the longest segment knows both of its ends.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = _conv(CHANNELS, WIDTHS[0], 2)
        self.stages = nn.ModuleList(nn.Sequential(_conv(a, b, 2), _conv(b, b)) for a, b in pairwise(WIDTHS))
        self.laterals = nn.ModuleList(nn.Conv2d(width, NECK, 1) for width in WIDTHS[1:])
        self.smooth = nn.ModuleList(_conv(NECK, NECK) for _ in WIDTHS[1:])
        self.head = nn.Sequential(_conv(NECK, NECK), nn.Conv2d(NECK, 5, 1))
        final = self.head[-1]
        nn.init.constant_(final.bias, 0.0)
        nn.init.constant_(final.bias[:1], -4.0)  # so that the first steps are not spent on silencing the background

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        levels = []
        for stage in self.stages:
            x = stage(x)
            levels.append(x)
        merged: Tensor | None = None
        for level, lateral, smooth in reversed(list(zip(levels, self.laterals, self.smooth, strict=True))):
            features = lateral(level)
            if merged is not None:
                features = features + F.interpolate(merged, size=features.shape[-2:], mode="nearest")
            merged = smooth(features)
        return self.head(merged)


def decode(output: Tensor, confidence: float = CONFIDENCE, most: int = 60) -> list[list[tuple[FloatArray, float]]]:
    """(B, 5, h, w) of ``SpdNet`` -> for each picture (q0, q1, r0, r1) in cells of the picture and the confidence."""
    heat = torch.sigmoid(output[:, 0])
    peaks = heat * (F.max_pool2d(heat[:, None], 3, 1, 1)[:, 0] == heat)
    found = []
    for score, rest in zip(peaks, output[:, 1:], strict=True):
        values, places = score.flatten().topk(min(most, score.numel()))
        items = []
        for value, place in zip(values.tolist(), places.tolist(), strict=True):
            if value < confidence:
                break
            y, x = divmod(place, score.shape[1])
            dy, dx, half_high, half_wide = rest[:, y, x].tolist()
            high, wide = np.exp(min(half_high, 6.0)), np.exp(min(half_wide, 6.0))
            cy, cx = (y + 0.5 + dy) * STRIDE, (x + 0.5 + dx) * STRIDE
            items.append((np.array([cy - high, cy + high, cx - wide, cx + wide], dtype=np.float32), float(value)))
        found.append(items)
    return found


def suppress(found: Boxes, overlap: float = NMS_OVERLAP) -> Boxes:
    """Greedy non-maximum suppression; boxes (query_start, query_end, reference_start, reference_end) with scores."""
    kept: Boxes = []
    for box, score in sorted(found, key=lambda item: -item[1]):
        if all(box_overlap(_box(box), _box(other)) <= overlap for other, _ in kept):
            kept.append((box, score))
    return kept


def _box(seconds: Seconds) -> Box:
    return seconds[0], seconds[2], seconds[1], seconds[3]


class SpdAligner:
    """Finds segments as a detector finds objects. Needs ``models/spd``; raises FileNotFoundError without it."""

    def __init__(self, weights: Path = WEIGHTS, net: SpdNet | None = None, confidence: float = CONFIDENCE) -> None:
        self.weights, self._given, self.confidence = weights, net, confidence

    @property
    def net(self) -> SpdNet:
        if self._given is not None:
            return self._given
        return bundled_net(SpdNet, self.weights, name="segment detector", folder="models/spd")

    def boxes(self, similarity: SimilarityMatrix) -> Boxes:
        """What the detector says, in seconds, after suppression over all patches; no look at single frames yet."""
        found: Boxes = []
        waiting: list[tuple[Patch, FloatArray]] = []
        for patch in patches(similarity.query_duration, similarity.reference_duration):
            picture = draw(similarity, patch)
            if picture is not None and float(picture.max()) >= LEAST_PEAK:
                waiting.append((patch, picture))
            if len(waiting) == BATCH:
                found += self._look(waiting)
                waiting = []
        return suppress(found + self._look(waiting))

    def _look(self, waiting: list[tuple[Patch, FloatArray]]) -> Boxes:
        if not waiting:
            return []
        with torch.inference_mode():
            output = self.net(torch.from_numpy(np.stack([picture for _, picture in waiting])))
        boxes: Boxes = []
        for (patch, _), items in zip(waiting, decode(output, self.confidence), strict=True):
            for cells, score in items:
                box = patch.seconds(cells)
                if box[1] > box[0] and box[3] > box[2]:
                    boxes.append((box, score))
        return boxes

    def align(self, similarity: SimilarityMatrix, config: AlignerConfig) -> list[Segment]:
        """Segments with most evidence first."""
        if similarity.scores.size == 0:
            return []
        shortlist = Shortlist(similarity, config)
        for box, _ in self.boxes(similarity):
            segment = follow(similarity, box, config)
            if segment is not None:
                shortlist.add(segment)
        return list(shortlist.best())


def aim(matrix: SimilarityMatrix, box: Seconds, sign: float, config: AlignerConfig) -> Line | None:
    """The line near a diagonal of the box that gathers most similarity above the minimum; None when none gathers any.

    A box is off by a cell or two, which is more than the line may miss its frames by.
    """
    rows = np.flatnonzero((matrix.query_times >= box[0]) & (matrix.query_times <= box[1]))
    if not len(rows):
        return None
    q_middle, r_middle = 0.5 * (box[0] + box[1]), 0.5 * (box[2] + box[3])
    steep = (box[3] - box[2]) / max(box[1] - box[0], 1e-6)
    slopes = sign * np.unique(np.clip([1.0, *(steep * SLOPES)], config.min_slope, config.max_slope))
    reach = AIM_SECONDS + AIM_SHARE * (box[3] - box[2])
    shifts = np.arange(-reach, reach + AIM_STEP / 2, AIM_STEP)
    along = matrix.query_times[rows] - q_middle
    wanted = r_middle + shifts[None, :, None] + slopes[:, None, None] * along  # (slopes, shifts, rows)
    columns = nearest_columns(matrix.reference_times, wanted.ravel()).reshape(wanted.shape)
    near = np.abs(matrix.reference_times[columns] - wanted) <= config.tolerance_seconds
    values = np.where(near, matrix.masked_scores[rows, columns] - config.min_similarity, 0.0)
    gathered = np.maximum(values, 0.0).sum(axis=2)
    best = np.unravel_index(int(gathered.argmax()), gathered.shape)
    if gathered[best] <= 0:
        return None
    slope = float(slopes[best[0]])
    return Line(slope, float(r_middle + shifts[best[1]] - slope * q_middle))


def follow(matrix: SimilarityMatrix, box: Seconds, config: AlignerConfig) -> Segment | None:
    """The segment along the better diagonal of a box, or None when neither stands up to a look at the frames."""
    best: Run | None = None
    for sign in (1.0, -1.0) if config.allow_reversed else (1.0,):
        line = aim(matrix, box, sign, config)
        if line is None:
            continue
        for start in (line, Line(sign, line.offset + (line.slope - sign) * 0.5 * (box[0] + box[1]))):
            run = refine(matrix, start, config)
            if run is None:
                continue
            margin = REVERSED_MARGIN if best is not None and sign < 0 < best.line.slope else 1.0
            if best is None or gain_of(run, config) > margin * gain_of(best, config):
                best = run
    return measure(matrix, best, config) if best is not None else None
