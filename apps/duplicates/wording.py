"""Relations and verdicts in words that need no explanation. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from apps.core.timespan import timecode

# From the point of view of the first video of a pair, naming both.
PAIR_WORDS = {
    "exact": "{a} and {b} are the same file",
    "near_duplicate": "{a} and {b} are the same video, re-encoded or edited",
    "contains": "{a} contains all of {b}",
    "contained_in": "{a} is a part of {b}",
    "shares_segments": "{a} and {b} share some footage",
}
# From the point of view of somebody who asked with a video.
QUERY_WORDS = {
    "exact": "This very file is in the library.",
    "near_duplicate": "The same video, re-encoded or edited.",
    "contains": "Your video contains all of this one.",
    "contained_in": "Your video is a part of this one.",
    "shares_segments": "Parts of your video occur in this one.",
}
NO_MATCH = "Nothing in the library shares footage with this video."


def pair_words(relation: str, a: str, b: str, *, mirrored: bool = False) -> str:
    """One sentence without a full stop."""
    return PAIR_WORDS[relation].format(a=a, b=b) + (" (one of them is mirrored)" if mirrored else "")


def query_words(relation: str, *, mirrored: bool = False) -> str:
    return QUERY_WORDS[relation] + (" It is mirrored." if mirrored else "")


def overall_words(relations: Sequence[str]) -> str:
    """The verdict over all matches of a lookup, best match first."""
    if not relations:
        return NO_MATCH
    more = len(relations) - 1
    others = f" {more} more {'video' if more == 1 else 'videos'} matched." if more else ""
    return QUERY_WORDS[relations[0]] + others


def span_words(start: float, end: float) -> str:
    """[75.4, 80.0) -> "1:15-1:20", always at least one second wide to read."""
    return f"{timecode(start)}-{timecode(max(end, int(start) + 1))}"
