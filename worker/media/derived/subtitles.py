"""Reads the text subtitles that a video file carries."""

from __future__ import annotations

import html
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from worker.media.sandbox.ffmpeg_command import ffmpeg_command, untrusted_input
from worker.media.sandbox.limits import Limits
from worker.media.sandbox.runner import run_sandboxed
from worker.types import ProbeFacts, SubtitleCue

MAX_TRACKS = 16
MAX_BYTES = 4 * 1024 * 1024  # of one track
MAX_CUES = 20_000  # of one file
MAX_TEXT = 1_000  # characters of one cue

_TIMES = re.compile(r"(\d+):(\d\d):(\d\d)[,.](\d{3}) --> (\d+):(\d\d):(\d\d)[,.](\d{3})")
_MARKUP = re.compile(r"<[^>]*>|\{\\[^}]*\}")
_HARD_BREAK = re.compile(r"\\[Nnh]")
_LANGUAGE = re.compile(r"Stream #0:(\d+)(?:\[0x[0-9a-f]+\])?\(([a-z]{2,3})\): Subtitle")


def plain_text(markup: str) -> str:
    """One line without tags, style overrides and control characters."""
    text = html.unescape(_MARKUP.sub("", _HARD_BREAK.sub(" ", markup)))
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:MAX_TEXT]


def parse_srt(text: str, language: str = "", *, clock_zero: float = 0.0) -> Iterator[SubtitleCue]:
    """Cues with text, in file order, ``clock_zero`` seconds earlier than written. Damaged blocks are skipped."""
    for block in re.split(r"\n\s*\n", text.replace("\r\n", "\n")):
        match = _TIMES.search(block)
        if match is None:
            continue
        h1, m1, s1, f1, h2, m2, s2, f2 = map(int, match.groups())
        start = max(0.0, h1 * 3600 + m1 * 60 + s1 + f1 / 1000 - clock_zero)
        end = h2 * 3600 + m2 * 60 + s2 + f2 / 1000 - clock_zero
        words = plain_text(block[match.end() :])
        if words and end > start:
            yield SubtitleCue(start, end, words, language)


def extract_subtitles(
    path: str | os.PathLike[str],
    facts: ProbeFacts,
    *,
    limits: Limits | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> list[SubtitleCue]:
    """The cues of all text tracks, by time. A track that cannot be read is left out: it never fails a video.

    Raises MediaError 'cancelled' or 'timed_out'.
    """
    limits = limits or Limits()
    cues: list[SubtitleCue] = []
    for number, index in enumerate(facts.subtitle_streams[:MAX_TRACKS], start=1):
        track = untrusted_input(path, limits)[str(index)]
        command = ffmpeg_command(track.output("pipe:1", f="srt", **{"c:s": "srt"}), "-loglevel", "info", "-nostats",
                                 "-copyts")  # fmt: skip
        result = run_sandboxed(command, limits=limits, reads=[path], stdout_bytes=MAX_BYTES, cancelled=cancelled)
        languages = dict(_LANGUAGE.findall(result.stderr_tail))
        language = languages.get(str(index), "")
        text = result.stdout.decode("utf-8", "replace")
        found = parse_srt(text, "" if language == "und" else language, clock_zero=facts.clock_zero)
        cues += (replace(cue, track=number) for cue in found)
    return sorted(cues, key=lambda cue: (cue.start, cue.end, cue.text))[:MAX_CUES]
