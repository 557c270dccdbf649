"""What of a file was left out, in sentences for the page of the video. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from worker.types import ProbeFacts

HOLES_NAMED = 5


def notes_on(facts: ProbeFacts, holes: Sequence[tuple[float, float]], *, subtitle_tracks: int) -> list[str]:
    """holes: (at which second, how many seconds). subtitle_tracks: how many of a file are read at most."""
    notes = [f"{_long(seconds)} of this video are missing at {_clock(at)}." for at, seconds in holes[:HOLES_NAMED]]
    if len(holes) > HOLES_NAMED:
        rest = sum(seconds for _, seconds in holes[HOLES_NAMED:])
        notes.append(f"{_long(rest)} more are missing at {_counted(len(holes) - HOLES_NAMED, 'other place')}.")
    if facts.other_pictures:
        notes.append(
            f"The file has {_counted(facts.other_pictures, 'other picture track')}, not shown or indexed here."
        )
    beyond = len(facts.subtitle_streams) - subtitle_tracks
    if beyond > 0:
        notes.append(f"{_counted(beyond, 'subtitle track')} of {len(facts.subtitle_streams)} were not read: "
                     f"{subtitle_tracks} is the limit (VSEARCH_MAX_SUBTITLE_TRACKS).")  # fmt: skip
    if facts.picture_subtitles:
        notes.append(f"{_counted(facts.picture_subtitles, 'subtitle track')} cannot be searched: pictures, not text.")
    return notes


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" + ("" if number == 1 else "s")


def _long(seconds: float) -> str:
    """As people say it: "About 12 seconds", "About 2 minutes"."""
    return f"About {_counted(round(seconds / 60), 'minute') if seconds >= 90 else _counted(round(seconds), 'second')}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"
