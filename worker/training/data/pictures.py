"""Pictures of items: read from files and videos, and kept decoded on disk while a run lasts."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from worker.media.decode.stream import open_frames
from worker.media.errors import MediaError
from worker.training.data.arrays import cache_file, save_arrays
from worker.training.data.items import Item, Problem
from worker.training.errors import Interrupted
from worker.types import ByteImage

MAX_PIXELS = 50_000_000  # of a picture in a list of frames


def read_picture(path: Path) -> ByteImage:
    """(H, W, 3), upright. Raises MediaError."""
    try:
        with Image.open(path) as image:
            if image.width * image.height > MAX_PIXELS:
                raise MediaError("too_large_picture", detail=f"{image.width}x{image.height}")
            # Large photographs are decoded at a fraction of their size where the format can.
            image.draft("RGB", (1024, 1024))
            return np.asarray(_upright(image).convert("RGB"))
    except Image.DecompressionBombError as error:
        raise MediaError("too_large_picture", detail=str(error)) from error
    except FileNotFoundError as error:
        raise MediaError("missing", f"There is no file {path}.") from error
    except (OSError, ValueError, SyntaxError, EOFError) as error:  # what Pillow's readers raise for damaged files
        raise MediaError("damaged", f"{path.name} is not a picture that can be read ({error}).") from error


def _upright(image: Image.Image) -> Image.Image:
    """Turned as its EXIF says; broken EXIF says nothing."""
    try:
        return ImageOps.exif_transpose(image)
    except (ArithmeticError, LookupError, SyntaxError, TypeError, ValueError, struct.error):
        return image


def read_pictures(item: Item, count: int) -> list[ByteImage]:
    """At most ``count`` pictures of an item, evenly spread in time. Raises MediaError or OSError."""
    if item.video is None:
        places = np.unique(np.linspace(0, len(item.frames) - 1, min(count, len(item.frames))).round().astype(int))
        return [read_picture(item.frames[place]) for place in places]
    pictures: list[ByteImage] = []
    with open_frames(item.video) as stream:
        duration = max(stream.facts.duration_seconds, 1e-3)
        for frame in stream:
            # The first frame at or after the middle of each of ``count`` equal parts.
            if len(pictures) < count and frame.time >= (len(pictures) + 0.5) / count * duration - 1e-6:
                pictures.append(frame.image)
            elif not pictures:
                first = frame.image
    return pictures or [first]


def identity_of(item: Item) -> list[object]:
    """What tells that the media is the same as when it was embedded."""
    paths = [item.video] if item.video else list(item.frames)
    return [[str(p), p.stat().st_size, p.stat().st_mtime_ns] if p.exists() else [str(p)] for p in paths]


class PictureCache:
    """Decoded pictures of each item, on disk as one file an item: a video is decoded once, not once an epoch."""

    def __init__(self, folder: Path, frames: int, shortest: int) -> None:
        """``shortest``: pictures are reduced until their short side is at most four times that many pixels."""
        self._folder, self._frames, self._shortest = folder, frames, shortest
        folder.mkdir(parents=True, exist_ok=True)

    def _file(self, item: Item) -> Path:
        return cache_file(self._folder, "pictures", identity_of(item), self._frames, self._shortest)

    def fill(
        self, items: Sequence[Item], progress: Callable[[float], None], stopped: Callable[[], bool]
    ) -> list[Problem]:
        """Decode what is not there yet; returns the items that cannot be read."""
        problems = []
        for number, item in enumerate(items):
            if stopped():
                raise Interrupted
            if not self._file(item).exists():
                try:
                    pictures = [self._reduced(picture) for picture in read_pictures(item, self._frames)]
                except (MediaError, OSError) as error:
                    problems.append(Problem(0, item.id, "media", str(error) or type(error).__name__))
                    continue
                save_arrays(self._file(item), {str(i): picture for i, picture in enumerate(pictures)})
            progress((number + 1) / len(items))
        return problems

    def _reduced(self, picture: ByteImage) -> ByteImage:
        step = max(min(picture.shape[:2]) // (2 * self._shortest), 1)  # never below what the tower takes
        return np.ascontiguousarray(picture[::step, ::step])

    def read(self, item: Item) -> list[ByteImage]:
        with np.load(self._file(item)) as stored:
            return [stored[str(i)] for i in range(len(stored.files))]
