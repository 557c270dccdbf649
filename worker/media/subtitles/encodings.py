"""Bytes of a subtitle file as text, whatever its encoding.

Byte order marks, zero bytes and valid UTF-8 decide first. For the rest, the text is decoded in every usual way, and the
reading counts that looks most like a language which is written so: the reading needs words, so it works on single lines
where statistics of bytes do not. charset-normalizer is asked only where none of the usual encodings fits.
"""

from __future__ import annotations

import codecs
import math
import re
import unicodedata
from functools import lru_cache

from charset_normalizer import from_bytes
from py3langid import langid

SAMPLE_BYTES = 8_000  # of the lines with letters; decides as well as the whole file
ODD_AT_MOST = 0.2  # share of signs that no text has; above it none of the usual encodings fits
FEW_LETTERS = 8  # beyond ASCII; with more of them it matters less how rare an encoding is
ZERO_SHARE = 0.1  # UTF-16 without a mark: every other byte of line ends, numbers and times is zero

# Encoding -> how rare it is (what its reading must be better by), and the languages (ISO 639-1) that are written in it.
ENCODINGS: dict[str, tuple[float, frozenset[str]]] = {
    name: (rarity, frozenset(languages.split()))
    for name, rarity, languages in (
        ("cp1252", 0.0, "en de fr es it pt nl sv da nb nn no fi is ca gl eu af sq id ms tl sw lb br oc fo ga"),
        ("cp1251", 0.0, "ru uk bg be mk sr kk mn ky tt"),
        ("gb18030", 0.05, "zh"),
        ("cp932", 0.05, "ja"),
        ("cp1250", 0.1, "pl cs sk hu ro sl hr bs sr sq de"),
        ("cp949", 0.1, "ko"),
        ("big5hkscs", 0.15, "zh"),
        ("cp1254", 0.15, "tr az"),
        ("cp1255", 0.15, "he"),
        ("koi8_r", 0.15, "ru"),
        ("koi8_u", 0.2, "uk"),
        ("iso8859_2", 0.15, "pl cs sk hu ro sl hr bs sr"),
        ("iso8859_15", 0.2, "fr fi et"),
        ("cp866", 0.25, "ru be uk bg"),
        ("iso8859_5", 0.3, "ru bg mk sr be"),
        ("euc_jp", 0.2, "ja"),
        ("cp1256", 0.3, "ar fa ur"),
        ("cp1257", 0.3, "lt lv et"),
        ("iso8859_13", 0.35, "lt lv et"),
        ("cp850", 0.3, "en de fr es it pt nl sv da nb no fi"),
        ("cp852", 0.3, "pl cs sk hu ro sl hr bs"),
        ("cp1253", 0.4, "el"),
        ("iso8859_7", 0.45, "el"),
        ("iso8859_6", 0.45, "ar"),
        ("cp1258", 0.5, "vi"),
        ("cp874", 0.6, "th"),
    )
}
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_ISO_2022_JP = (b"\x1b$B", b"\x1b$@", b"\x1b(J")
_IN_WORDS = frozenset("’´`·‘־")
_USUAL_SIGNS = frozenset("¿¡«»„“”‘’…–—•°©®™€£§№·´`‚‹›\xa0♪♫־")
_WIDE_SIGNS = frozenset("，。？！、：；「」『』（）…～・【】《》〈〉—　％ー")
_CODES_OF_ASS = re.compile(rb"\{[^{}\r\n]{0,500}\}")
_BEFORE_TEXT_OF_ASS = re.compile(rb"^\s{0,9}Dialogue:(?:[^,\r\n]{0,200},){9}", re.IGNORECASE)
_SCRIPTS_OF_ONE = {"HIRAGANA": "CJK", "KATAKANA": "CJK", "KATAKANA-HIRAGANA": "CJK", "IDEOGRAPHIC": "CJK"}


def decode_text(data: bytes, language: str = "") -> str:
    """``language``: of the text where it is known ("ru", "zh-TW"), or "". Never fails: what fits nowhere is U+FFFD."""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    wide = _utf_16_without_mark(data)
    if wide:
        return data.decode(wide, "replace")
    if any(sign in data for sign in _ISO_2022_JP):
        return data.decode("iso2022_jp_2", "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    return _legacy_text(data, language.partition("-")[0].lower())


def _utf_16_without_mark(data: bytes) -> str:
    head = data[:SAMPLE_BYTES]
    pairs = len(head) // 2
    even, odd = head[: 2 * pairs : 2].count(0), head[1 : 2 * pairs : 2].count(0)
    if pairs and max(even, odd) > ZERO_SHARE * pairs and max(even, odd) > 8 * min(even, odd):
        return "utf-16-le" if odd > even else "utf-16-be"
    return ""


def _legacy_text(data: bytes, language: str) -> str:
    """Lines that are UTF-8 stay so where they are at least as many as the others: files are put together from parts."""
    lines = data.splitlines(keepends=True)
    others = [line for line in lines if not line.isascii() and not _is_utf8(line)]
    as_utf8 = sum(not line.isascii() for line in lines) - len(others)
    if as_utf8 < len(others) or not as_utf8:
        return data.decode(best_encoding(data, language), "replace")
    encoding = best_encoding(b"".join(others), language)
    return "".join(line.decode("utf-8" if _is_utf8(line) else encoding, "replace") for line in lines)


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def best_encoding(data: bytes, language: str = "") -> str:
    """For bytes that are no Unicode. ``language``: two letters or ""; it narrows the choice where it is known here."""
    sample = _sample(data)
    candidates = [name for name, (_, languages) in ENCODINGS.items() if language in languages]
    best, odd = _best_of(candidates or list(ENCODINGS), sample)
    if odd > ODD_AT_MOST and candidates:
        best, odd = _best_of(list(ENCODINGS), sample)  # the name of the file was wrong
    if odd > ODD_AT_MOST:
        found = from_bytes(sample).best()
        return found.encoding if found is not None else "cp1252"
    return best


def _best_of(names: list[str], sample: bytes) -> tuple[str, float]:
    """(encoding, its share of odd signs)"""
    scored = []
    doubt = min(1.0, FEW_LETTERS / max(1, sum(byte >= 0x80 for byte in sample)))
    for name in names:
        text = sample.decode(name, "replace")
        odd = oddness(text)
        rarity, languages = ENCODINGS[name]
        scored.append((math.log(_share_of(languages, text) + 1e-9) / 4 - 3 * odd - rarity * doubt, name, odd))
    _, name, odd = max(scored, key=lambda one: one[0])
    return name, odd


def _share_of(languages: frozenset[str], text: str) -> float:
    """How much speaks for the likeliest of ``languages``, of 1 over all languages."""
    ranked = langid.rank(text)
    soft = 1.0 / math.sqrt(max(1, len(text.encode("utf-8", "surrogatepass"))))
    top = ranked[0][1]
    weights = {name: math.exp((float(score) - top) * soft) for name, score in ranked}
    return max(weights.get(name, 0.0) for name in languages) / sum(weights.values())


def oddness(text: str) -> float:
    """Share of the letters beyond ASCII that are where no text has them: signs, a capital within a word, scripts mixed
    in one word, a vowel sign without its letter."""
    odd, seen, before = 0.0, 0, " "
    for letter, after in zip(text, text[1:] + " ", strict=True):
        if letter >= "\x80":
            seen += 1
            odd += _oddness_of(letter, before, after)
        before = letter
    return odd / max(1, seen)


def _oddness_of(letter: str, before: str, after: str) -> float:
    category = unicodedata.category(letter)
    in_word = before.isalpha() and before not in _WIDE_SIGNS
    if letter in _IN_WORDS:
        return 0.05
    if letter in _USUAL_SIGNS:
        return 0.1 + 0.9 * (in_word and after.isalpha())
    if letter in _WIDE_SIGNS:
        return 0.05
    if category[0] == "L":
        if in_word and (_script(before) != _script(letter) or (category == "Lu" and before.islower())):
            return 1.0
        return 0.8 if "\uff61" <= letter <= "\uff9f" else 0.1 * (category == "Lu")
    follows_letter = before.isalpha() or unicodedata.category(before)[0] == "M"
    return 0.0 if category[0] == "M" and follows_letter else 1.0


@lru_cache(maxsize=4096)
def _script(letter: str) -> str:
    first = unicodedata.name(letter, "?").split()[0]
    return _SCRIPTS_OF_ONE.get(first, first)


def _sample(data: bytes) -> bytes:
    """Lines with words: first those that are not ASCII, which have to be told apart, then others for their language."""
    telling, others = [], []
    room, room_for_others = SAMPLE_BYTES, SAMPLE_BYTES // 4
    for line in data.splitlines():
        if b"-->" in line:
            continue
        words = _CODES_OF_ASS.sub(b"", _BEFORE_TEXT_OF_ASS.sub(b"", line))
        if not words.isascii() and room > 0:
            telling.append(words[:room])
            room -= len(words) + 1
        elif room_for_others > 0 and b":" not in words:
            others.append(words[:room_for_others])
            room_for_others -= len(words) + 1
    return b"\n".join((*telling, *others))
