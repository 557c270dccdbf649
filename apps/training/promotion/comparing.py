"""One query, answered by two versions side by side, each with its own text tower and its own vectors."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from apps.core.exceptions import VSearchError
from apps.embeddings.models import ModelVersion
from apps.search.moments import Moment
from apps.search.query import ParsedQuery
from apps.search.question import question_of
from apps.search.retrieval import nearest_clips
from apps.videos.models import Video

DEPTH = 100  # clips
SHOWN = 6  # videos
QUERY_LENGTH = 500


@dataclass(frozen=True, slots=True)
class Place:
    """``moved``: places won against the other version's answer; None when it is not in that."""

    rank: int
    video: Video
    moment: Moment
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


Order = list[tuple[Video, Moment]]


def _order(text: str, version: ModelVersion) -> Order | str:
    """The best clip of each ready video, best first; or what went wrong."""
    try:
        question = question_of(ParsedQuery(text), version)
    except VSearchError as error:
        return error.message
    best: dict[UUID, Moment] = {}
    for clip in nearest_clips(question, DEPTH):
        best.setdefault(clip.video_id, clip)
    videos = Video.objects.filter(state=Video.State.READY).in_bulk(best)
    return [(videos[video_id], clip) for video_id, clip in best.items() if video_id in videos]


def _answer(version: ModelVersion, order: Order | str, other: Order | str | None) -> SideAnswer:
    if isinstance(order, str):
        return SideAnswer(version, problem=order)
    elsewhere = {video.id: rank for rank, (video, _) in enumerate(other, 1)} if isinstance(other, list) else {}
    places = tuple(
        Place(rank, video, moment, elsewhere[video.id] - rank if video.id in elsewhere else None)
        for rank, (video, moment) in enumerate(order[:SHOWN], start=1)
    )
    return SideAnswer(version, places)
