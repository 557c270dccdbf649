"""Animated WebP, which FFmpeg cannot decode here: Pillow reads it, and a lossless Matroska takes its place.

Runs inside the sandboxed child. Everything after that (frames, shots, the copy for browsers) is as for any other file.
"""

from __future__ import annotations

import io
from fractions import Fraction
from typing import IO

import av
import numpy as np
from PIL import Image, ImageSequence

from worker.media.errors import MediaError
from worker.media.sandbox.limits import Limits
from worker.media.sandbox.signatures import is_animated_webp

UNFOLDED_BYTES = 1024**3  # of the lossless pictures, in memory
TOO_QUICK, QUICK = 10, 100  # milliseconds: browsers show a frame of at most 10 for 100
BACKGROUND = (255, 255, 255)


def is_folded(path: str) -> bool:
    with open(path, "rb") as file:
        return is_animated_webp(file.read(32))


def unfold(path: str, limits: Limits, into: IO[bytes]) -> None:
    """Raises MediaError for more pixels, frames or bytes than allowed, and for what Pillow cannot read."""
    Image.MAX_IMAGE_PIXELS = None  # ours is checked below
    try:
        with Image.open(path, formats=["WEBP"]) as picture:
            if picture.width * picture.height > limits.pixels:
                raise MediaError("too_large_picture", detail=f"{picture.width} x {picture.height}")
            _write(picture, limits, into)
    except (OSError, ValueError, EOFError, SyntaxError) as error:
        raise MediaError("damaged", detail=f"Pillow: {error}") from error


def _write(picture: Image.Image, limits: Limits, into: IO[bytes]) -> None:
    with av.open(into, "w", format="matroska") as output:
        track = output.add_stream("ffv1")
        track.width, track.height, track.pix_fmt = picture.width, picture.height, "bgr0"
        track.time_base = track.codec_context.time_base = Fraction(1, 1000)
        at = 0
        for number, page in enumerate(ImageSequence.Iterator(picture)):
            if number >= limits.frames or into.tell() > UNFOLDED_BYTES:
                raise MediaError("too_many_frames", detail=f"{number} frames, {into.tell()} bytes")
            flat = Image.new("RGBA", page.size, (*BACKGROUND, 255))
            flat.alpha_composite(page.convert("RGBA"))
            milliseconds = int(page.info.get("duration", 0))
            milliseconds = milliseconds if milliseconds > TOO_QUICK else QUICK
            frame = av.VideoFrame.from_ndarray(np.asarray(flat.convert("RGB")), "rgb24").reformat(format="bgr0")
            frame.pts, frame.time_base = at, Fraction(1, 1000)
            for packet in track.encode(frame):
                packet.duration = milliseconds
                output.mux(packet)
            at += milliseconds
        output.mux(track.encode(None))


def unfolded(path: str, limits: Limits) -> io.BytesIO:
    pictures = io.BytesIO()
    unfold(path, limits, pictures)
    pictures.seek(0)
    return pictures
