"""The words of a query as a tsquery over the lexemes of ``apps.videos.words.lexemes``. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from apps.videos.words.folding import fold, spellings
from apps.videos.words.languages import ENGLISH, stop_words, usual_languages
from apps.videos.words.lexemes import AHEAD, asked, asked_whole, pair
from apps.videos.words.names import name_words, technical_words
from apps.videos.words.tokens import Kind, Token, Tokens, tokenize

MAX_WORDS = 32  # of a text; each costs a condition
MAX_PLACES = 200  # words and signs of one phrase


@dataclass(frozen=True, slots=True)
class Asked:
    """What is looked for in a row; each is a tsquery, "" for nothing.

    ``words``: all of them, in any order, some perhaps in the following cue. ``own``: the same without the following
    cue. ``titles``: more that a title may answer, as its last word is still being typed. ``names``: more that the name
    of a file may answer, which is split otherwise. ``helpful``: makes what was found better, and need not occur.
    """

    words: str = ""
    own: str = ""
    titles: str = ""
    names: str = ""
    helpful: str = ""


def asked_words(text: str, languages: Collection[str]) -> Asked:
    """``text``: plain words. Small words ("the") need not occur, unless there is nothing else.

    A text of small words only is a phrase everywhere, and any order of its words will do in a title. Words that only
    say how a file was encoded ("1080p") need not occur beside others.
    """
    typed = {word: piece for word in text.split() if (piece := tokenize(word)).tokens}
    pieces = list(typed.values())
    if not pieces:
        return Asked()
    tongues = query_languages(text, languages)
    words = {fold(token.written) for piece in pieces for token in piece.tokens if token.kind is Kind.WORD}
    small = stop_words(words, tongues)
    technical = technical_words(text)
    telling = {word: piece for word, piece in typed.items() if not _all_in(piece, small)}
    wanted = {word: piece for word, piece in telling.items() if not _all_in(piece, technical)} or telling
    helpful = _any_of(_phrase(piece, tongues) for word, piece in telling.items() if word not in wanted)
    prefix = _prefix(pieces, tongues) if len(pieces) <= 8 else ""
    if not wanted:
        titles = _all_of(_phrase(piece, tongues) for piece in pieces[:MAX_WORDS])
        whole = asked_phrase(text, languages) if len(pieces) > 1 else ""
        return Asked(words=whole, own=whole, titles=_any_of([titles, prefix]), names=_names(typed, tongues))
    wanted = dict(islice(wanted.items(), MAX_WORDS))
    own = [_phrase(piece, tongues) for piece in wanted.values()]
    either = [_phrase(piece, tongues, anywhere=True) for piece in wanted.values()]
    return Asked(
        words=own[0] if len(own) == 1 else _all_of([*either, _any_of(own)]),
        own=_all_of(own),
        titles=prefix,
        names=_names(wanted, tongues),
        helpful=helpful,
    )


def asked_phrase(text: str, languages: Collection[str]) -> str:
    """These words one after the other, small ones as well; it may end in the following cue. "" for nothing."""
    return _any_of([_phrase(tokenize(text), query_languages(text, languages)), *_name_phrases(text)])


def query_languages(text: str, languages: Collection[str]) -> list[str]:
    """Whose endings a query is tried with: English, those of the library's ``languages``, those of its script."""
    written = [token.written for token in tokenize(text).tokens if token.kind is Kind.WORD]
    return sorted({ENGLISH, *languages, *(code for word in written for code in usual_languages(word))})


def _all_in(piece: Tokens, words: Collection[str]) -> bool:
    return all(token.kind is Kind.WORD and fold(token.written) in words for token in piece.tokens)


def _names(typed: Mapping[str, Tokens], languages: Collection[str]) -> str:
    """All of the words, each perhaps only a part of a name or several of its parts."""
    some = list(typed.items())[:MAX_WORDS]
    return _all_of(_any_of([_phrase(piece, languages), *_name_phrases(word)]) for word, piece in some)


def _name_phrases(text: str) -> list[str]:
    """``text`` split as names of files are, and as one word; nothing where that is a single word."""
    name = name_words(text)
    if len(name.parts) < 2 or any(part.kind is not Kind.WORD for part in name.parts):
        return []
    whole = "".join(part.written for part in name.parts)
    places = [(part.place, _with_and_without_zeros(part.written)) for part in name.parts]
    return [_chain(places, False), _term(spellings(whole.replace("'", "")))]


def _with_and_without_zeros(word: str) -> list[str]:
    bare = (word.lstrip("0") or "0") if word.isdigit() else word
    return list(dict.fromkeys([*spellings(word.replace("'", "")), bare.replace("'", "")]))


def _phrase(tokens: Tokens, languages: Collection[str], *, anywhere: bool = False) -> str:
    """``anywhere``: it may as well lie in the following cue as a whole."""
    symbols = [asked(token, languages) for token in tokens.tokens if token.kind is Kind.SYMBOL]
    placed = [token for token in tokens.tokens if token.kind is not Kind.SYMBOL][:MAX_PLACES]
    chains = [_chain(_in_places(placed, languages), anywhere)]
    if tokens.compounds:
        chains.append(_chain(_joined(tokens, placed, languages), anywhere))
    return _all_of([_any_of(chains), *(_term(_ahead_too(each) if anywhere else each) for each in symbols)])


def _in_places(tokens: Sequence[Token], languages: Collection[str]) -> list[tuple[int, list[str]]]:
    """(place, lexemes) one after the other; signs in pairs that cover them all."""
    found: list[tuple[int, list[str]]] = []
    number = 0
    while number < len(tokens):
        token = tokens[number]
        run = number
        while run < len(tokens) and tokens[run].kind is Kind.SIGN:
            run += 1
        signs = tokens[number:run]
        if len(signs) < 2:
            found.append((token.place, asked(token, languages)))
            number += 1
            continue
        starts = sorted({*range(0, len(signs) - 1, 2), len(signs) - 2})
        found += [(signs[at].place, [pair(signs[at], signs[at + 1])]) for at in starts]
        number = run
    return found


def _joined(tokens: Tokens, placed: Sequence[Token], languages: Collection[str]) -> list[tuple[int, list[str]]]:
    """The same with every compound written as one word; what follows moves up."""
    found: list[tuple[int, list[str]]] = []
    moved = 0
    compounds = {compound.first: compound for compound in tokens.compounds}
    rest = list(placed)
    while rest:
        compound = compounds.get(rest[0].place)
        if compound is None:
            until = next((n for n, token in enumerate(rest) if token.place in compounds), len(rest))
            found += [(place - moved, lexemes) for place, lexemes in _in_places(rest[:until], languages)]
            rest = rest[until:]
            continue
        found.append((compound.first - moved, asked_whole(compound.written, languages)))
        moved += compound.last - compound.first
        rest = [token for token in rest if token.place > compound.last]
    return found


def _chain(places: Sequence[tuple[int, list[str]]], anywhere: bool) -> str:
    text, last = "", 0
    for number, (place, lexemes) in enumerate(places):
        here = _term(_ahead_too(lexemes) if number or anywhere else lexemes)
        text = f"{text} <{place - last}> {here}" if number else here
        last = place
    return text


def _ahead_too(lexemes: Sequence[str]) -> list[str]:
    return [*lexemes, *(AHEAD + lexeme for lexeme in lexemes)]


def _prefix(pieces: Sequence[Tokens], languages: Collection[str]) -> str:
    """All words, of which the last one is still being typed."""
    last = pieces[-1].tokens[-1]
    beginning = fold(last.written)
    if last.kind is not Kind.WORD or len(beginning) < 2:
        return ""
    before = [token for piece in pieces for token in piece.tokens][:-1]
    return _all_of([*(_term(asked(token, languages)) for token in before), f"'{beginning}':*"])


def _term(lexemes: Sequence[str]) -> str:
    return _any_of([f"'{lexeme}'" for lexeme in lexemes if lexeme])


def _any_of(parts: Iterable[str]) -> str:
    return _joined_by(" | ", parts)


def _all_of(parts: Iterable[str]) -> str:
    return _joined_by(" & ", parts)


def _joined_by(sign: str, parts: Iterable[str]) -> str:
    kept = list(dict.fromkeys(part for part in parts if part))
    return kept[0] if len(kept) == 1 else f"({sign.join(kept)})" if kept else ""
