"""The still pictures of a video: poster, thumbnail, and the storyboard that the player shows while scrubbing."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image

from worker.media.errors import disk_errors
from worker.types import ByteImage

JPEG_QUALITY = 82
TILE_WIDTH = 192
MAX_TILE_HEIGHT = 384
MAX_TILES = 240
SHEET_COLUMNS, SHEET_ROWS = 10, 8
FIRST_INTERVAL = 0.5  # seconds between tiles while the video is short


def write_atomically(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Writes beside ``path`` and renames: readers see the old file or the whole new one, a failure leaves nothing.

    Raises MediaError('no_space').
    """
    with disk_errors():
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise


def _write_jpeg(image: Image.Image, path: Path) -> None:
    write_atomically(path, lambda file: image.save(file, "JPEG", quality=JPEG_QUALITY, optimize=True))


def write_poster(image: ByteImage, path: str | os.PathLike[str]) -> None:
    """The picture as it is, as JPEG."""
    _write_jpeg(Image.fromarray(image), Path(path))


def write_thumbnail(image: ByteImage, path: str | os.PathLike[str], width: int = 320) -> None:
    """The picture at most ``width`` pixels wide, as JPEG; never enlarged."""
    picture = Image.fromarray(image)
    picture.thumbnail((width, width * 4), Image.Resampling.LANCZOS)
    _write_jpeg(picture, Path(path))


def _clock(seconds: float) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}.{rest % 1000:03d}"


class StoryboardWriter:
    """``add`` every sampled frame in time order, then ``finish``: sprite sheets and ``storyboard.vtt``.

    The length of the video need not be known: when MAX_TILES are reached, every second tile is dropped and the
    interval doubles. Memory: MAX_TILES tiles, about 15 MB.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self._directory = Path(directory)
        self._interval = FIRST_INTERVAL
        self._tiles: list[tuple[float, ByteImage]] = []
        self._size: tuple[int, int] | None = None

    def add(self, time: float, image: ByteImage) -> None:
        """Keeps the frame as a tile if enough time passed since the last one."""
        if self._tiles and time < self._tiles[-1][0] + self._interval - 1e-3:
            return
        if self._size is None:
            height = round(TILE_WIDTH * image.shape[0] / image.shape[1])
            self._size = (TILE_WIDTH, min(MAX_TILE_HEIGHT, max(2, height)))
        tile = Image.fromarray(image).resize(self._size, Image.Resampling.BILINEAR, reducing_gap=2.0)
        self._tiles.append((time, np.asarray(tile)))
        if len(self._tiles) > MAX_TILES:
            self._tiles = self._tiles[::2]
            self._interval *= 2

    def finish(self, duration: float) -> list[Path]:
        """Writes ``sprite.jpg``, ``sprite-1.jpg``, ... and ``storyboard.vtt``; returns them, the vtt last.

        Raises MediaError('no_space'); ValueError without any frame.
        """
        if self._size is None:
            raise ValueError("a storyboard needs at least one frame")
        width, height = self._size
        per_sheet = SHEET_COLUMNS * SHEET_ROWS
        written: list[Path] = []
        cues = ["WEBVTT", ""]
        for number, first in enumerate(range(0, len(self._tiles), per_sheet)):
            tiles = self._tiles[first : first + per_sheet]
            name = f"sprite-{number}.jpg" if number else "sprite.jpg"
            written.append(self._write_sheet(name, self._size, [tile for _, tile in tiles]))
            for place, (time, _) in enumerate(tiles):
                following = first + place + 1
                end = self._tiles[following][0] if following < len(self._tiles) else max(duration, time + 0.001)
                x, y = place % SHEET_COLUMNS * width, place // SHEET_COLUMNS * height
                start = time if following > 1 else 0.0  # players show the first frame from the beginning
                cues += [f"{_clock(start)} --> {_clock(end)}", f"{name}#xywh={x},{y},{width},{height}", ""]
        vtt = self._directory / "storyboard.vtt"
        write_atomically(vtt, lambda file: file.write("\n".join(cues).encode()))
        return [*written, vtt]

    def _write_sheet(self, name: str, size: tuple[int, int], tiles: list[ByteImage]) -> Path:
        width, height = size
        columns = min(SHEET_COLUMNS, len(tiles))
        sheet = np.zeros((-(-len(tiles) // columns) * height, columns * width, 3), np.uint8)
        for place, tile in enumerate(tiles):
            y, x = place // SHEET_COLUMNS * height, place % SHEET_COLUMNS * width
            sheet[y : y + height, x : x + width] = tile
        path = self._directory / name
        _write_jpeg(Image.fromarray(sheet), path)
        return path
