"""A finished lookup as a page shows it: every match with its picture, links into the player, and both timelines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.urls import reverse

from apps.core.timespan import timecode
from apps.duplicates.models import Lookup
from apps.duplicates.pictures.spans import Span, alignment_json, play_url
from apps.duplicates.pictures.timeline import Timeline, timeline
from apps.duplicates.wording import OURS, SPAN, YOURS, span_words
from apps.videos.storage import extension_of


@dataclass(frozen=True, slots=True)
class ShownSegment:
    query_words: str  # "0:04-0:12"
    reference_words: str
    play_url: str  # the player of the library video at that second
    score: float
    reversed: bool
    look: str = ""  # "mirrored", "turned", ...


@dataclass(frozen=True, slots=True)
class ShownMatch:
    title: str
    path: str
    page_url: str
    play_url: str  # at the beginning of the first matched span
    poster_url: str
    relation: str  # one word, for styling
    verdict: str  # a sentence
    score: float
    query_percent: int  # how much of the query is matched
    reference_percent: int
    segments: tuple[ShownSegment, ...]
    timeline: Timeline
    video_id: str
    where: str  # a sentence that names the first matched spans
    share: float  # of the best score of this answer, 0..1: a score compares only within one answer
    strength: str  # the same in words
    query_length: str
    reference_length: str
    picture_url: str  # the page with the similarity picture, or ""
    asset_videos: int  # of a shared asset: in how many videos it occurs, else 0
    alignment: str  # for the two players, see alignment_json


SHARES = ((0.995, "the strongest match"), (0.85, "nearly as strong"), (0.6, "weaker"), (0.0, "much weaker"))


def shown_matches(answer: Mapping[str, Any]) -> list[ShownMatch]:
    """From ``lookup_answer``; no query."""
    best = max((match["score"] for match in answer["matches"]), default=0.0)
    asked = SPAN if answer.get("span") else OURS if answer.get("video_id") else YOURS
    return [_match(match, answer.get("duration") or 0.0, best, asked) for match in answer["matches"]]


def where_words(relation: str, title: str, spans: Sequence[Span], asked: tuple[str, str] = YOURS) -> str:
    """ "A part of your video (0:04-0:12) appears in ... at 1:30-1:38." """
    if relation == "exact" or not spans:
        return f"{asked[0]} is \u201c{title}\u201d itself, byte for byte." if relation == "exact" else ""
    longest = max(spans, key=lambda s: s.a_end - s.a_start)
    mine = span_words(longest.a_start, longest.a_end)
    theirs = span_words(longest.b_start, longest.b_end)
    whole = relation in {"contained_in", "near_duplicate"}
    subject = f"{asked[0]} ({mine})" if whole else f"A part of {asked[1]} ({mine})"
    backwards = ", backwards" if longest.reversed else ""
    more = len(spans) - 1
    others = f", and {more} more {'span' if more == 1 else 'spans'}" if more else ""
    return f"{subject} appears in \u201c{title}\u201d at {theirs}{backwards}{others}."


def _match(match: Mapping[str, Any], query_duration: float, best: float, asked: tuple[str, str]) -> ShownMatch:
    video = match["video"]
    page = reverse("videos:detail", args=[video["id"]])
    spans = [segment_span(s) for s in match["segments"]]
    return ShownMatch(
        title=video["title"],
        path=video["path"],
        page_url=page,
        play_url=play_url(page, spans[0].b_start if spans else 0.0),
        poster_url=reverse("videos:poster", args=[video["id"]]),
        relation=match["relation"],
        verdict=match["verdict"],
        score=match["score"],
        query_percent=round(100 * match["query_coverage"]),
        reference_percent=round(100 * match["reference_coverage"]),
        segments=tuple(
            ShownSegment(
                query_words=span_words(*s["query"]),
                reference_words=span_words(*s["reference"]),
                play_url=play_url(page, s["reference"][0]),
                score=s["score"],
                reversed=s["reversed"],
                look=s.get("look", ""),
            )
            for s in match["segments"]
        ),
        timeline=timeline(spans, query_duration, video.get("duration") or 0.0),
        video_id=str(video["id"]),
        where=where_words(match["relation"], video["title"], spans, asked),
        share=(share := match["score"] / best if best > 0 else 0.0),
        strength=next(words for limit, words in SHARES if share >= limit),
        query_length=timecode(query_duration),
        reference_length=timecode(video.get("duration") or 0.0),
        picture_url=(match.get("picture_url") or "").removesuffix(".png"),
        asset_videos=match.get("asset_videos") or 0,
        alignment=alignment_json(spans),
    )


def segment_span(segment: Mapping[str, Any]) -> Span:
    (a_start, a_end), (b_start, b_end) = segment["query"], segment["reference"]
    return Span(a_start, a_end, b_start, b_end, segment["reversed"])


# What browsers may be able to play; the page copes when one cannot.
PLAYABLE = frozenset({".mp4", ".m4v", ".mov", ".qt", ".webm", ".mkv", ".ogv", ".3gp"})


def query_stream_url(lookup: Lookup) -> str:
    """Where the asked video plays, or "" when its file is gone or no browser plays its kind."""
    if lookup.video_id is not None:
        return reverse("videos:stream", args=[lookup.video_id])
    playable = bool(lookup.path) and extension_of(lookup.file_name) in PLAYABLE
    return reverse("duplicates:lookup_stream", args=[lookup.id]) if playable else ""
