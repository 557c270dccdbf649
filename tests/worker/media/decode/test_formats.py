"""Every container and codec that people bring, made with real encoders and decoded by the sandboxed child."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.clips import COMBINATIONS, OWN_SHAPE, Scene, make_clip
from worker.media.decode.probe import probe
from worker.media.decode.stream import open_frames
from worker.media.decode.upright import fitted
from worker.types import SampledFrame


def decode(path: Path) -> tuple[list[SampledFrame], float, int]:
    with open_frames(path) as stream:
        frames = list(stream)
        return frames, stream.duration_seconds, stream.frames_decoded


def rows_of(path: Path) -> list[float]:
    return [frame.time for frame in decode(path)[0]]


@pytest.mark.parametrize(("container", "codec"), COMBINATIONS)
def test_every_container_and_codec_is_probed_and_decoded_to_the_end(tmp_path: Path, container: str, codec: str) -> None:
    size, fps = OWN_SHAPE.get(codec, ((160, 120), 25.0))
    path = make_clip(tmp_path / f"clip.{container}", codec=codec, seconds=2.0, size=size, fps=fps)
    facts = probe(path)
    assert facts.video_codec == codec
    assert facts.width * facts.height == size[0] * size[1] or codec == "dvvideo"  # whose pixels are not square
    assert facts.audio_codec == ""
    frames, duration, decoded = decode(path)
    assert abs(decoded - 50) <= 1
    assert duration == pytest.approx(2.0, abs=0.1)
    assert frames[0].time == 0.0
    assert frames[0].starts_shot
    assert frames[0].image.shape == (*fitted(facts.width, facts.height)[::-1], 3)
    assert len(frames) >= (8 if facts.duration_seconds else 5)  # fewer where no header says how long it is


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_rotated_recording_comes_out_upright(tmp_path: Path, rotation: int) -> None:
    plain = make_clip(tmp_path / "plain.mp4", scenes=[Scene("shapes", 3)], size=(160, 96))
    turned = make_clip(tmp_path / "turned.mp4", scenes=[Scene("shapes", 3)], size=(160, 96), rotation=rotation)
    facts = probe(turned)
    assert facts.rotation == rotation
    assert (facts.width, facts.height) == ((96, 160) if rotation in (90, 270) else (160, 96))
    expected = np.rot90(decode(plain)[0][0].image, -rotation // 90)
    image = decode(turned)[0][0].image
    assert image.shape == expected.shape
    assert np.abs(image.astype(int) - expected).mean() < 2


def test_wide_pixels_are_squared(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "wide.mp4", size=(120, 120), sample_aspect="4/3")
    facts = probe(path)
    assert (facts.width, facts.height) == (160, 120)
    assert decode(path)[0][0].image.shape == (120, 160, 3)


@pytest.mark.parametrize("size", [(161, 121), (33, 97), (16, 16)])
def test_odd_sizes_are_decoded(tmp_path: Path, size: tuple[int, int]) -> None:
    path = make_clip(tmp_path / "odd.mp4", size=size, pixel_format="yuv444p")
    assert decode(path)[0][0].image.shape == (size[1], size[0], 3)


def test_pictures_are_scaled_to_a_short_side_of_256(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "large.mp4", size=(640, 512), seconds=0.4)
    assert decode(path)[0][0].image.shape == (256, 320, 3)


@pytest.mark.parametrize("pixel_format", ["yuv420p10le", "yuv422p", "gray"])
def test_other_pixel_formats_have_the_same_content(tmp_path: Path, pixel_format: str) -> None:
    plain = decode(make_clip(tmp_path / "plain.mp4", scenes=[Scene("shapes", 5)]))[0][0].image
    other = decode(make_clip(tmp_path / "other.mp4", scenes=[Scene("shapes", 5)], pixel_format=pixel_format))[0][
        0
    ].image
    if pixel_format == "gray":
        assert np.ptp(other, axis=2).max() <= 2
        plain = np.repeat(plain.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)
        assert np.corrcoef(plain.ravel(), other.ravel())[0, 1] > 0.9
    else:
        assert np.abs(plain.astype(int) - other).mean() < 4


def test_sampled_times_are_the_true_times_in_a_video_of_variable_rate(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "vfr.mkv", seconds=4.0, variable_rate=True)
    times = rows_of(path)
    assert times == sorted(times)
    on_frames = [round(time * 25) / 25 for time in times]
    assert times == pytest.approx(on_frames, abs=0.002)
    for time in times:  # in the first second every third frame is missing: the player never shows it
        number = round((time + 0.04) * 25)  # the first frame that is left is number 1
        assert number >= 25 or number % 3 != 0


def test_every_frame_time_matches_the_picture_that_a_seek_would_show(tmp_path: Path) -> None:
    """The life scene changes in every frame, so the wrong time would be the wrong picture."""
    path = make_clip(tmp_path / "life.mp4", scenes=[Scene("life", 7)], seconds=3.0, fps=10)
    import av

    with av.open(str(path)) as container:
        truth = {round(f.time, 3): f.to_ndarray(format="rgb24") for f in container.decode(video=0)}
    for frame in decode(path)[0]:
        assert np.array_equal(truth[round(frame.time, 3)], frame.image) or (
            np.abs(truth[round(frame.time, 3)].astype(int) - frame.image).mean() < 2
        )


def test_the_grid_is_four_a_second_then_two_then_one(tmp_path: Path) -> None:
    still = [Scene("solid", 1)]
    steps = {}
    for seconds in (4.0, 12.0, 61.0):
        times = rows_of(make_clip(tmp_path / f"{seconds}.mp4", scenes=still, seconds=seconds, fps=8, size=(32, 32)))
        steps[seconds] = np.diff(times)
    assert np.allclose(steps[4.0], 0.25)
    assert np.allclose(steps[12.0], 0.5)
    assert np.allclose(steps[61.0], 1.0)


def test_sound_and_subtitles_are_in_the_facts(tmp_path: Path) -> None:
    srt = "1\n00:00:00,200 --> 00:00:01,000\nhello\n"
    facts = probe(make_clip(tmp_path / "full.mkv", audio="libopus", subtitles=srt))
    assert facts.audio_codec == "opus"
    assert facts.subtitle_streams == (2,)
    assert facts.frames_per_second == pytest.approx(25)
    assert facts.bit_rate > 0
    assert facts.size_bytes > 0


@pytest.mark.parametrize(("container", "codec"), [("m2v", "mpeg2video"), ("m1v", "mpeg1video")])
@pytest.mark.parametrize("fps", [25, 30, 50])
def test_frames_without_any_time_stamp_follow_each_other_at_the_rate_of_the_stream(
    tmp_path: Path, container: str, codec: str, fps: int
) -> None:
    path = make_clip(tmp_path / f"bare.{container}", codec=codec, fps=fps, seconds=3.0, encoder_args=("-bf", "2"))
    frames, duration, decoded = decode(path)
    assert (decoded, duration) == (3 * fps, pytest.approx(3.0, abs=0.01))
    assert [round(frame.time * fps, 3) % 1 for frame in frames] == pytest.approx([0.0] * len(frames), abs=0.01)


def test_the_video_clock_starts_at_the_first_frame_even_when_the_file_starts_late(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "late.ts", muxer_args=("-output_ts_offset", "50"))
    frames, duration, _ = decode(path)
    assert frames[0].time == 0.0
    assert duration == pytest.approx(2.0, abs=0.1)
