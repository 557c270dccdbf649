"""The words in the name of a file. Pure.

A name is written without spaces: "DogPark_final-v2.S01E02.1080p.mkv". It is split at every sign, between letters and
digits and before a capital, and each run of its parts is known as one word as well, so that it is found whole, in parts
and as people remember it: "dog park", "dogpark", "s01e02", "s1e2", "gopr 0123", "gopr123", "2024-01-31".

Technical parts say how the file was encoded ("1080p", "x265", "web-dl", the extension), not what it shows.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from apps.videos.words.folding import fold, plain
from apps.videos.words.tokens import MAX_WORD, Compound, Kind, Token, tokenize

RUN = 4  # parts that are also known as one word
MAX_PARTS = 60  # of a name; a file system takes 255 bytes

EXTENSIONS = frozenset(
    "3gp asf avi divx f4v flv gif m1v m2ts m2v m4v mkv mov mp4 mpeg mpg mts mxf ogv qt ts vob webm wmv".split()
)
_SIGN = r"[ ._-]?"
_TECHNICAL = re.compile(
    r"(?<![^\W_])(?:"
    + "|".join(
        (
            r"\d{3,4}[ip](?:\d{2,3})?",  # 1080p, 1080p60
            r"[248]k|uhd|fhd|qhd|hd|sd",
            r"\d{3,4}x\d{3,4}",
            rf"[xh]{_SIGN}26[3-6]|hevc|avc1?|av1|vp[89]|xvid|divx|mpeg{_SIGN}[124]|mjpeg|prores|dnxh[dr]",
            rf"(?:8|10|12){_SIGN}bits?|hdr(?:10)?(?:\+|p|plus)?|hlg|sdr|dovi|dolby{_SIGN}vision",
            rf"(?:e?ac3|aac|ddp?\+?|ddpa?|dts(?:{_SIGN}(?:hd|x|es|ma))*|truehd|flac|opus|mp[23]|pcm|lpcm)"
            rf"(?:{_SIGN}[12567]\.[0124])?",
            r"[257]\.[01]|atmos",
            rf"web{_SIGN}(?:dl|rip)|blu{_SIGN}ray|b[dr]rip|bd{_SIGN}?remux|remux|dvd{_SIGN}?(?:rip|r|5|9)|hdtv|hdrip"
            rf"|vhs{_SIGN}?rip|(?:ntsc|pal)",
            rf"\d{{2,3}}(?:\.\d+)?{_SIGN}fps",
        )
    )
    + r")(?![^\W_])",
    re.IGNORECASE,
)
_GROUP = re.compile(r"-(?:\[?[^\W_]{2,15}\]?)$")  # who published it: "x264-GROUP", at the end
_STAMP = re.compile(
    r"(?<!\d)((?:19|20)\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])"  # 20240131
    r"(?:([01]\d|2[0-3])([0-5]\d)([0-5]\d)(\d{3})?)?(?!\d)"  # 20240131120000
)
_CLOCK = re.compile(r"([01]\d|2[0-3])([0-5]\d)([0-5]\d)(\d{3})?")  # behind a date: _120000


@dataclass(frozen=True, slots=True)
class NameWords:
    """``parts``: with their places, from 1. ``technical``: the places of technical parts. ``wholes``: parts that were
    written as one, and the whole name. ``runs``: other neighbours as one word, and other ways to write them."""

    parts: tuple[Token, ...]
    technical: frozenset[int]
    wholes: tuple[Compound, ...]
    runs: tuple[Compound, ...]


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Characters between two signs. ``together``: they were not split any further."""

    pieces: tuple[str, ...]
    technical: bool


def name_words(name: str) -> NameWords:
    """Any text is taken. The extension of a video counts as technical."""
    text = plain(name)
    parts: list[Token] = []
    technical: set[int] = set()
    wholes: list[Compound] = []
    for chunk in _chunks(text):
        before = len(parts)
        for piece in chunk.pieces:
            for token in tokenize(piece).tokens[: MAX_PARTS - len(parts)]:
                place = len(parts) + 1
                if token.kind is Kind.WORD and not fold(token.written).replace("'", ""):
                    continue
                parts.append(Token(token.kind, token.written, place, token.base))
                if chunk.technical:
                    technical.add(place)
        whole = "".join(part.written for part in parts[before:])
        if len(parts) - before > 1 and all(part.kind is Kind.WORD for part in parts[before:]):
            wholes.append(Compound(whole[:MAX_WORD], before + 1, len(parts)))
    wholes += _whole_name(parts)
    runs = dict.fromkeys([*_runs(parts), *_dates(parts)])
    return NameWords(
        parts=tuple(parts),
        technical=frozenset(technical),
        wholes=tuple(dict.fromkeys(wholes)),
        runs=tuple(run for run in runs if run not in wholes),
    )


def technical_words(text: str) -> frozenset[str]:
    """Folded words of ``text`` that only say how a file was encoded; the extension of a video by itself is one, too."""
    found = name_words(text)
    technical = {fold(part.written) for part in found.parts if part.place in found.technical}
    return frozenset(technical | {word for word in text.lower().split() if word in EXTENSIONS})


def _chunks(text: str) -> Iterator[_Chunk]:
    technical = _technical_spans(text)
    at = 0
    for start, end in [*technical, (len(text), len(text))]:
        yield from (_Chunk(pieces, False) for pieces in _split(text[at:start]))
        for word in re.findall(r"[^\W_]+", text[start:end]):
            yield _Chunk((word,), True)
        at = end


def _technical_spans(text: str) -> list[tuple[int, int]]:
    """In order, without overlaps."""
    stem, dot, extension = text.rpartition(".")
    if not (dot and stem and extension.lower() in EXTENSIONS):
        stem, extension = text, ""
    spans = [found.span() for found in _TECHNICAL.finditer(stem)]
    group = _GROUP.search(stem)
    if group is not None and any(end == group.start() for _, end in spans):
        spans.append((group.start() + 1, group.end()))
    if extension:
        spans.append((len(stem) + 1, len(text)))
    return spans


def _split(text: str) -> Iterator[tuple[str, ...]]:
    """Each run between signs, as its pieces: "GOPR0123" is ("GOPR", "0123")."""
    dated = False
    for chunk in _between_signs(text):
        stamp = _STAMP.search(chunk)
        clock = _CLOCK.fullmatch(chunk) if dated else None
        dated = False
        if stamp is not None and _is_day(*(int(stamp[number]) for number in (1, 2, 3))):
            before, after = chunk[: stamp.start()], chunk[stamp.end() :]
            yield (*_pieces(before), *filter(None, stamp.groups()), *_pieces(after))
            dated = True
        elif clock is not None:
            yield tuple(filter(None, clock.groups()))
        else:
            yield tuple(_pieces(chunk))


def _between_signs(text: str) -> Iterator[str]:
    """Letters, digits, their marks and apostrophes are kept together; a symbol stands for itself."""
    kept = ""
    for char in text:
        category = unicodedata.category(char)
        if category[0] in "LNM" or char == "'" or char == "\u200d":
            kept += char
            continue
        if kept:
            yield kept
            kept = ""
        if category == "So":
            yield char
    if kept:
        yield kept


def _pieces(chunk: str) -> Iterator[str]:
    """Between letters and digits, and before a capital: "DogPark2" -> Dog, Park, 2; "HTMLFile" -> HTML, File."""
    start = 0
    for at in range(1, len(chunk)):
        before, here = chunk[at - 1], chunk[at]
        if unicodedata.category(here)[0] == "M" or here == "'" or before == "'":
            continue
        following = chunk[at + 1 : at + 2]
        if (
            _is_digit(before) != _is_digit(here)
            or (before.islower() and here.isupper())
            or (before.isupper() and here.isupper() and following.islower())
        ):
            yield chunk[start:at]
            start = at
    if chunk[start:]:
        yield chunk[start:]


def _is_digit(char: str) -> bool:
    return unicodedata.category(char) == "Nd"


def _runs(parts: list[Token]) -> Iterator[Compound]:
    """Two to RUN neighbouring words as one, also without leading zeros; and a number without them."""
    for first in range(len(parts)):
        written = bare = ""
        for last in range(first, min(first + RUN, len(parts))):
            part = parts[last]
            if part.kind is not Kind.WORD:
                break
            written, bare = written + part.written, bare + _without_zeros(part.written)
            if len(written) > MAX_WORD:
                break
            if last > first:
                yield Compound(written, first + 1, last + 1)
            if bare != written:
                yield Compound(bare, first + 1, last + 1)


def _without_zeros(word: str) -> str:
    return (word.lstrip("0") or "0") if word.isdigit() else word


def _whole_name(parts: list[Token]) -> Iterator[Compound]:
    """As people type or paste it: with its extension, and without."""
    words = [part.written for part in parts if part.kind is Kind.WORD]
    if len(words) != len(parts):
        return
    for count in (len(words), len(words) - 1):
        whole = "".join(words[:count])
        if count > 1 and len(whole) <= MAX_WORD:
            yield Compound(whole, 1, count)


def _dates(parts: list[Token]) -> Iterator[Compound]:
    """Three numbers that are a day, as year-month-day and as day-month-year."""
    for first in range(len(parts) - 2):
        words = [part.written for part in parts[first : first + 3]]
        if not all(word.isascii() and word.isdigit() for word in words):
            continue
        one, two, three = words
        days = []
        if len(one) == 4 and len(two) <= 2 and len(three) <= 2:
            days = [(int(one), int(two), int(three))]
        elif len(three) == 4 and len(one) <= 2 and len(two) <= 2:
            days = [(int(three), int(two), int(one)), (int(three), int(one), int(two))]
        for year, month, day in days:
            if _is_day(year, month, day):
                yield Compound(f"{year}{month:02}{day:02}", first + 1, first + 3)
                yield Compound(f"{day:02}{month:02}{year}", first + 1, first + 3)


def _is_day(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return 1900 <= year < 2100
