"""What somebody typed, taken apart. Pure.

``-word`` excludes videos whose title, file name, description or subtitles hold the word; ``"quoted text"`` must occur
in them and is never looked for in pictures; everything else describes what to see.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from apps.videos.words.tokens import tokenize

MAX_CHARACTERS = 10_000
MAX_TERMS = 20  # quoted or excluded; each costs a condition in the database

_QUOTES = str.maketrans({"“": '"', "”": '"', "„": '"', "«": '"', "»": '"'})
_PARTS = re.compile(r'(?P<minus>(?<!\S)-)?"(?P<quoted>[^"]*)"|(?P<word>[^\s"]+)')


# "without candles", "with no red candles or flowers", and the same in German and French.
_WITHOUT = re.compile(
    r"(?<!\S)(?:(?:with|but|and|und|et)\s+)?(?:without|no|ohne|sans)\s+"
    r"(?P<things>[^\s\",;.!?-][^\",;.!?]*)",
    re.IGNORECASE,
)
_ENDS = frozenset(
    "with in on at of from to for by near behind under over between while when who that which is are was were but "
    "mit im am in auf an bei vor hinter unter aber dans sur avec mais".split()
)
_JOINS = frozenset({"and", "or", "und", "oder", "et", "ou"})
_ARTICLES = frozenset("a an any the ein eine einen der die das un une des".split())
_NO_THING = frozenset({"one", "longer", "more", "way", "doubt"})  # "no one", "no longer"
_THING_WORDS = 3


@dataclass(frozen=True, slots=True)
class ParsedQuery:
    text: str  # what to see; "" when only quoted or excluded terms were given
    phrases: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Nothing to look for (exclusions alone find nothing)."""
        return not self.text and not self.phrases


def clean(text: str) -> str:
    """Without what Postgres and tokenizers refuse: NULs, control characters, lone surrogates. One form of Unicode."""
    kept = "".join(
        " " if unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} else char for char in text[: 4 * MAX_CHARACTERS]
    )
    return " ".join(unicodedata.normalize("NFC", kept).split())


def parse_query(text: str) -> ParsedQuery:
    warnings = []
    cleaned = clean(text)
    if len(cleaned) > MAX_CHARACTERS or len(text) > 4 * MAX_CHARACTERS:
        cleaned = cleaned[:MAX_CHARACTERS]
        warnings.append(f"The query was cut to its first {MAX_CHARACTERS:,} characters.")
    words: list[str] = []
    phrases: list[str] = []
    excluded: list[str] = []
    for part in _PARTS.finditer(cleaned.translate(_QUOTES)):
        quoted, word = part["quoted"], part["word"]
        if quoted is not None:
            term = quoted.strip()
            target = excluded if part["minus"] else phrases
        elif _excludes(cleaned, word, part.start()):
            term, target = word.lstrip("-"), excluded
        else:
            term, target = word, words
        if target is not words and not tokenize(term).tokens:
            continue  # signs only: nothing of it is in the index
        if term and (target is words or term not in target[:MAX_TERMS]):
            target.append(term)
    if len(phrases) > MAX_TERMS or len(excluded) > MAX_TERMS:
        warnings.append(f"Only the first {MAX_TERMS} quoted and the first {MAX_TERMS} excluded terms were used.")
    return ParsedQuery(_described(words), tuple(phrases[:MAX_TERMS]), tuple(excluded[:MAX_TERMS]), tuple(warnings))


def leaving_out(text: str) -> tuple[tuple[str, ...], str]:
    """(what the words of the query say to leave out, the query that does so); ((), "") when they say nothing of it.

    A description of a picture knows no "without": "cake without candles" finds cakes with candles.
    """
    things: list[str] = []
    cleaned = clean(text)[:MAX_CHARACTERS].translate(_QUOTES)
    if cleaned.count('"') % 2:
        return (), ""  # a quote that is still being typed
    parts = re.split(r'(-?"[^"]*")', cleaned)
    parts[::2] = [_WITHOUT.sub(lambda found: _excluding(found, things), part) for part in parts[::2]]
    query = " ".join("".join(parts).split())
    offered = parse_query(query)
    if not things or offered.empty or not set(things) <= set(offered.excluded):
        return (), ""
    return tuple(things), query


def _excluding(found: re.Match[str], things: list[str]) -> str:
    """The same part of the query with a minus before each thing; what follows the things stays."""
    words = found["things"].split()
    named: list[list[str]] = [[]]
    used = 0
    for used, word in enumerate(words, start=1):
        low = word.lower()
        if low in _ENDS or word.startswith("-"):
            used -= 1
            break
        if low in _JOINS and named[-1]:
            named.append([])
        elif low not in _ARTICLES:
            named[-1].append(word)
    kept = [
        " ".join(thing) for thing in named if thing and len(thing) <= _THING_WORDS and thing[0].lower() not in _NO_THING
    ]
    if not kept or len(kept) < len([thing for thing in named if thing]):
        return found.group()
    things += kept
    terms = [f'-"{thing}"' if " " in thing else f"-{thing}" for thing in kept]
    return " ".join([*terms, *words[used:]]) + " "


def _excludes(text: str, word: str, at: int) -> bool:
    """``-dog`` at the start of a word; not ``t-shirt``, not a lone dash."""
    return word.startswith("-") and bool(word.strip("-")) and (at == 0 or text[at - 1].isspace())


def _described(words: list[str]) -> str:
    """The words as one text, or "" when there is nothing in them but dashes and punctuation."""
    joined = " ".join(words)
    meaningful = any(unicodedata.category(char)[0] in "LNS" for char in joined)
    return joined if meaningful else ""
