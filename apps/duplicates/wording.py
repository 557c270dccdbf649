"""Relations and verdicts as sentences for people. Pure."""

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
    "shared_asset": "{a} and {b} share only an intro, an advert or the like",
}
# From the point of view of somebody who asked with a video, or with a span of one.
QUERY_WORDS = {
    "exact": "This exact file is in the library.",
    "near_duplicate": "The same video, re-encoded or edited.",
    "contains": "{subject} contains all of this one.",
    "contained_in": "{subject} is a part of this one.",
    "shares_segments": "Parts of {object} occur in this one.",
    "shared_asset": "Only an intro, an advert or the like is the same.",
}
# The same over a whole answer, where no one video is meant yet.
OVERALL_WORDS = {
    "exact": "This exact file is in the library.",
    "near_duplicate": "The library has the same video, re-encoded or edited.",
    "contains": "{subject} contains all of a video of the library.",
    "contained_in": "{subject} is a part of a video of the library.",
    "shares_segments": "Parts of {object} occur in a video of the library.",
    "shared_asset": "Only an intro, an advert or the like occurs in the library too.",
}
NO_MATCH = "Nothing in the library shares footage with {object}."
# What is asked with: as the subject of a sentence, and within one.
YOURS = ("Your video", "your video")
OURS = ("This video", "this video")
SPAN = ("This span", "this span")
LOOKS = {
    "turned": "turned",
    "part": "as a part of the picture",
    "region": "inside another picture",
}


def pair_words(relation: str, a: str, b: str, *, mirrored: bool = False, videos: int = 0) -> str:
    """One sentence without a full stop. ``videos``: in how many a shared asset occurs, 0 if that is not known."""
    told = PAIR_WORDS[relation].format(a=a, b=b)
    if relation == "shared_asset" and videos:
        told += f" that {videos} videos have"
    return told + (" (one of them is mirrored)" if mirrored else "")


def query_words(relation: str, *, mirrored: bool = False, asked: tuple[str, str] = YOURS, videos: int = 0) -> str:
    told = QUERY_WORDS[relation].format(subject=asked[0], object=asked[1])
    if relation == "shared_asset" and videos:
        told = f"Only an intro, an advert or the like is the same; {videos} videos of the library have it."
    return told + (" It is mirrored." if mirrored else "")


def overall_words(relations: Sequence[str], *, asked: tuple[str, str] = YOURS) -> str:
    """The verdict over all matches of a lookup, best match first."""
    if not relations:
        return NO_MATCH.format(object=asked[1])
    more = len(relations) - 1
    others = f" {more} more {'video' if more == 1 else 'videos'} matched." if more else ""
    return OVERALL_WORDS[relations[0]].format(subject=asked[0], object=asked[1]) + others


def look_words(look: str, *, mirrored: bool = False) -> str:
    """How the picture of a segment was changed: "mirrored", "turned", ...; "" for nothing of the kind."""
    words = [LOOKS[look]] if look in LOOKS else []
    return ", ".join([*(["mirrored"] if mirrored else []), *words])


def span_words(start: float, end: float) -> str:
    """[75.4, 80.0) -> "1:15-1:20", always at least one second wide to read."""
    return f"{timecode(start)}-{timecode(max(end, int(start) + 1))}"
