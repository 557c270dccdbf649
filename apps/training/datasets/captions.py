"""Captions that the library holds, as lines of a manifest: its texts with their spans, and what searchers chose."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings

from apps.duplicates.models import DuplicateGroup, GroupMember
from apps.search.models import Feedback
from apps.videos.models import TextSegment, Video
from apps.videos.selectors import thumbnail_times

Line = dict[str, Any]

Source = TextSegment.Source
LIBRARY_TEXTS = (Source.TITLE, Source.DESCRIPTION, Source.SUBTITLE)
SUBTITLE_WEIGHT = 0.5  # what is said is often not what is seen
FEEDBACK_WEIGHTS = {Feedback.Kind.CLICK: 0.2, Feedback.Kind.THUMB_UP: 0.6}
MOST_FEEDBACK = 0.9  # many weak labels never weigh as much as a caption
MARGIN_SECONDS = 2.0  # a spoken word belongs to the picture around it, too
FRAMES_A_SPAN = 12
LONGEST_CAPTION = 500  # characters; text towers read less
_WORD = re.compile(r"[^\W\d_]{2,}")


def library_lines(texts: Sequence[str] = LIBRARY_TEXTS) -> Iterator[Line]:
    """One line a video with its title and description, one a subtitle with the pictures of its span.

    Texts that hardly hold a word ("IMG_2024") are left out: they name no picture.
    """
    groups = source_groups()
    rows = TextSegment.objects.filter(video__state=Video.State.READY, source__in=list(texts)).select_related("video")
    whole: dict[UUID, list[str]] = {}
    videos: dict[UUID, Video] = {}
    for row in rows.order_by("video_id", "start", "id").iterator():
        if len(_WORD.findall(row.text)) < 2:
            continue
        if row.source == Source.SUBTITLE:
            frames = span_pictures(row.video_id, row.start, row.end)
            if frames:
                yield {
                    "id": f"{row.video_id}-{row.id}", "frames": frames, "captions": [_one_line(row.text)],
                    "group": groups.get(row.video_id, str(row.video_id)), "weight": SUBTITLE_WEIGHT,
                    "origin": "subtitle",
                }  # fmt: skip
        else:
            videos[row.video_id] = row.video
            whole.setdefault(row.video_id, []).append(_one_line(row.text))
    for video_id, captions in whole.items():
        yield {
            "id": str(video_id), "video": str(videos[video_id].playable_path),
            "captions": list(dict.fromkeys(captions)),
            "group": groups.get(video_id, str(video_id)), "origin": "title",
        }  # fmt: skip


def _one_line(text: str) -> str:
    return " ".join(text.split())[:LONGEST_CAPTION]


def feedback_lines() -> Iterator[Line]:
    """One line a (query, moment) that people chose more often than they refused it; weak, so its weight is below 1."""
    groups = source_groups()
    votes: dict[tuple[str, UUID, float, float], list[str]] = {}
    rows = Feedback.objects.filter(video__state=Video.State.READY).order_by("created_at", "id")
    for row in rows.iterator():
        query = " ".join(row.query.split()).lower()
        if _WORD.search(query):
            votes.setdefault((query, row.video_id, row.start, row.end), []).append(row.kind)
    for (query, video_id, start, end), kinds in votes.items():
        weight = feedback_weight(kinds)
        frames = span_pictures(video_id, start, end)
        if weight > 0 and frames:
            key = hashlib.sha256(f"{query}\0{video_id}\0{start}\0{end}".encode()).hexdigest()[:16]
            yield {
                "id": f"feedback-{key}", "frames": frames, "captions": [query[:LONGEST_CAPTION]],
                "group": groups.get(video_id, str(video_id)), "weight": weight, "origin": "feedback",
            }  # fmt: skip


def feedback_weight(kinds: Sequence[str]) -> float:
    """0 when as many thumbs point down as up, or nothing speaks for it; each further sign adds less."""
    down, up = kinds.count(Feedback.Kind.THUMB_DOWN), kinds.count(Feedback.Kind.THUMB_UP)
    if down and down >= up:
        return 0.0
    doubt = 1.0
    for kind in kinds:
        doubt *= 1.0 - FEEDBACK_WEIGHTS.get(Feedback.Kind(kind), 0.0)
    return round(min(MOST_FEEDBACK, 1.0 - doubt), 4)


def span_pictures(video_id: UUID, start: float, end: float) -> list[str]:
    """Files of the stored thumbnails around [start, end), the nearest one when none lies inside; [] without any."""
    times = thumbnail_times(video_id)
    if not times:
        return []
    inside = [t for t in times if start - MARGIN_SECONDS <= t / 1000 < end + MARGIN_SECONDS]
    chosen = inside or [min(times, key=lambda t: abs(t - 500 * (start + end)))]
    stride = -(-len(chosen) // FRAMES_A_SPAN)
    folder = Path(settings.MEDIA_DIR) / str(video_id) / "thumbs"
    return [str(folder / f"{time}.jpg") for time in chosen[::stride]]


def source_groups() -> dict[UUID, str]:
    """video -> the name of its same-source group, for members of confirmed duplicate groups; copies share footage, so
    they must never stand on both sides of a split."""
    rows = GroupMember.objects.filter(group__state=DuplicateGroup.State.CONFIRMED).values_list("group_id", "video_id")
    parent: dict[Any, Any] = {}

    def root(node: Any) -> Any:
        parent.setdefault(node, node)
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for group, video in rows:
        parent[root(("group", group))] = root(("video", video))
    members: dict[Any, list[UUID]] = {}
    for kind, key in list(parent):
        if kind == "video":
            members.setdefault(root((kind, key)), []).append(key)
    return {video: f"source-{min(group)}" for group in members.values() for video in group}
