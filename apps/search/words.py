"""Titles, descriptions and subtitles: Postgres full text, and plain substrings where full text cannot work.

Full text (English) takes queries with words in it. Scripts without spaces and emoji, which it would store as one
lump, are looked for as substrings; a query of nothing but stop words is compared with the words of titles only.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from uuid import UUID

from django.contrib.postgres.search import SearchQuery, SearchRank, SearchVector
from django.db import connection
from django.db.models import Case, Expression, F, FloatField, Q, QuerySet, Value, When

from apps.search.moments import Moment
from apps.videos.models import TextSegment, Video

CONFIG = "english"
TITLE_SECONDS = 8.0  # a title belongs to the whole video; its moment is the beginning
SUBSTRING_TERMS = 10
PREFIX_TERMS = 8  # somebody who is still typing a title
LIKE_RANK = 0.1  # of a substring, which has no rank of its own


def text_hits(
    *,
    text: str,
    phrases: Sequence[str],
    video_ids: Collection[UUID] | None,
    exclude: Collection[UUID] = (),
    limit: int,
) -> list[Moment]:
    """The best ``limit`` segments of ready videos that hold the words of ``text`` or one of ``phrases``."""
    if (not text and not phrases) or (video_ids is not None and not video_ids):
        return []
    condition, ranked_by = Q(pk__in=[]), []
    segments = TextSegment.objects.filter(video__state=Video.State.READY)
    if text:
        if _is_stop_words(text):
            segments = segments.annotate(plain=SearchVector("text", config="simple"))
            condition |= Q(source=TextSegment.Source.TITLE, plain=SearchQuery(text, config="simple"))
        else:
            condition |= _words_condition(text)
            ranked_by.append(SearchQuery(text, config=CONFIG))
            condition |= _title_prefix(text)
    for phrase in phrases:
        condition |= phrase_condition(phrase)
        ranked_by.append(SearchQuery(phrase, config=CONFIG))
    segments = _narrowed(segments.filter(condition), video_ids, exclude)
    rows = (
        segments.annotate(rank=_rank(ranked_by))
        .order_by("-rank", "video_id", "start", "id")
        .values_list("video_id", "source", "start", "end", "rank", "video__duration_seconds")[:limit]
    )
    return [_moment(*row) for row in rows]


def videos_with(terms: Sequence[str], *, all_of: bool) -> set[UUID]:
    """Videos whose texts hold all, or any, of ``terms``; each term may lie in another segment."""
    sets = [
        set(TextSegment.objects.filter(phrase_condition(term)).values_list("video_id", flat=True)) for term in terms
    ]
    return (set.intersection(*sets) if all_of else set.union(*sets)) if sets else set()


def phrase_condition(term: str) -> Q:
    if needs_substring(term) or _is_stop_words(term):
        return Q(text__icontains=term)  # Django escapes % and _
    return Q(words=SearchQuery(term, config=CONFIG, search_type="phrase"))


def needs_substring(text: str) -> bool:
    """Letters of scripts that full text does not cut into words (Chinese, Japanese, Thai, ...) or emoji."""
    return any(unicodedata.category(char) in {"Lo", "So"} for char in text)


def _words_condition(text: str) -> Q:
    if not needs_substring(text):
        return Q(words=SearchQuery(text, config=CONFIG))
    condition = Q()
    for term in text.split()[:SUBSTRING_TERMS]:
        condition &= Q(text__icontains=term[:200])
    return condition


def _title_prefix(text: str) -> Q:
    terms = re.findall(r"\w+", text)
    if not terms or len(terms) > PREFIX_TERMS or len(terms[-1]) < 2:
        return Q(pk__in=[])
    raw = " & ".join(f"'{term}'" for term in terms) + ":*"  # \w+ only: nothing to escape
    return Q(source=TextSegment.Source.TITLE, words=SearchQuery(raw, config=CONFIG, search_type="raw"))


def _is_stop_words(text: str) -> bool:
    """Full text would find nothing because nothing is left of the query; punctuation alone counts too."""
    if needs_substring(text):
        return False
    with connection.cursor() as cursor:
        cursor.execute("SELECT numnode(plainto_tsquery(%s::regconfig, %s))", [CONFIG, text])
        return int(cursor.fetchone()[0]) == 0


def _rank(queries: Sequence[SearchQuery]) -> Expression:
    best: Expression = Value(LIKE_RANK)
    for query in queries:
        # 32: rank / (rank + 1), so that it stays within 0..1
        best = best + SearchRank(F("words"), query, normalization=Value(32))
    factor = Case(When(source=TextSegment.Source.TITLE, then=Value(1.0)), default=Value(0.5))
    return Case(When(pk__isnull=False, then=factor * best), output_field=FloatField())


def _narrowed(
    segments: QuerySet[TextSegment], video_ids: Collection[UUID] | None, exclude: Collection[UUID]
) -> QuerySet[TextSegment]:
    if video_ids is not None:
        segments = segments.filter(video_id__in=list(video_ids))
    return segments.exclude(video_id__in=list(exclude)) if exclude else segments


def _moment(video_id: UUID, source: str, start: float, end: float, rank: float, duration: float | None) -> Moment:
    if source != TextSegment.Source.SUBTITLE:
        start, end = 0.0, min(TITLE_SECONDS, duration or TITLE_SECONDS)
    return Moment(video_id, start, end, (source,), text_rank=min(1.0, float(rank)))
