"""Searching: what people see, typed or pointed at, becomes a page of videos with their moments."""

from __future__ import annotations

import hashlib
import time
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import numpy as np
from django.db import transaction
from django.db.models import Count, Q
from django.urls import reverse

from apps.core.exceptions import Conflict, InvalidInput, NotFound, Unavailable
from apps.embeddings.models import ModelVersion
from apps.embeddings.selectors import model_version_serving
from apps.embeddings.text_encoder import encode_query
from apps.embeddings.vector_index import PgVectorIndex
from apps.search import snapshots
from apps.search.answers import IndexState, MomentCard, Result, SearchAnswer
from apps.search.filters import LABELS, SearchFilters
from apps.search.models import SearchSnapshot
from apps.search.query import ParsedQuery, parse_query
from apps.search.ranking import Scale
from apps.search.retrieval import Question, removed_by_filters
from apps.videos.models import Video
from apps.videos.selectors import thumbnail_url

MAX_LIMIT = 100
DEFAULT_LIMIT = 20
PURGE_EVERY = 16  # searches, about
NO_MODEL = "No model for pictures serves yet: only titles, descriptions and subtitles are searched."
NO_FILTERS = SearchFilters()


def search_moments(
    *,
    text: str,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
    filters: SearchFilters = NO_FILTERS,
    user: Any = None,
) -> SearchAnswer:
    """One page of at most ``limit`` videos. With ``cursor`` the question of that cursor is continued.

    InvalidInput names the field at fault; Expired for a cursor that is not kept any more; Unavailable when the text
    encoder is down and the words alone found nothing. All who may search see the same library: ``user`` is not used.
    """
    started = time.perf_counter()
    _limit_check(limit)
    parsed = parse_query(text)
    if cursor:
        return _next_page(cursor, limit, started, parsed=parsed)
    version = model_version_serving(ModelVersion.Role.SEMANTIC)
    index = _index_state(version)
    warnings = [*parsed.warnings, *_pending_warning(index)]
    if parsed.empty:
        hint = "Type what you want to see." if not parsed.excluded else "Add what you want to see to what you exclude."
        return SearchAnswer((), index, warnings=(*parsed.warnings, hint), took_ms=_since(started))
    if not index.searchable:
        warnings.append("The library holds no searchable video yet.")
        return SearchAnswer((), index, warnings=tuple(warnings), took_ms=_since(started), query=parsed.text)
    question, trouble = _question_of(parsed, filters, version)
    answer = _first_page(question, _fingerprint(parsed), limit, index, started)
    if trouble is not None and not answer.results:
        raise trouble
    if trouble is not None:
        warnings.append(f"Only titles, descriptions and subtitles were searched. {trouble.message}")
    elif question.version_id is None and parsed.text:
        warnings.append(NO_MODEL)
    return _with(answer, warnings, parsed.text)


def search_similar(
    *, video_id: UUID, time_seconds: float, limit: int = DEFAULT_LIMIT, cursor: str | None = None
) -> SearchAnswer:
    """Moments whose pictures are like those at ``time_seconds`` of the video, by its stored clip vector."""
    started = time.perf_counter()
    _limit_check(limit)
    if cursor:
        return _next_page(cursor, limit, started, parsed=None)
    if not Video.objects.filter(id=video_id, state=Video.State.READY).exists():
        raise NotFound("There is no such video, or it is not ready yet.")
    version = model_version_serving(ModelVersion.Role.SEMANTIC)
    if version is None:
        raise Conflict("No model for pictures serves yet; see the jobs page.")
    spans, vectors = PgVectorIndex().clips_of(version.id, video_id)
    if not len(spans):
        raise Conflict("The video has no pictures in the index of the serving model yet; see the jobs page.")
    # The clip that covers the time and has it nearest to its middle; beyond the end, the last one.
    away = np.maximum(spans[:, 0] - time_seconds, 0) + np.maximum(time_seconds - spans[:, 1], 0)
    place = int(np.lexsort((np.abs(spans.mean(axis=1) - time_seconds), away))[0])
    question = Question(
        version_id=version.id,
        vector=vectors[place],
        like=(video_id, float(spans[place, 0]), float(spans[place, 1])),
    )
    index = _index_state(version)
    answer = _first_page(question, "", limit, index, started)
    return _with(answer, _pending_warning(index), "")


def snapshots_purge() -> int:
    """Remove expired snapshots; one search in sixteen removes some as well."""
    with transaction.atomic():
        return snapshots.snapshots_purge(at_most=10_000)


def _question_of(
    parsed: ParsedQuery, filters: SearchFilters, version: ModelVersion | None
) -> tuple[Question, Unavailable | None]:
    vector, trouble = None, None
    if version is not None and parsed.text:
        try:
            vector = encode_query(version, [parsed.text])[0]
        except Unavailable as error:
            trouble = error
    question = Question(
        text=parsed.text,
        phrases=parsed.phrases,
        excluded=parsed.excluded,
        filters=filters,
        version_id=version.id if version is not None else None,
        vector=vector,
    )
    return question, trouble


def _first_page(question: Question, fingerprint: str, limit: int, index: IndexState, started: float) -> SearchAnswer:
    snapshot = snapshots.snapshot_new(question)
    snapshot.query_hash = fingerprint
    snapshots.snapshot_extend(snapshot, limit + 1)
    results, offset = _page(snapshot, 0, limit)
    cursor = None
    if _more(snapshot, offset):
        with transaction.atomic():
            if snapshot.id.int % PURGE_EVERY == 0:
                snapshots.snapshots_purge()
            snapshot.save(force_insert=True)
        cursor = snapshots.cursor_make(snapshot, offset)
    removed: dict[str, int] = {}
    warnings: list[str] = []
    if not results and question.filters.active:
        removed = removed_by_filters(question)
        name, count = next(iter(removed.items()))
        warnings.append(f"Nothing passes the filters. The filter that removes most is {LABELS[name]}: {count} videos.")
    return SearchAnswer(results, index, cursor, tuple(warnings), _since(started), removed_by=removed)


def _next_page(cursor: str, limit: int, started: float, *, parsed: ParsedQuery | None) -> SearchAnswer:
    place = snapshots.cursor_read(cursor)
    with transaction.atomic():
        snapshot = snapshots.snapshot_held(place)
        # A cursor alone is enough; a query beside it must be the one that it came from.
        if parsed is not None and not parsed.empty and snapshot.query_hash != _fingerprint(parsed):
            raise InvalidInput("The cursor belongs to another query. Search again from the first page.", field="cursor")
        depth = snapshot.depth
        snapshots.snapshot_extend(snapshot, place.offset + limit + 1)
        results, offset = _page(snapshot, place.offset, limit)
        if snapshot.depth != depth:
            snapshot.save()
    following = snapshots.cursor_make(snapshot, offset) if _more(snapshot, offset) else None
    text = snapshot.parameters["question"]["text"]
    index = _index_state(model_version_serving(ModelVersion.Role.SEMANTIC))
    return SearchAnswer(results, index, following, (), _since(started), query=text)


def _page(snapshot: SearchSnapshot, offset: int, limit: int) -> tuple[tuple[Result, ...], int]:
    """(results, offset after them). Videos that were deleted since they were ranked are passed over."""
    results: list[Result] = []
    while len(results) < limit:
        entries = snapshot.ranking[offset : offset + limit - len(results)]
        if not entries:
            break
        ready = Video.objects.filter(id__in=[entry[0] for entry in entries], state=Video.State.READY)
        videos = {str(video.id): video for video in ready}
        for place, entry in enumerate(entries, start=offset + 1):
            if entry[0] in videos:
                results.append(_result(place, videos[entry[0]], entry, snapshots.scale_of(snapshot)))
        offset += len(entries)
        if len(results) < limit:
            snapshots.snapshot_extend(snapshot, offset + limit - len(results))
    return tuple(results), offset


def _more(snapshot: SearchSnapshot, offset: int) -> bool:
    return offset < len(snapshot.ranking) or not snapshot.complete


def _result(place: int, video: Video, entry: list[Any], scale: Scale) -> Result:
    address = reverse("videos:detail", args=[video.id])
    cards = []
    for rank, moment in enumerate(snapshots.moments_of(entry), start=1):
        score = moment.cosine if moment.cosine is not None else moment.text_rank or 0.0
        cards.append(
            MomentCard(
                rank=rank,
                start=moment.start,
                end=moment.end,
                score=score,
                matched=tuple(moment.matched),
                relative=scale.relative(moment.cosine, moment.text_rank),
                weak=scale.weak(moment.cosine, moment.text_rank),
                thumbnail_url=thumbnail_url(video, moment.start, moment.end),
                play_url=f"{address}?{urlencode({'t': f'{moment.start:.2f}'.rstrip('0').rstrip('.')})}",
            )
        )
    return Result(rank=place, video=video, moments=tuple(cards))


def _index_state(serving: ModelVersion | None) -> IndexState:
    pending = Q(state__in=[Video.State.UPLOADED, Video.State.PROBED])
    counts = Video.objects.aggregate(
        searchable=Count("id", filter=Q(state=Video.State.READY)), pending=Count("id", filter=pending)
    )
    return IndexState(str(serving) if serving else "", counts["searchable"], counts["pending"])


def _pending_warning(index: IndexState) -> list[str]:
    if not index.pending:
        return []
    total = index.searchable + index.pending
    return [f"{index.pending} of {total} videos are still being indexed and cannot be found yet."]


def _with(answer: SearchAnswer, warnings: list[str], text: str) -> SearchAnswer:
    return SearchAnswer(
        answer.results,
        answer.index,
        answer.next_cursor,
        (*warnings, *answer.warnings),
        answer.took_ms,
        text,
        answer.removed_by,
    )


def _fingerprint(parsed: ParsedQuery) -> str:
    parts = (parsed.text, parsed.phrases, parsed.excluded)
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _limit_check(limit: int) -> None:
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidInput(f"limit is a number from 1 to {MAX_LIMIT}.", field="limit")


def _since(started: float) -> int:
    return round(1000 * (time.perf_counter() - started))
