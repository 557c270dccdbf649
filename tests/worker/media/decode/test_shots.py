"""Cuts are where the scenes change, and nowhere else."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from tests.clips import Scene, ffmpeg, make_clip
from worker.media.decode.stream import open_frames
from worker.types import SampledFrame, Shot

FPS = 25.0
SCENES = [
    Scene("shapes", 1), Scene("mandelbrot", 2), Scene("life", 3), Scene("gradients", 4), Scene("testsrc", 5),
    Scene("shapes", 6),
]  # fmt: skip


def shots_of(path: Path) -> tuple[list[Shot], list[SampledFrame]]:
    with open_frames(path) as stream:
        frames = list(stream)
        return stream.shots, frames


@pytest.mark.parametrize("container", ["mp4", "webm", "ts"])
def test_cuts_are_found_within_two_frames(tmp_path: Path, container: str) -> None:
    path = make_clip(tmp_path / f"cuts.{container}", scenes=SCENES, seconds=9.6)
    shots, frames = shots_of(path)
    assert [shot.start for shot in shots] == pytest.approx([0, 1.6, 3.2, 4.8, 6.4, 8.0], abs=2 / FPS)
    assert [frame.time for frame in frames if frame.starts_shot] == [shot.start for shot in shots]


def test_cuts_between_colours_of_equal_brightness_are_found(tmp_path: Path) -> None:
    scenes = [Scene("shapes", 9, hue=0), Scene("shapes", 9, hue=120), Scene("shapes", 9, hue=240)]
    shots, _ = shots_of(make_clip(tmp_path / "hues.mp4", scenes=scenes, seconds=4.8))
    assert [shot.start for shot in shots] == pytest.approx([0, 1.6, 3.2], abs=2 / FPS)


def test_shots_follow_each_other_and_cover_the_video(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "cuts.mp4", scenes=SCENES, seconds=9.6)
    with open_frames(path) as stream:
        times = [frame.time for frame in stream]
        shots, duration = stream.shots, stream.duration_seconds
    assert shots[0].start == 0.0
    assert shots[-1].end == duration
    assert all(a.end == b.start for a, b in itertools.pairwise(shots))
    assert all(shot.start <= shot.key_time < shot.end and shot.key_time in times for shot in shots)


def test_a_busy_scene_without_cuts_is_one_shot(tmp_path: Path) -> None:
    for kind in ("life", "testsrc", "mandelbrot"):
        shots, _ = shots_of(make_clip(tmp_path / f"{kind}.mp4", scenes=[Scene(kind, 2)], seconds=4.0))
        assert len(shots) == 1, kind


def test_a_camera_flash_is_no_cut(tmp_path: Path) -> None:
    plain = make_clip(tmp_path / "plain.mp4", scenes=[Scene("shapes", 2)], seconds=4.0)
    flash = tmp_path / "flash.mp4"
    ffmpeg("-i", plain, "-vf", "eq=brightness=0.7:enable='eq(n,50)'", "-c:v", "libx264", flash)
    assert len(shots_of(flash)[0]) == 1


def test_a_change_between_grid_points_is_kept(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "cut.mp4", scenes=[Scene("shapes", 1, seconds=1.16), Scene("shapes", 4, seconds=1.2)])
    _, frames = shots_of(path)
    assert [(f.reason, f.starts_shot) for f in frames if f.time == pytest.approx(1.16, abs=0.05)] == [("change", True)]


def test_a_shot_is_known_before_the_first_frame_of_the_next_one(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "cuts.mp4", scenes=SCENES, seconds=9.6)
    with open_frames(path) as stream:
        known = [len(stream.shots) for frame in stream if frame.starts_shot]
    assert known == [0, 1, 2, 3, 4, 5]
