"""Another spelling of a query whose words are nowhere, from words that videos of the library have.

Only texts of videos that the question may find count, and a suggestion is made only when it finds something itself.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection

from apps.core.exceptions import Unavailable
from apps.embeddings.models import ModelVersion
from apps.search.conditions import asked_words
from apps.search.filters import SearchFilters
from apps.search.moments import VISUAL
from apps.search.query import clean, parse_query
from apps.search.question import Question, question_of
from apps.search.retrieval import Ranking, found_in_words
from apps.search.spelling import Near, mistakes_allowed
from apps.search.vocabulary import known_words
from apps.search.words import library_languages
from apps.videos.models import Video
from apps.videos.words.folding import fold
from apps.videos.words.names import name_words
from apps.videos.words.tokens import Kind, tokenize

MOST_WORDS = 8  # of a query that are looked at
COUNTED = 200  # texts of a word; more say nothing new
_EXCLUDED = re.compile(r'(?<!\S)-(?:"[^"]*"?|\S+)')
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")

# For each lexeme: in how many texts of ready videos it is, up to a limit, and one of these texts.
_USES = """
SELECT asked.lexeme, count(hit.text), min(hit.text)
FROM unnest(%s::text[]) AS asked (lexeme)
LEFT JOIN LATERAL (
    SELECT segment.text FROM videos_textsegment segment JOIN videos_video video ON video.id = segment.video_id
    WHERE segment.words @@ asked.lexeme::tsquery AND video.state = %s LIMIT %s
) hit ON true
GROUP BY asked.lexeme
"""


@dataclass(frozen=True, slots=True)
class _Uses:
    count: int
    text: str  # one that has it


def did_you_mean(text: str, version: ModelVersion | None, filters: SearchFilters) -> str:
    """The query with other words for those that no video has, or "". For a query whose words found nothing."""
    typed = clean(text)
    unknown = _unknown(typed)
    if not unknown:
        return ""
    better = {word: found for word in unknown if (found := _better(word))}
    corrected = _replaced(typed, better)
    return corrected if better and _finds(corrected, version, filters) else ""


def _unknown(typed: str) -> list[str]:
    """The words, folded, that are in no text; not those that are excluded, numbers, and what is too short."""
    languages = library_languages()
    words = {fold(match[0]): match[0] for match in _words_in(typed)}
    asked = {word: asked_words(written, languages).own for word, written in words.items() if mistakes_allowed(word)}
    asked = dict(list(asked.items())[:MOST_WORDS])
    uses = _uses([query for query in asked.values() if query], most=1)
    return [word for word, query in asked.items() if query and not uses[query].count]


def _words_in(typed: str) -> list[re.Match[str]]:
    """Words of alphabets, in order; not signs of scripts without spaces."""
    left_out = [match.span() for match in _EXCLUDED.finditer(typed)]
    return [
        match
        for match in _WORD.finditer(typed)
        if not any(start <= match.start() < end for start, end in left_out)
        and all(token.kind is Kind.WORD for token in tokenize(match[0]).tokens)
    ]


def _better(word: str) -> str:
    """The nearest word that videos have, as it is written there; or two words that were written together; or a word
    with digits whose letters are corrected ("gorp0123"); or ""."""
    known = known_words()
    near = known.near(word)
    parted = list(known.parted(word))
    uses = _uses([_lexeme(part) for part in {*(one.word for one in near), *(part for pair in parted for part in pair)}])
    used = [one for one in near if uses[_lexeme(one.word)].count]
    best = min(used, key=lambda one: _order(one, uses[_lexeme(one.word)].count)) if used else None
    for pair in parted if best is None or best.mistakes > 1 else ():
        if all(uses[_lexeme(part)].count for part in pair):
            return " ".join(_as_written(part, uses[_lexeme(part)].text) for part in pair)
    if best is not None:
        return _as_written(best.word, uses[_lexeme(best.word)].text)
    parts = [part.written for part in name_words(word).parts]
    if len(parts) < 2:
        return ""
    corrected = [part if part in known or not mistakes_allowed(part) else _better(part) or part for part in parts]
    return "".join(corrected) if corrected != parts else ""


def _order(near: Near, count: int) -> tuple[int, float, str]:
    """Fewer mistakes first; then words that begin alike, and frequent ones."""
    return near.mistakes, -near.alike - 0.02 * math.log2(1 + count), near.word


def _lexeme(word: str) -> str:
    return f"'{word}'"  # letters, digits and marks only


def _uses(queries: Sequence[str], *, most: int = COUNTED) -> dict[str, _Uses]:
    if not queries:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_USES, [list(dict.fromkeys(queries)), Video.State.READY, most])
        return {query: _Uses(count, text or "") for query, count, text in cursor.fetchall()}


def _as_written(word: str, text: str) -> str:
    """With its accents, from a text that has it; the folded word where it stands there otherwise."""
    for token in tokenize(text).tokens:
        if fold(token.written).replace("'", "") == word:
            return token.written.lower()
    return word


def _replaced(typed: str, better: dict[str, str]) -> str:
    written = list(typed)
    for match in reversed(_words_in(typed)):
        other = better.get(fold(match[0]))
        if other:
            written[match.start() : match.end()] = other
    return "".join(written)


def _finds(text: str, version: ModelVersion | None, filters: SearchFilters) -> bool:
    """By words, or by pictures that are not weak."""
    parsed = parse_query(text)
    if found_in_words(Question(parsed.text, parsed.phrases, parsed.excluded, filters)):
        return True
    if version is None or not parsed.text:
        return False
    try:
        ranking = Ranking(question_of(parsed, version, filters))
    except Unavailable:
        return False
    ranking.extend(1)
    moments = [moment for found in ranking.videos.values() for moment in found if VISUAL in moment.matched]
    ranking.scale.mark(moments)
    return any(not moment.weak for moment in moments)
