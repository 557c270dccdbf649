"""Posters, thumbnails and the storyboard: right pictures at the right places, whole files or none."""

from __future__ import annotations

import itertools
import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from worker.media.derived.pictures import MAX_TILES, StoryboardWriter, write_poster, write_thumbnail
from worker.media.disk_space import ensure_space, free_disk_bytes
from worker.media.errors import MediaError, disk_errors
from worker.types import ByteImage

CUE = re.compile(r"(\d\d):(\d\d):(\d\d\.\d{3}) --> (\d\d):(\d\d):(\d\d\.\d{3})\n(\S+)#xywh=(\d+),(\d+),(\d+),(\d+)")


def grey(level: int, size: tuple[int, int] = (256, 455)) -> ByteImage:
    return np.full((*size, 3), level, np.uint8)


def cues(directory: Path) -> list[tuple[float, float, str, tuple[int, int, int, int]]]:
    found = []
    for h, m, s, h2, m2, s2, name, *box in CUE.findall((directory / "storyboard.vtt").read_text()):
        start, end = int(h) * 3600 + int(m) * 60 + float(s), int(h2) * 3600 + int(m2) * 60 + float(s2)
        x, y, width, height = map(int, box)
        found.append((start, end, name, (x, y, width, height)))
    return found


def test_every_cue_points_at_the_tile_of_its_time(tmp_path: Path) -> None:
    writer = StoryboardWriter(tmp_path)
    for second in range(100):
        writer.add(float(second), grey(second * 2))
    writer.finish(100.0)
    found = cues(tmp_path)
    assert len(found) == 100
    assert len({name for _, _, name, _ in found}) == 2
    for start, _, name, (x, y, width, height) in found:
        with Image.open(tmp_path / name) as sheet:
            tile = np.asarray(sheet.crop((x, y, x + width, y + height)))
        assert tile.mean() == pytest.approx(start * 2, abs=3)
        assert (width, height) == (192, 108)


@pytest.mark.parametrize("seconds", [1, 7, 60, 3_000, 20_000])
def test_cues_cover_the_video_without_holes_and_are_bounded_in_number(tmp_path: Path, seconds: int) -> None:
    writer = StoryboardWriter(tmp_path)
    picture = grey(9, (18, 32))
    for second in range(seconds):
        writer.add(float(second), picture)
    written = writer.finish(seconds + 0.5)
    found = cues(tmp_path)
    assert min(seconds, MAX_TILES // 2) <= len(found) <= MAX_TILES
    assert found[0][0] == 0.0
    assert found[-1][1] == seconds + 0.5
    assert all(a[1] == b[0] for a, b in itertools.pairwise(found))
    assert sorted(path.name for path in written) == sorted(path.name for path in tmp_path.iterdir())


def test_frames_of_changing_size_fit_the_same_tiles(tmp_path: Path) -> None:
    writer = StoryboardWriter(tmp_path)
    writer.add(0.0, grey(10, (256, 455)))
    writer.add(1.0, grey(20, (455, 256)))
    writer.finish(2.0)
    assert len({box[2:] for *_, box in cues(tmp_path)}) == 1


def test_a_storyboard_without_frames_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="frame"):
        StoryboardWriter(tmp_path).finish(1.0)


def test_poster_and_thumbnail_are_jpegs_of_the_right_size(tmp_path: Path) -> None:
    image = grey(100)
    write_poster(image, tmp_path / "new" / "poster.jpg")
    write_thumbnail(image, tmp_path / "thumb.jpg")
    write_thumbnail(grey(5, (50, 60)), tmp_path / "small.jpg")
    sizes = {}
    for path in (tmp_path / "new" / "poster.jpg", tmp_path / "thumb.jpg", tmp_path / "small.jpg"):
        with Image.open(path) as picture:
            assert picture.format == "JPEG"
            sizes[path.name] = picture.size
    assert sizes == {"poster.jpg": (455, 256), "thumb.jpg": (320, 180), "small.jpg": (60, 50)}


def test_a_full_disk_leaves_the_old_picture_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_poster(grey(1), tmp_path / "poster.jpg")
    before = (tmp_path / "poster.jpg").read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(MediaError, match="no_space"):
        write_poster(grey(200), tmp_path / "poster.jpg")
    assert [path.name for path in tmp_path.iterdir()] == ["poster.jpg"]
    assert (tmp_path / "poster.jpg").read_bytes() == before


def test_a_write_to_a_really_full_device_is_named_so() -> None:
    with pytest.raises(MediaError, match="no_space"), disk_errors(), open("/dev/full", "wb", buffering=0) as full:
        full.write(b"x")


def test_space_is_checked_even_where_the_folder_does_not_exist_yet(tmp_path: Path) -> None:
    assert free_disk_bytes(tmp_path / "a" / "b") > 0
    ensure_space(tmp_path / "a", 1)
    with pytest.raises(MediaError, match="no_space"):
        ensure_space(tmp_path / "a", 10**18)
