"""What the text index stores of a row, and which lexemes a word of a query asks for. Pure.

A row is a tsvector that is put together here, so that every server gives the same answers:

- ``haus``: a word as it was written (folded), weight A; so is a sign, and two neighbouring signs
- ``/de/haus``: a stem, weight B, at the place of its word
- in the name of a file: a technical part ("1080p"), or neighbouring parts as one word, weight C
- ``>haus``, ``>/de/haus``: a word that begins the following cue, weight D. A phrase may begin in one cue and end in the
  next; a query asks for these only behind a word of the cue itself.

Words and stems hold letters, digits and marks only: nothing has to be escaped.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from apps.videos.words.folding import fold, spellings
from apps.videos.words.languages import (
    LANGUAGES,
    bare_stems,
    language_code,
    script_languages,
    stems,
    usual_languages,
)
from apps.videos.words.names import name_words
from apps.videos.words.tokens import Kind, Token, Tokens, tokenize

AHEAD = ">"
AHEAD_PLACES = 10  # words of the following cues that a phrase may reach
LAST_PLACE = 16_383  # Postgres counts no further
OWN_WORD, OWN_STEM, LESSER, NEXT = "A", "B", "C", "D"


def vector(text: str, language: str = "", *, any_language: bool = False, following: str = "") -> str:
    """The tsvector of a row, as Postgres reads it.

    ``any_language``: when the language is unknown, the endings of all languages count (titles: few words);
    else those of English, or of the languages of the script. ``following``: what is said next in the same track.
    """
    own = tokenize(text)
    code = language_code(language)
    found = dict.fromkeys(_lexemes(own, 0, code, any_language, ""))
    if following and own.length:
        ahead = tokenize(following)
        found |= dict.fromkeys(_lexemes(ahead, own.length, code, any_language, AHEAD))
        seam = _seam(own, ahead)
        if seam:
            found[(seam, own.length, NEXT)] = None
    return _as_postgres_reads(found)


def name_vector(name: str) -> str:
    """The tsvector of a row with the name of a file; endings of all languages count."""
    words = name_words(name)
    found: dict[tuple[str, int, str], None] = {}
    for lexeme, place, weight in _lexemes(Tokens(words.parts, ()), 0, "", True, ""):
        found[(lexeme, place, LESSER if place in words.technical else weight)] = None
    for compounds, usual in ((words.wholes, OWN_WORD), (words.runs, LESSER)):
        for compound in compounds:
            places = range(compound.first, compound.last + 1)
            weight = LESSER if words.technical.issuperset(places) else usual
            for place in (compound.first, compound.last):
                found |= dict.fromkeys((form, place, weight) for form in spellings(_joined(compound.written)))
    return _as_postgres_reads(found)


def _as_postgres_reads(found: Iterable[tuple[str, int, str]]) -> str:
    places: dict[str, list[str]] = {}
    for lexeme, place, weight in found:
        if place <= LAST_PLACE:
            places.setdefault(lexeme, []).append(f"{place}{weight}")
    return " ".join(f"'{lexeme}':{','.join(at)}" for lexeme, at in places.items())


def head(texts: Iterable[str]) -> str:
    """The beginning of what is said in ``texts``, for ``following``."""
    taken: list[str] = []
    length = 0
    for text in texts:
        taken.append(text)
        length += tokenize(text).length
        if length >= AHEAD_PLACES:
            break
    return " ".join(taken)


def asked(token: Token, languages: Collection[str]) -> list[str]:
    """The lexemes that answer a word of a query, exact ones first. Signs are asked for in pairs: see ``pair``."""
    if token.kind is not Kind.WORD:
        return [fold(token.written)]
    return _asked(token.written, token.base, languages)


def asked_whole(written: str, languages: Collection[str]) -> list[str]:
    """The same for the whole of a compound."""
    return _asked(written, "", languages)


def pair(one: Token, other: Token) -> str:
    """The lexeme of two neighbouring signs."""
    return fold(one.written) + fold(other.written)


def _asked(written: str, base: str, languages: Collection[str]) -> list[str]:
    words = [written, base] if base else [written]
    exact = [form for word in words for form in spellings(_joined(word))]
    stemmed = [lexeme for word in words for lexeme in stems(_joined(word), languages)]
    # The stem as a word: "runs" finds "run", which has no stem of its own.
    bare = [lexeme for word in words for lexeme in bare_stems(_joined(word), languages)]
    # The word as a stem: "run" finds "running".
    as_stem = [f"/{code}/{form}" for code in languages for form in exact if code in script_languages(form)]
    return list(dict.fromkeys([*exact, *bare, *stemmed, *as_stem]))


def _lexemes(tokens: Tokens, shift: int, code: str, any_language: bool, prefix: str) -> Iterator[tuple[str, int, str]]:
    """(lexeme, place, weight), ``shift`` places later."""
    word_weight, stem_weight = (OWN_WORD, OWN_STEM) if not prefix else (NEXT, NEXT)
    signs: Token | None = None
    for token in tokens.tokens:
        if prefix and token.place > AHEAD_PLACES:
            return
        place = max(1, token.place + shift)
        if token.kind is Kind.WORD:
            signs = None
            for word in filter(None, (token.written, token.base)):
                yield from ((prefix + form, place, word_weight) for form in spellings(_joined(word)))
                languages = _languages(word, code, any_language)
                yield from ((prefix + stem, place, stem_weight) for stem in stems(_joined(word), languages))
            continue
        yield prefix + fold(token.written), place, word_weight
        if token.kind is Kind.SIGN:
            if signs is not None:
                yield prefix + pair(signs, token), place - 1, word_weight
            signs = token
    for compound in tokens.compounds:
        if prefix and compound.last > AHEAD_PLACES:
            return
        languages = _languages(compound.written, code, any_language)
        for place in (compound.first + shift, compound.last + shift):
            yield from ((prefix + form, place, word_weight) for form in spellings(_joined(compound.written)))
            yield from ((prefix + stem, place, stem_weight) for stem in stems(_joined(compound.written), languages))


def _languages(word: str, code: str, any_language: bool) -> Sequence[str]:
    if code:
        return (code,)
    return LANGUAGES if any_language else usual_languages(word)


def _joined(word: str) -> str:
    """Without apostrophes: letters that stand for one (Hawaiʻi) are no part of a lexeme."""
    return word.replace("'", "")


def _seam(own: Tokens, ahead: Tokens) -> str:
    """Two signs of which one ends a cue and the other begins the next one."""
    last = next((token for token in reversed(own.tokens) if token.kind is not Kind.SYMBOL), None)
    first = next((token for token in ahead.tokens if token.kind is not Kind.SYMBOL), None)
    if last is None or first is None or last.kind is not Kind.SIGN or first.kind is not Kind.SIGN:
        return ""
    return pair(last, first)
