"""Embedded text subtitles come out as plain cues with true times, whatever the container."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clips import make_clip
from worker.media.decode.probe import probe
from worker.media.derived.subtitles import MAX_TEXT, extract_subtitles, parse_srt, plain_text

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
    assert [cue.text.replace("&amp;", "&") for cue in cues] == ["Hello there, second line", "日本語 & émoji"]
    assert [cue.start for cue in cues] == pytest.approx([0.2, 1.2], abs=0.02)
    assert [cue.end for cue in cues] == pytest.approx([1.0, 1.9], abs=0.02)
    assert {cue.language for cue in cues} == {"eng"}


def test_a_video_without_subtitles_has_no_cues(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "plain.mp4", seconds=0.5)
    assert extract_subtitles(path, probe(path)) == []


def test_markup_and_control_characters_are_removed_and_length_is_bounded() -> None:
    assert plain_text(r"{\an8}<font color=red>Stop</font>\Nnow" + "\x00\x1b[31m") == "Stop now [31m"
    assert len(plain_text("word " * 10_000)) <= MAX_TEXT


def test_damaged_blocks_are_skipped() -> None:
    text = "junk\n\n1\n00:00:02,000 --> 00:00:01,000\nbackwards\n\n2\n00:00:01,000 --> 00:00:02,000\nfine\n\n3\n"
    assert [cue.text for cue in parse_srt(text)] == ["fine"]
