"""Reads the text subtitles that a video file carries."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace

from worker.media.sandbox.ffmpeg_command import ffmpeg_command, untrusted_input
from worker.media.sandbox.limits import Limits, allowed
from worker.media.sandbox.runner import Completed, run_sandboxed
from worker.media.subtitles.cues import MAX_CUES, parse_subtitles
from worker.media.subtitles.encodings import decode_text
from worker.types import ProbeFacts, SubtitleCue

MAX_BYTES = 4 * 1024 * 1024  # of one track

# Codec -> what its cues are written as. Copied where that is possible: a conversion loses what tells words from
# drawings and notes, and drops cues that are no UTF-8.
_COPIED_AS = {"ass": "ass", "ssa": "ass", "subrip": "srt", "srt": "srt", "webvtt": "webvtt"}
_TRACK = re.compile(r"Stream #0:(\d+)(?:\[0x[0-9a-f]+\])?(?:\(([A-Za-z0-9-]{2,35})\))?: Subtitle: (\w+)")


def extract_subtitles(
    path: str | os.PathLike[str],
    facts: ProbeFacts,
    *,
    limits: Limits | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> list[SubtitleCue]:
    """The cues of all text tracks, by time, in the language that the file names. A track that cannot be read is left
    out: it never fails a video.

    Raises MediaError 'cancelled' or 'timed_out'.
    """
    limits = limits or allowed()
    if not facts.subtitle_streams:
        return []

    def run(index: int, **output: object) -> Completed:
        track = untrusted_input(path, limits, sub_charenc_mode="ignore")[str(index)]
        command = ffmpeg_command(track.output("pipe:1", **output), "-loglevel", "info", "-nostats", "-copyts")
        return run_sandboxed(command, limits=limits, reads=[path], stdout_bytes=MAX_BYTES, cancelled=cancelled)

    header = run(facts.picture_stream, f="null", c="copy", t=0).stderr_tail
    tracks = {int(index): (language, codec) for index, language, codec in _TRACK.findall(header)}
    cues: list[SubtitleCue] = []
    for number, index in enumerate(facts.subtitle_streams[: limits.subtitle_tracks], start=1):
        language, codec = tracks.get(index, ("", ""))
        language = "" if language == "und" else language
        written_as = _COPIED_AS.get(codec)
        result = run(index, f=written_as or "srt", **{"c:s": "copy" if written_as else "srt"})
        text = decode_text(result.stdout, language)
        found = parse_subtitles(text, clock_zero=facts.clock_zero)
        cues += (replace(cue, language=language, track=number) for cue in found)
    return sorted(cues, key=lambda cue: (cue.start, cue.end, cue.track))[:MAX_CUES]
