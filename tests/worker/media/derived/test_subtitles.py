"""Embedded text subtitles come out as plain cues with true times, whatever the container."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clips import ffmpeg, make_clip
from worker.media.decode.probe import probe
from worker.media.derived.subtitles import extract_subtitles

SRT = """1
00:00:00,200 --> 00:00:01,000
<i>Hello</i> there,
second line

2
00:00:01,200 --> 00:00:01,900
日本語 &amp; émoji
"""


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp4", "mov_text"), ("b.mov", "mov_text"), ("c.mkv", "srt"), ("d.mkv", "ass"), ("e.mkv", "webvtt"),
     ("f.webm", "webvtt")],
)  # fmt: skip
def test_cues_of_every_kind_are_read_as_plain_text(tmp_path: Path, name: str, codec: str) -> None:
    path = make_clip(tmp_path / name, subtitles=SRT, subtitle_codec=codec)
    cues = extract_subtitles(path, probe(path))
    assert [cue.text for cue in cues] == ["Hello there,\nsecond line", "日本語 & émoji"]
    assert [cue.start for cue in cues] == pytest.approx([0.2, 1.2], abs=0.02)
    assert [cue.end for cue in cues] == pytest.approx([1.0, 1.9], abs=0.02)
    assert {cue.language for cue in cues} == {"eng"}


def test_a_video_without_subtitles_has_no_cues(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "plain.mp4", seconds=0.5)
    assert extract_subtitles(path, probe(path)) == []


ASS = """[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname
Style: Default,Arial

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: 0,0:00:00.10,0:00:00.20,Default,,0,0,0,,{\\p1}m 0 0 l 100 0 100 100 0 100{\\p0}
Dialogue: 0,0:00:00.20,0:00:00.60,Default,,0,0,0,,the {\\k20}light{\\k20}house
Dialogue: 1,0:00:00.20,0:00:00.60,Default,,0,0,0,,{\\blur3}the lighthouse
Comment: 0,0:00:00.20,0:00:00.60,Default,,0,0,0,,for the typesetter
Dialogue: 0,0:00:00.70,0:00:00.90,Default,,0,0,0,,{a note of the translator}plain walrus
"""


def test_an_ass_track_gives_spoken_words_only(tmp_path: Path) -> None:
    (tmp_path / "said.ass").write_text(ASS, encoding="utf-8")
    clip = make_clip(tmp_path / "clip.mkv", seconds=1)
    path = tmp_path / "with.mkv"
    ffmpeg("-i", clip, "-i", tmp_path / "said.ass", "-map", "0", "-map", "1", "-c", "copy", path)
    cues = extract_subtitles(path, probe(path))
    assert [cue.text for cue in cues] == ["the lighthouse", "plain walrus"]
    assert [cue.track for cue in cues] == [1, 1]


def test_tracks_keep_their_numbers_and_languages_and_other_encodings_are_read(tmp_path: Path) -> None:
    """FFmpeg drops cues that are no UTF-8 when it converts them."""
    (tmp_path / "a.srt").write_bytes("1\n00:00:00,100 --> 00:00:00,500\nschöne Straße\n".encode("latin-1"))
    (tmp_path / "b.srt").write_text("1\n00:00:00,100 --> 00:00:00,500\nthe street\n", encoding="utf-8")
    clip = make_clip(tmp_path / "clip.mkv", seconds=1)
    path = tmp_path / "two.mkv"
    ffmpeg("-i", clip, "-sub_charenc_mode", "ignore", "-i", tmp_path / "a.srt", "-i", tmp_path / "b.srt",
           "-map", "0", "-map", "1", "-map", "2", "-c", "copy", "-metadata:s:s:0", "language=ger",
           "-metadata:s:s:1", "language=eng", path)  # fmt: skip
    cues = extract_subtitles(path, probe(path))
    assert [(cue.track, cue.language, cue.text) for cue in cues] == [
        (1, "ger", "schöne Straße"), (2, "eng", "the street"),
    ]  # fmt: skip
