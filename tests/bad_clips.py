"""Damages good clips in the ways that people's files are damaged or hostile. Each function returns the path."""

from __future__ import annotations

import random
import struct
from pathlib import Path


def cut_off(path: Path, share: float) -> Path:
    """Keeps the first ``share`` of the bytes."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def claim_mp4_duration(path: Path, seconds: float) -> Path:
    """Makes every duration in the headers of an mp4 say ``seconds``."""
    data = bytearray(path.read_bytes())
    movie_scale = struct.unpack_from(">I", data, data.index(b"mvhd") + 16)[0]
    for name, scale_at, duration_at in ((b"mvhd", 16, 20), (b"mdhd", 16, 20), (b"tkhd", None, 24), (b"elst", None, 12)):
        at = data.find(name)
        while at != -1:
            scale = movie_scale if scale_at is None else struct.unpack_from(">I", data, at + scale_at)[0]
            struct.pack_into(">I", data, at + duration_at, min(int(seconds * scale), 2**32 - 1))
            at = data.find(name, at + 4)
    path.write_bytes(data)
    return path


def claim_matroska_duration(path: Path, seconds: float) -> Path:
    """Makes the segment header of an mkv or webm say ``seconds`` (time scale 1 ms)."""
    data = bytearray(path.read_bytes())
    struct.pack_into(">d", data, data.index(b"\x44\x89\x88") + 3, seconds * 1000)
    path.write_bytes(data)
    return path


def overwrite(path: Path, start: float, end: float, *, seed: int = 1, every: int = 1) -> Path:
    """Replaces bytes between two shares of the file by noise: all of them or one in ``every``."""
    data = bytearray(path.read_bytes())
    dice = random.Random(seed)
    for at in range(int(len(data) * start), int(len(data) * end), every):
        data[at] = dice.randrange(256)
    path.write_bytes(data)
    return path


def huge_gif(path: Path, width: int = 20_000, height: int = 20_000) -> Path:
    """A valid GIF of a few bytes with an enormous picture."""
    size = struct.pack("<HH", width, height)
    path.write_bytes(
        b"GIF89a" + size + b"\x80\x00\x00" + bytes((0, 0, 0, 255, 255, 255))
        + b"\x21\xf9\x04\x00\x0a\x00\x00\x00" + b"\x2c\x00\x00\x00\x00" + size + b"\x00\x02\x02\x44\x01\x00"
        + b"\x3b"
    )  # fmt: skip
    return path


def huge_jpeg_frames(path: Path, side: int = 20_000) -> Path:
    """Makes every JPEG of an avi or mov with MJPEG claim ``side x side`` pixels; the container still says less."""
    data = bytearray(path.read_bytes())
    at = data.find(b"\xff\xc0\x00\x11\x08")
    assert at != -1
    while at != -1:
        struct.pack_into(">HH", data, at + 5, side, side)
        at = data.find(b"\xff\xc0\x00\x11\x08", at + 4)
    path.write_bytes(data)
    return path
