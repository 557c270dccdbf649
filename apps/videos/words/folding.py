"""One spelling for words that people write in several ways. Pure.

``plain`` brings a text into one Unicode form without what nobody types; ``fold`` takes away case, accents and letters
that many keyboards lack; ``spellings`` are the folded forms under which a word is known ("Übung": ubung, uebung).
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

APOSTROPHE = "'"
HYPHEN = "-"

_APOSTROPHES = "’‘‛`´′ʹʼʻʾʿˈ＇ʽ՚׳"
_HYPHENS = "‐‑‒–—―−﹘﹣－⁃־᐀〜"  # the wave dash stands between numbers, like a hyphen
_DROPPED = "\u0640\u034f\u05f4ـ"  # tatweel, grapheme joiner, gershayim

# Marks that fold: accents, vowel points of Arabic and Hebrew, variation selectors. Not the vowels of Indic and Thai
# script, nor the sound marks of kana: those are letters to their readers.
_FOLDED_MARKS = (
    (0x0300, 0x036F), (0x0483, 0x0489), (0x0591, 0x05BD), (0x05BF, 0x05BF), (0x05C1, 0x05C2), (0x05C4, 0x05C5),
    (0x05C7, 0x05C7), (0x0610, 0x061A), (0x064B, 0x065F), (0x0670, 0x0670), (0x06D6, 0x06DC), (0x06DF, 0x06E4),
    (0x06E7, 0x06E8), (0x06EA, 0x06ED), (0x08CA, 0x08FF), (0x1AB0, 0x1ACE), (0x1DC0, 0x1DFF), (0x20D0, 0x20F0),
    (0xFE00, 0xFE0F), (0xFE20, 0xFE2F), (0xE0100, 0xE01EF),
)  # fmt: skip
_OTHER_LETTERS = {"и\u0306", "у\u0306", "і\u0308"}  # й, ў, ї: letters of their own, no accents
_LETTERS = str.maketrans(
    {
        "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "ħ": "h", "ŧ": "t",
        "ŋ": "n", "ĸ": "k", "ɨ": "i", "ƀ": "b", "ɵ": "o", "ƶ": "z", "ґ": "г",
        # Letters of Arabic script that look and sound alike, and that keyboards exchange.
        "ک": "ك", "ی": "ي", "ى": "ي", "ة": "ه", "ہ": "ه", "ھ": "ه", "ٱ": "ا",
    }
)  # fmt: skip
_EXPANDED = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})


class _Cleaned(dict[int, str]):
    """Code point -> what is left of it before normalisation; filled as characters are met."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        if char in _APOSTROPHES:
            char = APOSTROPHE
        elif char in _HYPHENS:
            char = HYPHEN
        elif char in _DROPPED or unicodedata.category(char) == "Cf" or 0x1F3FB <= code <= 0x1F3FF:
            char = ""  # invisible, or the colour of a skin
        elif unicodedata.category(char) in {"Cc", "Cs"}:
            char = " "
        self[code] = char
        return char


class _Digits(dict[int, str]):
    def __missing__(self, code: int) -> str:
        char = chr(code)
        value = unicodedata.decimal(char, None)
        self[code] = char if value is None else str(value)
        return self[code]


_cleaned, _digits = _Cleaned(), _Digits()


def plain(text: str) -> str:
    """NFKC with one apostrophe, one hyphen and ASCII digits, without invisible characters; case and accents stay."""
    if text.isascii():
        return text.translate(_cleaned)
    # Twice: normalisation brings forth what has to be cleaned, and joins what was apart.
    for _ in range(2):
        text = unicodedata.normalize("NFKC", text.translate(_cleaned)).translate(_digits)
    return text


@lru_cache(maxsize=100_000)
def fold(word: str) -> str:
    """ "Übung", "ubung" and "ＵＢＵＮＧ" are "ubung". Idempotent; may be empty (a lone accent)."""
    if word.isascii():
        return word.translate(_cleaned).lower()
    return _folded(_folded(word))  # what the first pass brings forth


def spellings(word: str) -> tuple[str, ...]:
    """The folded forms of a word, the usual one first: umlauts are also written with an e, å as aa."""
    usual = fold(word)
    if word.isascii():
        return (usual,) if usual else ()
    composed = unicodedata.normalize("NFC", plain(word).lower())
    written_out = fold(composed.translate(_EXPANDED))
    return tuple(dict.fromkeys(form for form in (usual, written_out) if form))


def _folded(word: str) -> str:
    text = plain(plain(word).casefold()).translate(_LETTERS)
    kept: list[str] = []
    for char in unicodedata.normalize("NFD", text):
        if _is_folded_mark(char) and (not kept or kept[-1] + char not in _OTHER_LETTERS):
            continue
        kept.append(char)
    return unicodedata.normalize("NFC", "".join(kept)).translate(_LETTERS)


@lru_cache(maxsize=10_000)
def _is_folded_mark(char: str) -> bool:
    code = ord(char)
    return any(first <= code <= last for first, last in _FOLDED_MARKS)
