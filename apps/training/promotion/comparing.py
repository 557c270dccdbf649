"""One query, answered by two versions side by side, each with its own text tower and its own vectors."""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import reverse

from apps.core.exceptions import VSearchError
from apps.embeddings.models import ModelVersion
from apps.embeddings.text_encoder import encode_query
from apps.embeddings.vector_index import PgVectorIndex
from apps.videos.models import Video
from apps.videos.selectors import thumbnail_url

DEPTH = 100  # clips
SHOWN = 6  # videos
QUERY_LENGTH = 500


@dataclass(frozen=True, slots=True)
class Place:
    """``moved``: places won against the other version's answer; None when it is not in that."""

    rank: int
    video: Video
    start: float
    end: float
    thumbnail_url: str
    play_url: str
    moved: int | None = None


@dataclass(frozen=True, slots=True)
class SideAnswer:
    """``problem`` says why the version could not answer."""

    version: ModelVersion
    places: tuple[Place, ...] = ()
    problem: str = ""


def compare_query(
    text: str, candidate: ModelVersion, active: ModelVersion | None
) -> tuple[SideAnswer, SideAnswer | None]:
    """The pictures' answer only: words of titles would be the same on both sides."""
    text = " ".join(text.replace("\x00", "").split())[:QUERY_LENGTH]
    mine = _order(text, candidate)
    theirs = _order(text, active) if active is not None else None
    first = _answer(candidate, mine, theirs)
    return first, _answer(active, theirs, mine) if active is not None and theirs is not None else None


Order = list[tuple[Video, float, float]]


def _order(text: str, version: ModelVersion) -> Order | str:
    """The best clip of each ready video, best first; or what went wrong."""
    try:
        vectors = encode_query(version, [text])
    except VSearchError as error:
        return error.message
    (hits,) = PgVectorIndex().search("clip", version.id, vectors, DEPTH)
    videos = Video.objects.filter(id__in={hit.video_id for hit in hits}, state=Video.State.READY).in_bulk()
    best: dict[object, tuple[Video, float, float]] = {}
    for hit in hits:
        if hit.video_id in videos:
            best.setdefault(hit.video_id, (videos[hit.video_id], hit.start, hit.end))
    return list(best.values())


def _answer(version: ModelVersion, order: Order | str, other: Order | str | None) -> SideAnswer:
    if isinstance(order, str):
        return SideAnswer(version, problem=order)
    elsewhere = {video.id: rank for rank, (video, _, _) in enumerate(other, 1)} if isinstance(other, list) else {}
    places = tuple(
        Place(
            rank,
            video,
            start,
            end,
            thumbnail_url(video, start, end),
            f"{reverse('videos:detail', args=[video.id])}?t={start:.2f}",
            elsewhere[video.id] - rank if video.id in elsewhere else None,
        )
        for rank, (video, start, end) in enumerate(order[:SHOWN], start=1)
    )
    return SideAnswer(version, places)
