"""Rows of text with their index: each subtitle cue also knows how the track continues. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Protocol

from apps.videos.words.lexemes import head, name_vector, vector

GAP_SECONDS = 5.0  # a longer silence ends what is said
CUES_AHEAD = 10
SUBTITLE = "subtitle"
NAME = "name"
ANY_LANGUAGE_CHARACTERS = 400  # a short text of unknown language is indexed with the endings of every language


class Row(Protocol):
    """What is read of a text segment; seconds."""

    source: str
    start: float
    end: float
    text: str
    language: str
    track: int


def row_vectors(rows: Sequence[Row]) -> list[str]:
    """The tsvector of each row. The rows are all of one video, or at least all of a track."""
    following = _following(rows)
    return [
        name_vector(row.text)
        if row.source == NAME
        else vector(
            row.text,
            row.language,
            any_language=row.source != SUBTITLE and len(row.text) <= ANY_LANGUAGE_CHARACTERS,
            following=head(following.get(number, ())),
        )
        for number, row in enumerate(rows)
    ]


def _following(rows: Sequence[Row]) -> dict[int, Iterator[str]]:
    """Number of a cue -> the texts of the cues that follow it in its track, soon enough to be one sentence."""
    tracks: dict[tuple[int, str], list[int]] = {}
    for number, row in enumerate(rows):
        if row.source == SUBTITLE:
            tracks.setdefault((row.track, row.language), []).append(number)
    found: dict[int, Iterator[str]] = {}
    for numbers in tracks.values():
        cues = sorted((rows[number].start, rows[number].end, number) for number in numbers)
        for place, (_, _, number) in enumerate(cues):
            found[number] = (rows[after].text for after in islice(_chain(cues, place), CUES_AHEAD))
    return found


def _chain(cues: Sequence[tuple[float, float, int]], place: int) -> Iterator[int]:
    """Cues that are shown together with the one before (two people, a sign in the picture) do not follow it."""
    while True:
        start, end, _ = cues[place]
        place = bisect_left(cues, ((start + end) / 2, float("-inf"), -1), lo=place + 1)
        if place == len(cues) or cues[place][0] - end > GAP_SECONDS:
            return
        yield cues[place][2]
