"""Times are those of the player: of the file where browsers play it as it is, else of its proxy."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import bad_clips
from tests.clips import ENCODERS, Scene, ffmpeg, make_clip
from worker.media.decode.clock import FrameClock
from worker.media.decode.probe import probe
from worker.media.decode.stream import open_frames
from worker.media.derived.proxy import make_proxy
from worker.media.derived.subtitles import extract_subtitles
from worker.media.errors import MediaError
from worker.media.playback import needs_proxy

SCENES = [Scene("shapes", 1), Scene("mandelbrot", 2), Scene("shapes", 6)]  # cuts at 1.2 and 2.4 of 3.6 s
SECONDS, CUTS = 3.6, (1.2, 2.4)
AS_IT_IS = ("mp4", "mov", "webm")
CODECS = {"webm": ("vp8", "libopus"), "wmv": ("mpeg4", "libmp3lame"), "mpg": ("mpeg2video", "mp2")}


def plain(folder: Path, container: str, audio: bool = True) -> Path:
    video, sound = CODECS.get(container, ("h264", "aac"))
    return make_clip(folder / f"plain.{container}", scenes=SCENES, seconds=SECONDS, codec=video,
                     audio=sound if audio else None)  # fmt: skip


def times(path: Path) -> tuple[float, list[float], float]:
    """The first frame, the cuts, the end."""
    with open_frames(path) as stream:
        first = next(iter(stream)).time
        assert all(frame.time > first for frame in stream)
        assert stream.shots[0].start == first
        return first, [shot.start for shot in stream.shots[1:]], stream.duration_seconds


def check(path: Path, late: float) -> None:
    """Every time is ``late`` seconds more than in the plain clip, in the file and in its proxy."""
    first, cuts, end = times(path)
    assert first == pytest.approx(late, abs=0.09)
    assert cuts == pytest.approx([cut + late for cut in CUTS], abs=0.09)
    assert end == pytest.approx(SECONDS + late, abs=0.13)
    facts = probe(path)
    assert facts.duration_seconds == pytest.approx(end, abs=0.2)
    if needs_proxy(facts):
        proxy = path.with_name("proxy.mp4")
        make_proxy(path, proxy, facts=facts)
        assert times(proxy)[:2] == (pytest.approx(first, abs=0.05), pytest.approx(cuts, abs=0.05))


@pytest.mark.parametrize("container", ["mp4", "mov", "webm", "mkv", "ts", "mpg", "flv", "wmv"])
@pytest.mark.parametrize("audio", [False, True])
def test_a_clock_that_does_not_begin_at_zero_is_the_players(tmp_path: Path, container: str, audio: bool) -> None:
    path = tmp_path / f"late.{container}"
    ffmpeg("-i", plain(tmp_path, container, audio), "-c", "copy", "-output_ts_offset", "40", path)
    check(path, 40.0 if container in AS_IT_IS else 0.0)


@pytest.mark.parametrize("container", ["mp4", "webm", "mkv", "ts"])
def test_a_picture_that_begins_after_the_sound_keeps_its_delay(tmp_path: Path, container: str) -> None:
    clip, path = plain(tmp_path, container), tmp_path / f"late.{container}"
    ffmpeg("-itsoffset", "1.5", "-i", clip, "-i", clip, "-map", "0:v", "-map", "1:a", "-c", "copy", path)
    check(path, 1.5)


def test_an_empty_edit_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "late.mp4"
    ffmpeg("-itsoffset", "2", "-i", plain(tmp_path, "mp4", audio=False), "-c", "copy", path)
    check(path, 2.0)


def test_a_recording_of_later_fragments_keeps_their_times(tmp_path: Path) -> None:
    whole = tmp_path / "whole.mp4"
    ffmpeg("-i", plain(tmp_path, "mp4"), "-c", "copy", "-movflags", "frag_keyframe+empty_moov+default_base_moof", whole)
    data, kept, at, fragments = whole.read_bytes(), b"", 0, 0
    while at < len(data):
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        fragments += kind == b"moof"
        if fragments != 1:  # the first holds one second
            kept += data[at : at + size]
        at += size
    path = tmp_path / "later.mp4"
    path.write_bytes(kept)
    first, cuts, end = times(path)
    assert (first, end) == (pytest.approx(1.0, abs=0.05), pytest.approx(SECONDS, abs=0.05))
    assert cuts == pytest.approx([2.4], abs=0.05)


@pytest.mark.parametrize(("container", "offset"), [("mkv", 5), ("mkv", 100), ("webm", 5), ("mp4", 30), ("flv", 30)])
def test_a_late_clock_does_not_hide_a_missing_end(tmp_path: Path, container: str, offset: int) -> None:
    path = tmp_path / f"late.{container}"
    ffmpeg("-i", plain(tmp_path, container), "-c", "copy", "-movflags" if container == "mp4" else "-fflags",
           "+faststart" if container == "mp4" else "+genpts", "-output_ts_offset", str(offset), path)  # fmt: skip
    with pytest.raises(MediaError, match="truncated"):
        times(bad_clips.cut_off(path, 0.5))


def joined(folder: Path, container: str, lengths: list[float], audio: bool) -> Path:
    """The clip in parts, put together with cat: the clock of every part begins anew."""
    clip, path, at = plain(folder, "mkv"), folder / f"joined.{container}", 0.0
    codecs = [*ENCODERS["h264"], "-c:a", "aac", "-f", "mpegts"]
    if container == "vob":
        codecs = [*ENCODERS["mpeg2video"], "-c:a", "mp2", "-f", "vob"]
    with path.open("wb") as whole:
        for length in lengths:
            part = folder / "part"
            ffmpeg("-ss", str(at), "-t", str(length), "-i", clip, *([] if audio else ["-an"]), *codecs, part)
            whole.write(part.read_bytes())
            at += length
    return path


@pytest.mark.parametrize("container", ["ts", "vob"])
@pytest.mark.parametrize("audio", [False, True])
@pytest.mark.parametrize("lengths", [[1.2, 1.2, 1.2], [0.6, 2.0, 1.0]])
def test_parts_put_together_with_cat_are_as_long_as_their_sum(
    tmp_path: Path, container: str, audio: bool, lengths: list[float]
) -> None:
    first, cuts, end = times(joined(tmp_path, container, lengths, audio))
    assert first == pytest.approx(0.0, abs=0.05)
    assert cuts == pytest.approx(CUTS, abs=0.09)
    assert end == pytest.approx(SECONDS, abs=0.13)


SRT = "1\n00:00:00,500 --> 00:00:01,000\nhello\n"


@pytest.mark.parametrize("container", ["mp4", "webm", "mkv"])
def test_subtitles_share_the_clock(tmp_path: Path, container: str) -> None:
    video, sound = CODECS.get(container, ("h264", "aac"))
    clip = make_clip(tmp_path / f"plain.{container}", codec=video, audio=sound, subtitles=SRT)
    late = tmp_path / f"late.{container}"
    ffmpeg("-i", clip, "-map", "0", "-c", "copy", "-output_ts_offset", "20", late)
    delayed = tmp_path / f"delayed.{container}"
    ffmpeg(
        "-itsoffset", "3", "-i", clip, "-i", clip, "-map", "0:v", "-map", "1:a", "-map", "1:s", "-c", "copy", delayed
    )
    said = {path: extract_subtitles(path, probe(path))[0].start for path in (clip, late, delayed)}
    assert said[clip] == pytest.approx(0.5, abs=0.03)
    assert said[late] - times(late)[0] == pytest.approx(0.5, abs=0.03)
    assert said[delayed] == pytest.approx(0.5, abs=0.03)
    assert times(delayed)[0] == pytest.approx(3.0, abs=0.05)


def test_missing_and_backward_time_stamps_become_the_next_frame() -> None:
    clock = FrameClock(10.0, 25.0)
    assert [clock.read(raw, 0.04) for raw in (12.0, None, 11.0, 12.2)] == pytest.approx([2.0, 2.04, 2.041, 2.2])
    assert clock.end == pytest.approx(2.24)
    assert clock.first == 2.0
