"""The videos of the journeys: a folder of short different clips with one copy, and files to ask with."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.clips import Scene, ffmpeg, make_clip

SIZE = (320, 180)
SPOKEN = "A silver zeppelin lands beside the lighthouse"
SPOKEN_AT = (3.0, 5.0)
SUBTITLES = f"""1
00:00:00,500 --> 00:00:02,000
Good morning everybody

2
00:00:03,000 --> 00:00:05,000
{SPOKEN}
"""
TRIM = (1.5, 6.5)  # seconds of the source that the asked copy has


@contextlib.contextmanager
def videos_folder() -> Iterator[Path]:
    """A folder with the videos of ``make_folder``, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="vsearch-journey-videos-") as name:
        make_folder(Path(name))
        yield Path(name)


def make_folder(folder: Path) -> list[Path]:
    """Seven videos: "squares-again" is "squares" in another size and quality, "narrated" has subtitles."""
    shapes = [Scene("shapes", seed) for seed in (1, 2, 3, 4)]
    paths = [
        make_clip(folder / "squares.mp4", scenes=shapes, seconds=8.0, size=SIZE),
        make_clip(folder / "fractal.mp4", scenes=[Scene("mandelbrot", 3)], seconds=6.0, size=SIZE),
        make_clip(folder / "cells.mkv", scenes=[Scene("life", 5)], seconds=5.0, size=SIZE),
        make_clip(folder / "testcard.webm", scenes=[Scene("testsrc", 2)], seconds=5.0, size=SIZE),
        make_clip(folder / "boxes.mov", scenes=[Scene("shapes", s) for s in (31, 32, 33)], seconds=7.5, size=SIZE),
        make_clip(
            folder / "narrated.mkv", scenes=[Scene("shapes", s) for s in (51, 52)], seconds=6.0, size=SIZE,
            subtitles=SUBTITLES, audio="aac",
        ),
    ]  # fmt: skip
    copy = folder / "squares-again.mp4"
    ffmpeg("-i", paths[0], "-vf", "scale=256:144", "-c:v", "libx264", "-preset", "ultrafast", "-crf", "32", copy)
    return [*paths, copy]


def make_edited_copy(source: Path, target: Path) -> Path:
    """The seconds TRIM of the source, mirrored and compressed again."""
    start, end = TRIM
    ffmpeg("-ss", str(start), "-i", source, "-t", str(end - start), "-vf", "hflip", "-c:v", "libx264",
           "-preset", "ultrafast", "-crf", "28", target)  # fmt: skip
    return target
