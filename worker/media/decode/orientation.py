"""Which way up a frame is shown: its display matrix as a quarter turn and a mirror."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

import numpy as np
from av.sidedata.sidedata import SideData
from av.video.frame import VideoFrame

from worker.types import ByteImage

TOLERANCE = 0.01  # of a unit vector: browsers ignore a matrix that is no quarter turn, and so do we


@dataclass(frozen=True, slots=True)
class Orientation:
    """First turned clockwise by ``turn`` degrees (0, 90, 180, 270), then, if ``mirrored``, left and right exchanged."""

    turn: int = 0
    mirrored: bool = False

    def __call__(self, image: ByteImage) -> ByteImage:
        """(H, W, 3) as stored -> as shown."""
        if self.turn:
            image = np.rot90(image, -self.turn // 90)
        if self.mirrored:
            image = image[:, ::-1]
        return np.ascontiguousarray(image)


def orientation_of(frame: VideoFrame) -> Orientation:
    """By the display matrix, which FFmpeg takes from the container or, in H.264 and HEVC, from the picture stream."""
    data = frame.side_data.get("DISPLAYMATRIX")
    return from_matrix(struct.unpack("=9i", bytes(data))) if isinstance(data, SideData) else Orientation()


def from_matrix(matrix: tuple[int, ...]) -> Orientation:
    """matrix: nine numbers of ISO 14496-12; a point (x, y) as stored, y down, is shown at (ax + cy, bx + dy)."""
    a, b, _, c, d = matrix[:5]
    length = math.hypot(a, b)
    if not length or not math.hypot(c, d):
        return Orientation()
    mirrored = a * d - b * c < 0
    if mirrored:
        a = -a
    if min(abs(a), abs(b)) > TOLERANCE * length:
        return Orientation()
    return Orientation(round(math.degrees(math.atan2(b, a)) / 90) % 4 * 90, mirrored)
