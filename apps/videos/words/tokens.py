"""A text taken apart into what can be looked for. Pure.

Words are runs of letters and digits. Scripts that put no spaces between words (Chinese, Japanese, Thai, Lao, Khmer,
Burmese), and Korean, whose words carry their particles, are taken apart into signs instead: a sign is a character with
its marks. Emoji and other pictographs are symbols; they have no place of their own, so that a phrase may have one
inside.

Words that are written together with a hyphen, an apostrophe or a point ("t-shirt", "l'avion", "1,000", "U.S.A.") are
one compound: each part is a word, and the whole is one without its signs ("tshirt").
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from apps.videos.words.folding import fold, plain

MAX_WORD = 100  # characters; what follows in a longer "word" is not looked at
MAX_PARTS = 4  # of a compound; more are a list, an address, a name of a file
_CONTRACTIONS = frozenset({"s", "t", "ll", "re", "ve", "d", "m"})  # after an apostrophe, English

_SPACELESS = (
    (0x0E00, 0x0EFF), (0x1000, 0x109F), (0xA9E0, 0xA9FF), (0xAA60, 0xAA7F), (0x1780, 0x17FF), (0x1950, 0x19DF),
    (0x1A20, 0x1AAF), (0x1100, 0x11FF), (0xA960, 0xA97F), (0xAC00, 0xD7FF), (0x2E80, 0x2FDF), (0x3005, 0x3007),
    (0x3021, 0x3029), (0x3031, 0x3035), (0x303B, 0x303C), (0x3041, 0x309F), (0x30A1, 0x30FA), (0x30FC, 0x30FF),
    (0x3105, 0x312F), (0x3131, 0x318E), (0x31A0, 0x31BF), (0x31F0, 0x31FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF),
    (0xA000, 0xA4CF), (0xF900, 0xFAFF), (0x16FE0, 0x18DFF), (0x1AFF0, 0x1B2FF), (0x20000, 0x323AF),
)  # fmt: skip


class Kind(Enum):
    WORD = "word"
    SIGN = "sign"
    SYMBOL = "symbol"


@dataclass(frozen=True, slots=True)
class Token:
    """``written``: as it stands in the text, for stems. ``place`` counts words and signs from 1; a symbol has that of
    the word before it. ``base``: of a word with 's, the word without it."""

    kind: Kind
    written: str
    place: int
    base: str = ""


@dataclass(frozen=True, slots=True)
class Compound:
    """Parts that were written as one, from place ``first`` to ``last``; ``written`` is the whole without its signs."""

    written: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Tokens:
    tokens: tuple[Token, ...]
    compounds: tuple[Compound, ...]

    @property
    def length(self) -> int:
        """Places."""
        return self.tokens[-1].place if self.tokens else 0


class _Classes(dict[int, str]):
    """Code point -> w word, g sign, m mark, r regional indicator, e symbol, ' or - inside a compound, space: other."""

    def __missing__(self, code: int) -> str:
        self[code] = _class(code)
        return self[code]


def _class(code: int) -> str:
    char = chr(code)
    category = unicodedata.category(char)
    if category[0] == "M":
        return "m"
    if category[0] in "LN":
        # "ﾞ" alone and the like fold to nothing
        return "g" if any(first <= code <= last for first, last in _SPACELESS) else "w"
    if 0x1F1E6 <= code <= 0x1F1FF:
        return "r"
    if category == "So":
        return "e" if code >= 0x2190 else " "
    if char == "'":
        return "'"
    return "-" if char in "-.,_·" else " "


_classes = _Classes()
_PIECES = re.compile(r"w[wm]*(?:[-'][wm]+)*|gm*|rr|[re]")
_JOINTS = re.compile(r"[-']")


@lru_cache(maxsize=4_096)
def tokenize(text: str) -> Tokens:
    """In the order of the text. Any string is taken; one without anything to look for has no tokens."""
    clean = plain(text)
    tokens: list[Token] = []
    compounds: list[Compound] = []
    place = 0
    classes = clean.translate(_classes)
    for piece in _PIECES.finditer(classes):
        written = clean[piece.start() : piece.end()]
        kind = classes[piece.start()]
        if kind in "re":
            tokens.append(Token(Kind.SYMBOL, written, place))
        elif kind == "g":
            place += 1
            tokens.append(Token(Kind.SIGN, written, place))
        else:
            first = place + 1
            for word, base in _words(written, piece.group()):
                if fold(word):
                    place += 1
                    tokens.append(Token(Kind.WORD, word, place, base))
            if first < place <= first + MAX_PARTS - 1:
                whole = "".join(token.written for token in tokens[first - place - 1 :])
                compounds.append(Compound(whole[:MAX_WORD], first, place))
    return Tokens(tuple(tokens), tuple(compounds))


def _words(written: str, classes: str) -> list[tuple[str, str]]:
    """(word, base) of each part; an English contraction is one word."""
    parts: list[tuple[str, str]] = []
    at = 0
    for joint in [*(match.start() for match in _JOINTS.finditer(classes)), len(classes)]:
        part = written[at:joint]
        contracted = at > 0 and classes[at - 1] == "'" and part.lower() in _CONTRACTIONS
        if contracted and parts:
            before, _ = parts[-1]
            parts[-1] = ((before + part)[:MAX_WORD], before if part.lower() == "s" else "")
        else:
            parts.append((part[:MAX_WORD], ""))
        at = joint + 1
    return parts
