"""Titles, names of files, descriptions and subtitles: the words of a query against the text index."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from django.contrib.postgres.search import SearchQuery, SearchRank
from django.db import connection
from django.db.models import BooleanField, Case, Expression, F, FloatField, Q, QuerySet, Value, When

from apps.search.conditions import asked_phrase, asked_words
from apps.search.moments import Moment
from apps.videos.models import TextSegment, Video
from apps.videos.words.languages import language_code
from apps.videos.words.rows import GAP_SECONDS

TITLE_SECONDS = 8.0  # a title belongs to the whole video; its moment is the beginning
FOUND_RANK = 0.1  # of whatever was found, exact or not
# Of the following cue, of what says little in the name of a file, of a stem, of the word as it was typed: the stems of
# all languages together weigh less than the word itself.
WEIGHTS = [0.02, 0.05, 0.03, 1.0]
_TITLE_AND_NAME = {(TextSegment.Source.TITLE,), (TextSegment.Source.NAME,)}
ABOUT_ALL = (TextSegment.Source.TITLE, TextSegment.Source.NAME)  # their words are few, and stand for the video

# One index lookup for each language there is, and none of them reads the texts.
_LANGUAGES = """
WITH RECURSIVE each AS (
    (SELECT language FROM videos_textsegment ORDER BY language LIMIT 1)
    UNION ALL
    SELECT (SELECT language FROM videos_textsegment WHERE language > each.language ORDER BY language LIMIT 1)
    FROM each WHERE each.language IS NOT NULL
)
SELECT language FROM each WHERE language IS NOT NULL
"""


class TsQuery(SearchQuery):
    """A tsquery as Postgres writes it: lexemes, taken as they are."""

    template = "%(expressions)s::tsquery"

    def __init__(self, query: str) -> None:
        super().__init__(Value(query), search_type="raw")


def text_hits(
    *,
    text: str,
    phrases: Sequence[str],
    video_ids: Collection[UUID] | None,
    exclude: Collection[UUID] = (),
    limit: int,
) -> list[Moment]:
    """The best ``limit`` segments of ready videos that hold the words of ``text`` or one of ``phrases``.

    What begins in one cue and ends in the next is found at the first of the two."""
    if (not text and not phrases) or (video_ids is not None and not video_ids):
        return []
    languages = library_languages()
    asked = asked_words(text, languages)
    quoted = [query for phrase in phrases if (query := asked_phrase(phrase, languages))]
    anywhere = [query for query in (asked.words, *quoted) if query]
    by_title = [query for query in (asked.titles, asked.names) if query]
    whole = [query for query in (asked.own, *by_title, *quoted) if query]
    condition = _any_of(anywhere)
    for query in by_title:
        condition |= Q(source__in=ABOUT_ALL, words=TsQuery(query))
    segments = TextSegment.objects.filter(video__state=Video.State.READY)
    rows = (
        _narrowed(segments.filter(condition), video_ids, exclude)
        .annotate(rank=_rank([*anywhere, *filter(None, (asked.names, asked.helpful))]), whole=_is(whole))
        .order_by("-rank", "video_id", "start", "id")
        .values_list("video_id", "source", "start", "end", "rank", "video__duration_seconds", "whole")[:limit]
    )
    return _title_or_name(_without_run_ups([(_moment(*row), whole) for *row, whole in rows]))


def videos_with(terms: Sequence[str], *, all_of: bool) -> set[UUID]:
    """Videos whose texts hold all, or any, of ``terms``; each term may lie in another segment."""
    if not terms:
        return set()
    languages = library_languages()
    sets = [
        set(TextSegment.objects.filter(words=TsQuery(query)).values_list("video_id", flat=True).distinct())
        for term in terms
        if (query := asked_phrase(term, languages))
    ]
    return (set.intersection(*sets) if all_of else set.union(*sets)) if sets else set()


def library_languages() -> list[str]:
    """Codes of the languages that texts of the library are known to be in, as far as their endings are known."""
    with connection.cursor() as cursor:
        cursor.execute(_LANGUAGES)
        return sorted({code for (tag,) in cursor.fetchall() if (code := language_code(tag))})


def _any_of(queries: Sequence[str]) -> Q:
    condition = Q(pk__in=[])
    for query in queries:
        condition |= Q(words=TsQuery(query))
    return condition


def _is(queries: Sequence[str]) -> Expression:
    whens = [When(words=TsQuery(query), then=Value(True)) for query in queries]
    return Case(*whens, default=Value(False), output_field=BooleanField())


def _rank(queries: Sequence[str]) -> Expression:
    best: Expression = Value(FOUND_RANK)
    for query in queries:
        # 32: rank / (rank + 1), so that it stays within 0..1
        best = best + SearchRank(F("words"), TsQuery(query), weights=WEIGHTS, normalization=Value(32))
    factor = Case(When(source__in=ABOUT_ALL, then=Value(1.0)), default=Value(0.5))
    return Case(When(pk__isnull=False, then=factor * best), output_field=FloatField())


def _narrowed(
    segments: QuerySet[TextSegment], video_ids: Collection[UUID] | None, exclude: Collection[UUID]
) -> QuerySet[TextSegment]:
    if video_ids is not None:
        segments = segments.filter(video_id__in=list(video_ids))
    return segments.exclude(video_id__in=list(exclude)) if exclude else segments


def _without_run_ups(hits: Sequence[tuple[Moment, bool]]) -> list[Moment]:
    """Without cues that have only some of the words when one soon after has them all."""
    whole: dict[UUID, list[Moment]] = {}
    for hit, has_all in hits:
        if has_all:
            whole.setdefault(hit.video_id, []).append(hit)
    return [
        hit
        for hit, has_all in hits
        if has_all
        or not any(hit.start < better.start <= hit.end + 2 * GAP_SECONDS for better in whole.get(hit.video_id, ()))
    ]


def _title_or_name(hits: Sequence[Moment]) -> list[Moment]:
    """A title is mostly the name of the file: what was found in both is said to be found in the title, at its better
    place."""
    titles = {hit.video_id: hit for hit in hits if hit.matched == (TextSegment.Source.TITLE,)}
    placed: set[UUID] = set()
    found: list[Moment] = []
    for hit in hits:
        if hit.matched not in _TITLE_AND_NAME or hit.video_id not in titles:
            found.append(hit)
        elif hit.video_id not in placed:
            placed.add(hit.video_id)
            title = titles[hit.video_id]
            title.text_rank = hit.text_rank
            found.append(title)
    return found


def _moment(video_id: UUID, source: str, start: float, end: float, rank: float, duration: float | None) -> Moment:
    if source != TextSegment.Source.SUBTITLE:
        start, end = 0.0, min(TITLE_SECONDS, duration or TITLE_SECONDS)
    return Moment(video_id, start, end, (source,), text_rank=min(1.0, float(rank)))
