"""Searching: what people see, typed or pointed at, becomes a page of videos with their moments."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import wraps
from typing import ParamSpec
from uuid import UUID

import numpy as np

from apps.core.exceptions import Conflict, InvalidInput, NotFound, Unavailable
from apps.embeddings.models import ModelVersion
from apps.embeddings.selectors import model_version_serving
from apps.embeddings.text_encoder import part_read
from apps.embeddings.vector_index import PgVectorIndex
from apps.search.answers import Hint, Result, SearchAnswer, index_state
from apps.search.filters import LABELS, NO_FILTERS, SearchFilters, removed_by_filters
from apps.search.moments import VISUAL
from apps.search.pages import first_page, next_page
from apps.search.query import ParsedQuery, leaving_out, parse_query
from apps.search.question import Question, question_of
from apps.search.retrieval import found_in_words
from apps.search.suggestions import did_you_mean
from apps.videos.models import Video

MAX_LIMIT = 100
DEFAULT_LIMIT = 20
NO_MODEL = "No search model is active yet: only titles, descriptions and subtitles are searched."

P = ParamSpec("P")


def _timed(search: Callable[P, SearchAnswer]) -> Callable[P, SearchAnswer]:
    """Write into the answer how long it took."""

    @wraps(search)
    def timed(*args: P.args, **kwargs: P.kwargs) -> SearchAnswer:
        started = time.perf_counter()
        answer = search(*args, **kwargs)
        return replace(answer, took_ms=round(1000 * (time.perf_counter() - started)))

    return timed


@_timed
def search_moments(
    *, text: str, limit: int = DEFAULT_LIMIT, cursor: str | None = None, filters: SearchFilters = NO_FILTERS
) -> SearchAnswer:
    """One page of at most ``limit`` videos. With ``cursor`` the question of that cursor is continued.

    InvalidInput names the field at fault; Expired for a cursor that is not kept any more; Unavailable when the text
    encoder is down and the words alone found nothing.
    """
    _limit_check(limit)
    parsed = parse_query(text)
    version = model_version_serving(ModelVersion.Role.SEMANTIC)
    index = index_state(version)
    if cursor:  # a cursor alone is enough; a query beside it must be the one that it came from
        results, following = next_page(cursor, limit, query_hash=None if parsed.empty else _fingerprint(parsed))
        return SearchAnswer(results, index, following)
    warnings = [*parsed.warnings, *index.warnings]
    if parsed.empty:
        hint = (
            "Type what you want to see."
            if not parsed.excluded
            else "Type what you want to see as well, not only what to exclude."
        )
        return SearchAnswer((), index, warnings=(*parsed.warnings, hint))
    if not index.searchable:
        return SearchAnswer((), index, warnings=(*warnings, "The library has no searchable videos yet."))
    trouble = None
    try:
        question = question_of(parsed, version, filters)
    except Unavailable as error:
        trouble, question = error, question_of(parsed, None, filters)
    results, following = first_page(question, limit, query_hash=_fingerprint(parsed))
    if trouble is not None and not results:
        raise trouble
    if trouble is not None:
        warnings.append(f"Only titles, descriptions and subtitles were searched. {trouble.message}")
    elif version is None and parsed.text:
        warnings.append(NO_MODEL)
    elif version is not None and parsed.text:
        warnings += _left_unread(parsed.text, part_read(version, parsed.text))
    removed = removed_by_filters(filters) if filters.active and not results else {}
    if removed:
        name, count = next(iter(removed.items()))
        warnings.append(f"Nothing passes the filters. The filter that removes most is {LABELS[name]}: {count} videos.")
    suggestions = _suggestions(text, question, results, version if trouble is None else None)
    return SearchAnswer(
        results,
        index,
        following,
        tuple(warnings),
        _hints(text),
        removed_by=removed,
        suggestions=tuple(filter(None, suggestions)),
    )


def _suggestions(
    text: str, question: Question, results: Sequence[Result], version: ModelVersion | None
) -> tuple[str, ...]:
    """Another spelling, when no video has the words of the query."""
    in_words = any(way != VISUAL for result in results for way in result.matched)
    if in_words or found_in_words(question):
        return ()
    return (did_you_mean(text, version, question.filters),)


@_timed
def search_similar(
    *, video_id: UUID, time_seconds: float, limit: int = DEFAULT_LIMIT, cursor: str | None = None
) -> SearchAnswer:
    """Moments whose pictures are like those at ``time_seconds`` of the video, by its stored clip vector."""
    _limit_check(limit)
    version = model_version_serving(ModelVersion.Role.SEMANTIC)
    index = index_state(version)
    if cursor:
        results, following = next_page(cursor, limit)
        return SearchAnswer(results, index, following)
    if not Video.objects.filter(id=video_id, state=Video.State.READY).exists():
        raise NotFound("There is no such video, or it is not ready yet.")
    if version is None:
        raise Conflict("No search model is active yet; see the jobs page.")
    spans, vectors = PgVectorIndex().clips_of(version.id, video_id)
    if not len(spans):
        raise Conflict("The video is not indexed with the active model yet; see the jobs page.")
    # The clip that covers the time and has it nearest to its middle; beyond the end, the last one.
    away = np.maximum(spans[:, 0] - time_seconds, 0) + np.maximum(time_seconds - spans[:, 1], 0)
    place = int(np.lexsort((np.abs(spans.mean(axis=1) - time_seconds), away))[0])
    like = (video_id, float(spans[place, 0]), float(spans[place, 1]))
    results, following = first_page(Question(version_id=version.id, vector=vectors[place], like=like), limit)
    return SearchAnswer(results, index, following, tuple(index.warnings))


def _hints(text: str) -> tuple[Hint, ...]:
    things, query = leaving_out(text)
    if not things:
        return ()
    named = " and ".join(f"“{thing}”" for thing in things)
    return (Hint(f"To leave out videos whose titles, descriptions or subtitles mention {named}, search for", query),)


def _left_unread(text: str, read: str) -> list[str]:
    if len(read) >= len(text):
        return []
    words = read.split()
    return [
        f"The query is longer than the search model reads. It read the first {len(words)} of {len(text.split())} "
        f"words, up to “{' '.join(words[-3:])}”."
    ]


def _fingerprint(parsed: ParsedQuery) -> str:
    parts = (parsed.text, parsed.phrases, parsed.excluded)
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _limit_check(limit: int) -> None:
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidInput(f"limit must be a number from 1 to {MAX_LIMIT}.", field="limit")
