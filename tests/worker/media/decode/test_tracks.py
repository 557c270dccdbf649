"""Which packets belong to the picture track, whatever else is in the file and in whatever order."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clips import ENCODERS, Scene, ffmpeg, make_clip
from worker.media.decode.probe import probe
from worker.media.decode.stream import open_frames
from worker.media.derived.proxy import make_proxy
from worker.media.playback import needs_proxy

SCENES = [Scene("shapes", 1), Scene("mandelbrot", 2)]


def counted(path: Path) -> tuple[int, float]:
    """Decoded frames and seconds."""
    with open_frames(path) as stream:
        assert list(stream)
        return stream.frames_decoded, stream.duration_seconds


@pytest.mark.parametrize(
    ("name", "mimetype", "content"),
    [("a.ttf", "font/ttf", b"\x00\x01\x00\x00" * 80), ("x.nfo", "text/plain", b"hello\n"),
     ("notes.bin", "application/octet-stream", bytes(range(256)))],
)  # fmt: skip
@pytest.mark.parametrize("audio", [None, "aac"])
def test_attachments_are_ignored(tmp_path: Path, name: str, mimetype: str, content: bytes, audio: str | None) -> None:
    clip = make_clip(tmp_path / "clip.mkv", scenes=SCENES, audio=audio)
    (tmp_path / name).write_bytes(content)
    path = tmp_path / "attached.mkv"
    ffmpeg("-i", clip, "-c", "copy", "-attach", tmp_path / name, "-metadata:s:t:0", f"mimetype={mimetype}",
           "-metadata:s:t:0", f"filename={name}", path)  # fmt: skip
    assert probe(path).width == 160
    assert counted(path) == counted(clip) == (50, pytest.approx(2.0))


def test_subtitles_beside_an_attachment_keep_their_index(tmp_path: Path) -> None:
    srt = "1\n00:00:00,200 --> 00:00:01,000\nhello\n"
    clip = make_clip(tmp_path / "clip.mkv", audio="aac", subtitles=srt)
    font, path = tmp_path / "a.ttf", tmp_path / "attached.mkv"
    font.write_bytes(b"\x00\x01\x00\x00" * 80)
    ffmpeg("-i", clip, "-c", "copy", "-map", "0:s", "-map", "0:a", "-map", "0:v", "-attach", font,
           "-metadata:s:t:0", "mimetype=font/ttf", path)  # fmt: skip
    assert probe(path).subtitle_streams == (0,)
    assert counted(path)[0] == 50


@pytest.mark.parametrize(
    ("container", "video", "audio"),
    [("mp4", "h264", "aac"), ("mp4", "hevc", "aac"), ("mov", "h264", "aac"), ("mkv", "h264", "aac"),
     ("mkv", "mpeg2video", "libmp3lame"), ("webm", "vp9", "libopus"), ("avi", "mpeg4", "libmp3lame"),
     ("ts", "h264", "aac"), ("mpg", "mpeg2video", "mp2")],
)  # fmt: skip
@pytest.mark.parametrize("frames", [1, 10])
def test_no_frame_is_lost_when_sound_is_the_first_track(
    tmp_path: Path, container: str, video: str, audio: str, frames: int
) -> None:
    clip = make_clip(tmp_path / "clip.mkv", scenes=SCENES, audio="aac")
    path = tmp_path / f"sound_first.{container}"
    encoder = tuple("medium" if argument == "ultrafast" else argument for argument in ENCODERS[video])  # with B-frames
    ffmpeg("-t", str(frames / 25), "-i", clip, "-map", "0:a", "-map", "0:v", *encoder, "-c:a", audio, "-ar", "48000",
           "-frames:v", str(frames), path)  # fmt: skip
    assert counted(path) == (frames, pytest.approx(frames / 25, abs=0.05))


@pytest.mark.parametrize("container", ["mp4", "mov", "mkv"])
@pytest.mark.parametrize("dispositions", [("0", "default"), ("default", "default"), ("0", "0"), ("default", "0")])
def test_a_still_before_the_video_is_not_the_video(
    tmp_path: Path, container: str, dispositions: tuple[str, str]
) -> None:
    clip = make_clip(tmp_path / "clip.mkv", scenes=SCENES, audio="aac")
    still, path = tmp_path / "still.mkv", tmp_path / f"both.{container}"
    ffmpeg("-i", clip, "-frames:v", "1", "-an", "-vf", "scale=320:240", *ENCODERS["h264"], still)
    ffmpeg("-i", still, "-i", clip, "-map", "0:v", "-map", "1", "-c", "copy", "-disposition:v:0", dispositions[0],
           "-disposition:v:1", dispositions[1], path)  # fmt: skip
    assert counted(path) == (50, pytest.approx(2.0))
    facts = probe(path)
    assert (facts.width, facts.picture_stream, facts.is_first_picture) == (160, 1, False)
    make_proxy(path, tmp_path / "proxy.mp4", facts=facts)
    assert needs_proxy(facts)
    assert counted(tmp_path / "proxy.mp4")[0] == 50


@pytest.mark.parametrize("container", ["mp4", "mkv", "ts"])
@pytest.mark.parametrize("default", [0, 1, None])
def test_the_default_track_is_the_video_else_the_largest(tmp_path: Path, container: str, default: int | None) -> None:
    clip = make_clip(tmp_path / "clip.mkv", scenes=SCENES)
    small, path = tmp_path / "small.mkv", tmp_path / f"both.{container}"
    ffmpeg("-i", clip, "-vf", "scale=96:54", *ENCODERS["h264"], small)
    flags = [("default" if default in (number, None) else "0") for number in (0, 1)]
    ffmpeg("-i", small, "-i", clip, "-map", "0:v", "-map", "1:v", "-c", "copy", "-disposition:v:0", flags[0],
           "-disposition:v:1", flags[1], path)  # fmt: skip
    assert probe(path).width == (96 if default == 0 and container != "ts" else 160)
    assert counted(path)[0] == 50


def test_a_still_is_told_from_a_video_without_any_header(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mkv", scenes=SCENES)
    still, path = tmp_path / "still.mkv", tmp_path / "both.mkv"
    ffmpeg("-i", clip, "-frames:v", "1", "-vf", "scale=320:240", *ENCODERS["h264"], still)
    ffmpeg("-i", still, "-i", clip, "-map", "0", "-map", "1", "-c", "copy", path)
    path.write_bytes(path.read_bytes().replace(b"DURATION", b"NOTATIME"))
    assert probe(path).width == 160
    assert counted(path)[0] == 50


@pytest.mark.parametrize("audio", [None, "libvorbis"])
def test_packets_that_say_that_the_last_frame_stays_do_not_end_the_video(tmp_path: Path, audio: str | None) -> None:
    scenes = [Scene("shapes", 1), Scene("mandelbrot", 2)]
    path = make_clip(tmp_path / "a.ogv", scenes=scenes, size=(96, 64), fps=12.5, seconds=1.0, audio=audio)
    frames, seconds = counted(path)
    assert frames < 12  # the writer of Ogg puts empty packets where nothing changes
    assert seconds == pytest.approx(1.0, abs=0.1)
