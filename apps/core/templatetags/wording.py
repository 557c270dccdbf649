"""Times, sizes and steps of work as people read them."""

from __future__ import annotations

from typing import Any

from django import template

from apps.core.timespan import timecode as as_timecode

register = template.Library()

STAGES = {
    "probing": "reading the file",
    "indexing": "analysing the pictures",
    "reading subtitles": "reading subtitles",
    "writing": "storing the results",
    "fingerprinting": "fingerprinting the pictures",
    "matching": "comparing with the library",
    "grouping": "grouping duplicates",
    "converting": "converting for browsers",
    "downloading": "downloading the model",
    "exporting": "preparing the model",
    "gathering": "gathering captions",
    "checking": "checking the data",
    "embedding": "embedding pictures and captions",
    "training": "training",
    "registering": "registering the candidate",
    "waiting": "waiting for new videos and lookups",
    "drawing": "drawing",
    "reading": "reading descriptors and matches",
    "clustering": "clustering",
    "verifying": "verifying the index",
    "evaluating": "evaluating both versions",
}
KINDS = {
    "ingest": "Index a video",
    "proxy": "Make a playable copy",
    "match": "Find duplicates",
    "lookup": "Find by video",
    "model_install": "Install a model",
    "scan": "Scan the library for duplicates",
    "picture": "Draw a similarity picture",
    "clusters": "Explore clusters",
    "dataset": "Freeze a dataset",
    "train": "Train a model",
    "candidate": "Index and evaluate a candidate",
}
UNITS = ("B", "kB", "MB", "GB", "TB")


@register.filter
def timecode(seconds: float | None) -> str:
    """75.4 -> "1:15"; nothing for None."""
    return "" if seconds is None else as_timecode(seconds)


@register.filter
def time_left(seconds: float | None) -> str:
    """130 -> "about 2 min left"; nothing for None, because then nobody knows."""
    if seconds is None:
        return ""
    if seconds < 5:
        return "a few seconds left"
    if seconds < 55:
        return f"about {-(-int(seconds) // 5) * 5} s left"
    if seconds < 55 * 60:
        return f"about {max(round(seconds / 60), 1)} min left"
    return f"about {seconds / 3600:.1f} h left"


@register.filter
def stage_words(stage: str) -> str:
    return STAGES.get(stage, stage)


@register.filter
def kind_words(kind: str) -> str:
    return KINDS.get(kind, kind)


@register.filter
def megabytes(count: int | None) -> str:
    """1536000 -> "1.5 MB", as file managers say it."""
    value, power = float(count or 0), 0
    while value >= 1000 and power < len(UNITS) - 1:
        value, power = value / 1000, power + 1
    return f"{value:.0f} {UNITS[power]}" if power == 0 or value >= 100 else f"{value:.1f} {UNITS[power]}"


@register.simple_tag(takes_context=True)
def other_page(context: dict[str, Any], number: int) -> str:
    """The query string of this page with another page number."""
    query = context["request"].GET.copy()
    query["page"] = number
    return f"?{query.urlencode()}"
