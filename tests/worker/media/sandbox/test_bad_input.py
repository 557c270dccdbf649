"""Everything that people upload by mistake or on purpose ends in a MediaError with the right reason."""

from __future__ import annotations

import dataclasses
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests import bad_clips
from tests.clips import Scene, ffmpeg, make_clip
from worker.media.decode.probe import probe
from worker.media.decode.stream import open_frames
from worker.media.errors import MESSAGES, MediaError
from worker.media.sandbox.limits import Limits

LONG = [Scene("life", 1)]


def refusal(path: Path, limits: Limits | None = None) -> str:
    """The code with which decoding the whole file is refused."""
    with pytest.raises(MediaError) as caught, open_frames(path, limits=limits) as stream:
        for _ in stream:
            pass
    assert caught.value.message == MESSAGES[caught.value.code]
    return caught.value.code


def accepted_seconds(path: Path) -> float:
    with open_frames(path) as stream:
        for _ in stream:
            pass
        return stream.duration_seconds


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_every_message_is_a_sentence_that_says_what_to_do() -> None:
    for code, message in MESSAGES.items():
        assert message.endswith("."), code
        assert len(message) > 40 or code == "cancelled"


@pytest.mark.parametrize(
    ("code", "content"),
    [
        ("empty", b""),
        ("not_video", b"Dear diary,\ntoday I renamed a text file.\n" * 50),
        ("not_video", "Ein Text mit Umlauten: äöü, 中文, emoji 🎬\n".encode() * 300),
        ("not_video", bytes(range(256)) * 64),
        ("not_video", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n\x00\x01\x02\x03" + bytes(2000)),
        ("playlist", b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nother.mp4\n#EXT-X-ENDLIST\n"),
        ("playlist", b"ffconcat version 1.0\nfile other.mp4\n"),
        ("playlist", b"[playlist]\nFile1=other.mp4\n"),
        ("playlist", b'<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>'),
        ("archive", b"7z\xbc\xaf\x27\x1c\x00\x04" + bytes(500)),
        ("archive", b"Rar!\x1a\x07\x01\x00" + bytes(500)),
        ("encrypted", b"PK\x03\x04\x14\x00\x01\x00\x08\x00" + bytes(500)),
    ],
)
def test_what_is_no_video_is_named_for_what_it_is(tmp_path: Path, code: str, content: bytes) -> None:
    path = written(tmp_path / "holiday.mp4", content)
    assert refusal(path) == code
    with pytest.raises(MediaError) as caught:
        probe(path)
    assert caught.value.code == code


def test_a_zip_a_picture_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "videos.mp4", "w") as archive:
        archive.writestr("clip.txt", "hello")
    assert refusal(tmp_path / "videos.mp4") == "archive"
    for kind in ("JPEG", "PNG", "WEBP"):
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "picture.mp4", kind)
        assert refusal(tmp_path / "picture.mp4") == "picture"
    assert refusal(tmp_path / "nothing.mp4") == "missing"
    assert refusal(tmp_path) == "missing"


def test_sound_without_pictures_is_refused(tmp_path: Path) -> None:
    for name in ("song.mp4", "song.mkv", "song.ogg"):
        ffmpeg("-f", "lavfi", "-i", "sine=duration=1", tmp_path / name)
        assert refusal(tmp_path / name) == "audio_only"


def test_cover_art_is_no_video(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(tmp_path / "cover.jpg")
    ffmpeg("-f", "lavfi", "-i", "sine=duration=1", "-i", tmp_path / "cover.jpg", "-map", "0", "-map", "1",
           "-c:v", "copy", "-disposition:v:0", "attached_pic", tmp_path / "song.mp4")  # fmt: skip
    assert refusal(tmp_path / "song.mp4") == "audio_only"


def test_an_encrypted_mp4_is_refused(tmp_path: Path) -> None:
    plain = make_clip(tmp_path / "plain.mp4", seconds=1.0)
    key = "76a6c65c5ea762046bd749a2e632ccbb"
    ffmpeg("-i", plain, "-c", "copy", "-encryption_scheme", "cenc-aes-ctr", "-encryption_key", key,
           "-encryption_kid", "a7e61c373e219033c21091fa607bf3b8", tmp_path / "drm.mp4")  # fmt: skip
    assert refusal(tmp_path / "drm.mp4") == "encrypted"


def test_a_scrambled_transport_stream_is_refused(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "tv.ts", seconds=1.0)
    data = bytearray(path.read_bytes())
    for at in range(0, len(data), 188):
        if data[at + 1] & 0x1F or data[at + 2] > 0x20:  # not the tables
            data[at + 3] |= 0x80
    assert refusal(written(path, bytes(data))) == "encrypted"


def test_a_picture_of_20000_by_20000_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    small = dataclasses.replace(Limits(), memory_bytes=700 * 1024 * 1024)  # one such picture would not fit
    assert refusal(bad_clips.huge_gif(tmp_path / "huge.gif"), small) == "too_large_picture"
    hidden = bad_clips.huge_jpeg_frames(make_clip(tmp_path / "hidden.avi", codec="mjpeg", seconds=0.5))
    assert refusal(hidden, small) == "too_large_picture"


def test_a_limit_on_pixels_applies_to_any_codec(tmp_path: Path) -> None:
    limits = dataclasses.replace(Limits(), pixels=100 * 100)
    for container in ("mp4", "webm", "ts", "flv", "mpg"):
        assert refusal(make_clip(tmp_path / f"clip.{container}"), limits) == "too_large_picture", container


def test_ten_hours_promised_over_three_seconds_are_refused(tmp_path: Path) -> None:
    ten_hours = 36_000.0
    mp4 = bad_clips.claim_mp4_duration(make_clip(tmp_path / "lie.mp4", seconds=3.0), ten_hours)
    assert refusal(mp4) == "header_mismatch"
    mkv = make_clip(tmp_path / "lie.mkv", seconds=3.0, audio="aac")
    assert refusal(bad_clips.claim_matroska_duration(mkv, ten_hours)) == "header_mismatch"


@pytest.mark.parametrize("name", ["torn.mkv", "torn.webm", "torn.avi", "torn.flv"])
def test_a_truncated_file_is_refused(tmp_path: Path, name: str) -> None:
    path = make_clip(tmp_path / name, scenes=LONG, seconds=6.0, codec="mpeg4" if name.endswith("avi") else None)
    assert refusal(bad_clips.cut_off(path, 0.6)) == "truncated"


def test_a_truncated_mp4_is_refused_wherever_its_index_is(tmp_path: Path) -> None:
    index_last = make_clip(tmp_path / "last.mp4", scenes=LONG, seconds=6.0)
    assert refusal(bad_clips.cut_off(index_last, 0.6)) == "truncated"
    index_first = make_clip(tmp_path / "first.mp4", scenes=LONG, seconds=6.0, muxer_args=("-movflags", "+faststart"))
    assert refusal(bad_clips.cut_off(index_first, 0.6)) == "truncated"


def test_a_recording_with_a_torn_tail_is_accepted_with_what_it_has(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "tail.mp4", scenes=LONG, seconds=6.0, muxer_args=("-movflags", "+faststart"))
    assert 5.4 <= accepted_seconds(bad_clips.cut_off(path, 0.97)) <= 6.1


def test_a_recording_with_a_few_damaged_packets_is_accepted(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "noisy.ts", scenes=LONG, seconds=6.0)
    assert accepted_seconds(bad_clips.overwrite(path, 0.93, 0.95)) == pytest.approx(6.0, abs=0.3)


def test_a_recording_without_a_promise_is_accepted_as_long_as_it_is(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "live.ts", scenes=LONG, seconds=6.0)
    assert 2.5 <= accepted_seconds(bad_clips.cut_off(path, 0.6)) <= 4.5


def test_sound_that_outlasts_the_picture_is_no_damage(tmp_path: Path) -> None:
    picture = make_clip(tmp_path / "picture.mkv", seconds=2.0)
    for name in ("longer.mkv", "longer.mp4"):
        ffmpeg("-i", picture, "-f", "lavfi", "-i", "sine=duration=12", "-c:v", "copy", tmp_path / name)
        assert accepted_seconds(tmp_path / name) == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("name", ["a.mkv", "a.webm", "a.flv", "a.mp4", "a.mov", "a.avi", "a.wmv", "a.ogv"])
def test_a_video_without_its_beginning_is_named_as_such(tmp_path: Path, name: str) -> None:
    codec = {"wmv": "mpeg4", "avi": "mpeg4"}.get(name[2:])
    path = make_clip(tmp_path / name, scenes=LONG, seconds=4.0, codec=codec)
    data = path.read_bytes()
    for kept in (data[16:], data[3000:], data[len(data) // 4 :], bytes(2000) + data[2000:]):
        assert refusal(written(path, kept)) == "no_beginning"


@pytest.mark.parametrize(
    "content", [bytes(100_000), b"\x7fELF\x02\x01" + b"\x00\x01\x02\x80" * 9000, b"\x01abcdefgh\n" * 20_000]
)
def test_what_holds_no_parts_of_a_video_is_no_video_whatever_its_name(tmp_path: Path, content: bytes) -> None:
    assert refusal(written(tmp_path / "holiday.mp4", content)) == "not_video"


@pytest.mark.parametrize(("name", "codec"), [("a.avi", "mpeg4"), ("b.avi", "mjpeg"), ("c.mp4", "h264")])
def test_a_file_that_is_all_there_is_damaged_and_not_cut_off(tmp_path: Path, name: str, codec: str) -> None:
    path = make_clip(tmp_path / name, scenes=LONG, seconds=6.0, codec=codec)
    assert refusal(bad_clips.overwrite(path, 0.35, 0.8)) == "damaged"


def holes_of(path: Path) -> list[tuple[float, float]]:
    with open_frames(path) as stream:
        assert list(stream)
        return stream.holes


HOLES = [("mkv", "h264", "aac"), ("webm", "vp8", "libopus"), ("flv", "h264", "libmp3lame"), ("ts", "h264", "aac"),
         ("mpg", "mpeg2video", "mp2")]  # fmt: skip


@pytest.mark.parametrize(("container", "codec", "audio"), HOLES)
@pytest.mark.parametrize("how", ["zeros", "cut"])
def test_a_hole_in_the_middle_is_told_and_a_large_one_is_damage(
    tmp_path: Path, container: str, codec: str, audio: str, how: str
) -> None:
    path = tmp_path / f"clip.{container}"
    fps = 25.0 if container == "mpg" else 8.0
    clip = make_clip(path, scenes=[Scene("shapes", 1)], seconds=80.0, fps=fps, codec=codec, audio=audio)
    data = clip.read_bytes()
    assert holes_of(clip) == []
    for share in (0.03, 0.3):
        at, size = int(len(data) * 0.5), int(len(data) * share)
        clip.write_bytes(data[:at] + (bytes(size) if how == "zeros" else b"") + data[at + size :])
        if share > 0.1:
            assert refusal(clip) == "damaged"
        else:
            assert [at for at, _ in holes_of(clip)] == pytest.approx([40.0], abs=6.0)
            assert 1.0 < holes_of(clip)[0][1] < 8.0


def test_a_picture_that_stands_still_for_long_is_no_hole(tmp_path: Path) -> None:
    for audio in (None, "aac"):
        path = make_clip(tmp_path / "screen.mkv", scenes=[Scene("shapes", 1)], seconds=12.0, fps=10, audio=audio,
                         encoder_args=("-vf", "select='lt(t,2)+gt(t,9)'", "-fps_mode", "vfr"))  # fmt: skip
        assert holes_of(path) == []
        assert accepted_seconds(path) == pytest.approx(12.0, abs=0.2)


def test_a_file_full_of_noise_is_damaged(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "noise.avi", codec="mpeg4", scenes=LONG, seconds=3.0)
    assert refusal(bad_clips.overwrite(path, 0.1, 0.9)) in ("damaged", "truncated", "header_mismatch")


@pytest.mark.parametrize(("name", "codec"), [("rare.mov", "magicyuv"), ("rare.avi", "magicyuv")])
def test_a_rare_codec_is_refused(tmp_path: Path, name: str, codec: str) -> None:
    assert refusal(make_clip(tmp_path / name, codec=codec, seconds=0.5)) == "unsupported_codec"


@pytest.mark.parametrize("name", ["clip.nut", "clip.y4m", "clip.ivf"])
def test_a_rare_container_is_refused(tmp_path: Path, name: str) -> None:
    codecs = {"clip.ivf": ["-c:v", "libvpx"]}
    ffmpeg("-i", make_clip(tmp_path / "plain.mp4", seconds=0.5), *codecs.get(name, []), tmp_path / name)
    assert refusal(tmp_path / name) == "unsupported_container"


def limited(**changes: float) -> Limits:
    return dataclasses.replace(Limits(), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("code", "limits"),
    [
        ("too_large_file", limited(input_bytes=1000)),
        ("too_long", limited(duration_seconds=1.0)),
        ("too_many_frames", limited(frames=20)),
        ("timed_out", limited(wall_seconds=0.05)),
        ("timed_out", limited(stall_seconds=0.0)),
    ],
)
def test_every_limit_has_its_own_reason(tmp_path: Path, code: str, limits: Limits) -> None:
    path = make_clip(tmp_path / "clip.mp4", scenes=LONG, seconds=6.0, size=(640, 480))
    assert refusal(path, limits) == code


def test_a_video_that_needs_more_memory_than_allowed_is_refused(tmp_path: Path) -> None:
    assert refusal(make_clip(tmp_path / "clip.mp4"), limited(memory_bytes=120 * 1024 * 1024)) == "out_of_memory"


@pytest.mark.parametrize("container", ["mkv", "mp4"])
@pytest.mark.parametrize("picture_first", [True, False])
def test_many_tracks_are_read_and_too_many_are_named(tmp_path: Path, container: str, picture_first: bool) -> None:
    clip = make_clip(tmp_path / "clip.mkv", audio="aac", seconds=0.5)
    path, sound = tmp_path / f"many.{container}", ["-map", "0:a"] * 70
    maps = ["-map", "0:v", *sound] if picture_first else [*sound, "-map", "0:v"]
    ffmpeg("-i", clip, *maps, "-c", "copy", path)
    assert accepted_seconds(path) == pytest.approx(0.5, abs=0.05)
    assert refusal(path, limited(streams=64)) == "too_many_streams"


@pytest.mark.parametrize(("name", "codec"), [("a.ts", "h264"), ("b.ts", "mpeg2video"), ("c.mpg", "mpeg2video")])
def test_a_stream_torn_at_its_start_is_not_said_to_lack_its_end(tmp_path: Path, name: str, codec: str) -> None:
    """The first picture that can be decoded comes seconds after the first that is there."""
    path = make_clip(tmp_path / name, scenes=[Scene("testsrc")], seconds=12.0, codec=codec,
                     encoder_args=("-g", "150", "-sc_threshold", "1000000000" if codec != "h264" else "0"))  # fmt: skip
    path.write_bytes(path.read_bytes()[188 * 200 :])
    assert refusal(path) == "damaged"


def test_a_transport_stream_is_read_on_after_a_hole(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "hole.ts", scenes=[Scene("life", 1)], seconds=12.0, size=(640, 480))
    data = bytearray(path.read_bytes())
    hole = len(data) // 20
    assert hole > 2 * 65536  # so much that FFmpeg gives up looking for the next packet
    data[len(data) // 2 : len(data) // 2 + hole] = bytes(hole)
    path.write_bytes(data)
    assert accepted_seconds(path) == pytest.approx(12.0, abs=0.1)


def test_an_absurd_frame_rate_is_refused(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "fast.mp4", scenes=[Scene("solid")], fps=2000, seconds=1.0, size=(32, 32))
    assert refusal(path) == "too_many_frames"


def test_cancelling_ends_the_decoding(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", scenes=LONG, seconds=6.0)
    seen: list[float] = []
    stream = open_frames(path, cancelled=lambda: len(seen) >= 2)
    with stream, pytest.raises(MediaError, match="cancelled"):  # noqa: PT012
        for frame in stream:
            seen.append(frame.time)  # noqa: PERF401  (the cancel callback watches the list grow)
    assert len(seen) == 2
    with pytest.raises(MediaError, match="cancelled"):
        probe(path, cancelled=lambda: True)
