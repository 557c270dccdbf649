"""What somebody typed, taken apart. Pure.

``-word`` excludes videos whose title, file name, description or subtitles hold the word; ``"quoted text"`` must occur
in them and is never looked for in pictures; everything else describes what to see.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

MAX_CHARACTERS = 10_000
MAX_TERMS = 20  # quoted or excluded; each costs a condition in the database

_QUOTES = str.maketrans({"“": '"', "”": '"', "„": '"', "«": '"', "»": '"'})
_PARTS = re.compile(r'(?P<minus>(?<!\S)-)?"(?P<quoted>[^"]*)"|(?P<word>[^\s"]+)')


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
        if term and (target is words or term not in target[:MAX_TERMS]):
            target.append(term)
    if len(phrases) > MAX_TERMS or len(excluded) > MAX_TERMS:
        warnings.append(f"Only the first {MAX_TERMS} quoted and the first {MAX_TERMS} excluded terms were used.")
    return ParsedQuery(_described(words), tuple(phrases[:MAX_TERMS]), tuple(excluded[:MAX_TERMS]), tuple(warnings))


def _excludes(text: str, word: str, at: int) -> bool:
    """``-dog`` at the start of a word; not ``t-shirt``, not a lone dash."""
    return word.startswith("-") and bool(word.strip("-")) and (at == 0 or text[at - 1].isspace())


def _described(words: list[str]) -> str:
    """The words as one text, or "" when there is nothing in them but dashes and punctuation."""
    joined = " ".join(words)
    meaningful = any(unicodedata.category(char)[0] in "LNS" for char in joined)
    return joined if meaningful else ""
