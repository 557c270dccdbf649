"""The spoken words of a cue without tags, style codes, drawings and notes. All patterns take linear time."""

from __future__ import annotations

import html
import re
import unicodedata

MAX_TEXT = 1_000  # characters of one cue
MAX_MARKUP = 16_000  # characters of a cue with its codes; what follows is dropped unread

_TAG = re.compile(
    r"<\s?/?\s?(?:b|i|u|s|c|v|font|lang|ruby|rt|rb|rp|span|p|em|strong|div|tt|small|big)(?=[\s.>/])[^<>]{0,300}>"
    r"|<\d[\d:.,]{2,20}>",
    re.IGNORECASE,
)
_READING_AID = re.compile(r"<rt[^<>]{0,50}>[^<>]{0,100}</rt\s?>", re.IGNORECASE)
_LINE_TAG = re.compile(r"<\s?/?\s?br\s?/?\s?>", re.IGNORECASE)
_DRAWING = re.compile(r"\\p(\d{1,2})")
_CODES_OF_SRT = re.compile(r"\\|[yYfFsScCpP]:")  # at the beginning of braces; other braces are words there
_OPEN_CODE = re.compile(r"\{\\\S*")
_VECTORS = re.compile(r"m(?:\s+-?\d[\d.]*){2}(?:\s+(?:[mnlbspc]|-?\d[\d.]*))*\s*")
_KEPT_JOINERS = frozenset("\u200c\u200d")  # they are part of words and of emoji


def plain_text(markup: str, *, is_ass: bool = False) -> str:
    """The words, each line of the cue on a line of its own; "" when there are none.

    ``is_ass``: everything in braces is a code or a note. In other formats only codes in braces are removed.
    """
    text = _without_codes(markup[:MAX_MARKUP], is_ass=is_ass)
    text = text.replace("\\N", "\n").replace("\\h", " ")
    if is_ass:
        text = text.replace("\\n", "\n")
    text = _TAG.sub("", _LINE_TAG.sub("\n", _READING_AID.sub("", text)))
    lines = [" ".join(_shown(line).split()) for line in html.unescape(text).split("\n")]
    words = "\n".join(line for line in lines if line)[:MAX_TEXT].rstrip()
    return "" if _VECTORS.fullmatch(words) else words


def _without_codes(text: str, *, is_ass: bool) -> str:
    """Without the codes in braces, and without what is drawn between ``{\\p1}`` and ``{\\p0}``."""
    kept, at, draws = [], 0, False
    while (opening := text.find("{", at)) >= 0:
        closing = text.find("}", opening)
        if closing < 0:
            break
        inside = text[opening + 1 : closing]
        is_code = text[opening - 1 : opening] != "\\" if is_ass else bool(_CODES_OF_SRT.match(inside))
        end = opening if is_code else closing + 1
        if not draws:
            kept.append(text[at:end])
        at = closing + 1
        if is_code and (drawings := _DRAWING.findall(inside)):
            draws = int(drawings[-1]) > 0
    if not draws:
        kept.append(_OPEN_CODE.sub("", text[at:]))
    return "".join(kept)


def _shown(line: str) -> str:
    if line.isprintable():
        return line
    return "".join(letter if letter.isprintable() else _instead_of(letter) for letter in line)


def _instead_of(letter: str) -> str:
    if letter in _KEPT_JOINERS:
        return letter
    return "" if unicodedata.category(letter) == "Cf" else " "
