"""What was left out is said with numbers that people understand."""

from __future__ import annotations

from dataclasses import replace

from worker.indexing.notes import notes_on
from worker.types import ProbeFacts

FACTS = ProbeFacts("matroska", "h264", 160, 120, 0, 60.0, 25.0, 1000, 1000, "aac", "yuv420p", (2, 3, 4))


def test_nothing_is_said_of_a_file_that_was_read_whole() -> None:
    assert notes_on(FACTS, [], subtitle_tracks=3) == []


def test_holes_and_tracks_that_were_left_out_are_said() -> None:
    facts = replace(FACTS, other_pictures=2, picture_subtitles=1)
    assert notes_on(facts, [(3725.0, 118.0), (9.0, 4.4)], subtitle_tracks=1) == [
        "About 2 minutes of this video are missing at 1:02:05.",
        "About 4 seconds of this video are missing at 0:09.",
        "The file has 2 other picture tracks, not shown or indexed here.",
        "2 subtitle tracks of 3 were not read: 1 is the limit (VSEARCH_MAX_SUBTITLE_TRACKS).",
        "1 subtitle track cannot be searched: pictures, not text.",
    ]


def test_many_holes_are_summed_up() -> None:
    notes = notes_on(FACTS, [(float(10 * n), 2.0) for n in range(8)], subtitle_tracks=16)
    assert len(notes) == 6
    assert notes[-1] == "About 6 seconds more are missing at 3 other places."
