"""Proxies: made only where needed, playable by browsers, whole or not at all."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import av
import pytest
from PIL import Image

from tests.clips import Scene, make_clip
from worker.media.decode.probe import probe
from worker.media.decode.stream import open_frames
from worker.media.derived import proxy
from worker.media.derived.proxy import make_proxy
from worker.media.errors import MediaError
from worker.media.playback import needs_proxy
from worker.media.sandbox.ffmpeg_command import ffmpeg_binary
from worker.media.sandbox.limits import Limits
from worker.media.sandbox.runner import run_sandboxed


@pytest.mark.parametrize(
    ("name", "codec", "audio", "needed"),
    [
        ("a.mp4", "h264", None, False), ("b.mp4", "h264", "aac", False), ("c.mov", "h264", "libmp3lame", False),
        ("d.mp4", "h264", "ac3", True), ("e.mp4", "hevc", None, True), ("f.mkv", "h264", "aac", True),
        ("g.webm", "vp8", None, False), ("h.webm", "vp9", "libopus", False), ("i.mkv", "vp9", "libopus", True),
        ("j.ts", "h264", None, True), ("k.gif", "gif", None, True), ("l.avi", "mpeg4", None, True),
    ],
)  # fmt: skip
def test_only_what_browsers_cannot_play_needs_a_proxy(
    tmp_path: Path, name: str, codec: str, audio: str | None, needed: bool
) -> None:
    assert needs_proxy(probe(make_clip(tmp_path / name, codec=codec, audio=audio, seconds=0.5))) is needed


def test_ten_bit_and_444_video_needs_a_proxy(tmp_path: Path) -> None:
    for pixel_format in ("yuv420p10le", "yuv444p"):
        assert needs_proxy(probe(make_clip(tmp_path / "deep.mp4", pixel_format=pixel_format, seconds=0.5)))


@pytest.mark.parametrize(
    ("name", "codec", "audio"),
    [("a.mkv", "h264", "aac"), ("b.ts", "h264", "aac"), ("c.flv", "h264", None), ("d.mkv", "h264", "libopus"),
     ("e.mp4", "hevc", "aac"), ("f.avi", "mpeg4", "libmp3lame"), ("g.gif", "gif", None), ("h.mpg", "mpeg2video", "mp2"),
     ("i.avi", "h264", None)],
)  # fmt: skip
def test_a_proxy_plays_in_browsers_and_has_the_same_times(
    tmp_path: Path, name: str, codec: str, audio: str | None
) -> None:
    source = make_clip(tmp_path / name, codec=codec, audio=audio, seconds=5.0)
    target = tmp_path / "out" / "proxy.mp4"
    shares: list[float] = []
    make_proxy(source, target, facts=probe(source), progress=shares.append)
    facts = probe(target)
    assert not needs_proxy(facts)
    assert bool(facts.audio_codec) == bool(audio)
    assert (facts.width, facts.height) == (160, 120)
    with open_frames(source) as old, open_frames(target) as new:
        assert [f.time for f in new] == pytest.approx([f.time for f in old], abs=0.05)
        assert new.duration_seconds == pytest.approx(old.duration_seconds, abs=0.1)
    assert shares == sorted(shares)
    assert all(0 <= share <= 1 for share in shares)
    assert target.read_bytes().index(b"moov") < target.read_bytes().index(b"mdat")
    assert [path.name for path in target.parent.iterdir()] == ["proxy.mp4"]


def test_a_large_rotated_video_becomes_an_upright_720_with_frequent_key_frames(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "big.mp4", codec="mpeg4", size=(1280, 960), rotation=90, seconds=4.5, fps=5)
    target = tmp_path / "proxy.mp4"
    make_proxy(source, target, facts=probe(source))
    facts = probe(target)
    assert (facts.width, facts.height, facts.rotation, facts.pixel_format) == (720, 960, 0, "yuv420p")
    with av.open(str(target)) as container:
        keys = [float(p.pts * p.time_base) for p in container.demux(video=0) if p.pts is not None and p.is_keyframe]
    assert keys == pytest.approx([0.0, 2.0, 4.0], abs=0.21)


def test_odd_sizes_become_even(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "odd.mkv", codec="hevc", size=(161, 121), pixel_format="yuv444p", seconds=0.5)
    make_proxy(source, tmp_path / "proxy.mp4", facts=probe(source))
    assert not needs_proxy(probe(tmp_path / "proxy.mp4"))


def test_cancelling_leaves_nothing(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "clip.mkv", codec="mpeg4", scenes=[Scene("life")], seconds=2.0)
    with pytest.raises(MediaError, match="cancelled"):
        make_proxy(source, tmp_path / "out" / "proxy.mp4", facts=probe(source), cancelled=lambda: True)
    assert list((tmp_path / "out").iterdir()) == []


def test_no_space_is_told_before_and_a_limit_while_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make_clip(tmp_path / "clip.avi", codec="mpeg4", scenes=[Scene("life")], seconds=2.0)
    facts = probe(source)
    tight = dataclasses.replace(Limits(), output_bytes=4096)  # the kernel refuses the bytes after these
    with pytest.raises(MediaError, match="too_large_output"):
        make_proxy(source, tmp_path / "out" / "proxy.mp4", facts=facts, limits=tight)
    monkeypatch.setattr(proxy, "_expected_bytes", lambda _: 10**18)
    with pytest.raises(MediaError, match="no_space"):
        make_proxy(source, tmp_path / "out" / "proxy.mp4", facts=facts)
    assert list((tmp_path / "out").iterdir()) == []


def test_what_ffmpeg_says_on_a_full_device_is_understood(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "clip.mp4", seconds=1.0)
    command = [ffmpeg_binary(), "-nostdin", "-loglevel", "error", "-i", str(source), "-c", "copy", "-f", "mpegts",
               "-y", "file:/dev/full"]  # fmt: skip
    with pytest.raises(MediaError, match="no_space"):
        proxy.raise_for_disk(run_sandboxed(command, limits=Limits(), reads=[source], writes=["/dev/full"]))


@pytest.mark.parametrize("container", ["webp", "apng", "avif"])
def test_moving_pictures_become_videos_with_their_own_times(tmp_path: Path, container: str) -> None:
    codec = "av1" if container == "avif" else container
    path = make_clip(tmp_path / f"a.{container}", codec=codec, fps=5, seconds=3.0,
                     scenes=[Scene("shapes", 1), Scene("shapes", 4)])  # fmt: skip
    facts = probe(path)
    assert needs_proxy(facts)
    make_proxy(path, tmp_path / "proxy.mp4", facts=facts)
    assert [entry.name for entry in tmp_path.glob(".*")] == []
    for played in (path, tmp_path / "proxy.mp4"):
        with open_frames(played) as stream:
            assert list(stream)
            assert stream.duration_seconds == pytest.approx(3.0, abs=0.25)
            assert [shot.start for shot in stream.shots] == pytest.approx([0.0, 1.6], abs=0.1)


def test_a_webp_of_uneven_times_and_clear_parts_is_shown_as_browsers_do(tmp_path: Path) -> None:
    pages = [Image.new("RGBA", (64, 48), (200, 0, 0, 255)), Image.new("RGBA", (64, 48), (0, 0, 0, 0)),
             Image.new("RGBA", (64, 48), (0, 0, 200, 255))]  # fmt: skip
    path = tmp_path / "a.webp"
    pages[0].save(path, save_all=True, append_images=pages[1:], duration=[1000, 5, 400], lossless=True)
    with open_frames(path) as stream:
        frames = list(stream)
    assert [frame.time for frame in frames if frame.starts_shot or frame.time in (0.0, 1.0)] == [0.0, 1.0]
    assert stream.duration_seconds == pytest.approx(1.5, abs=0.05)  # 5 milliseconds are shown for 100
    assert frames[1].image.min() > 250  # what is clear is white


def test_damaged_and_large_moving_pictures_are_refused(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.webp", codec="webp", seconds=1.0)
    with (
        pytest.raises(MediaError, match="too_large_picture"),
        open_frames(path, limits=dataclasses.replace(Limits(), pixels=100)),
    ):
        pass
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(MediaError, match=r"damaged|truncated"), open_frames(path) as stream:
        list(stream)
