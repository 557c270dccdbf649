"""Text that comes from people and files, made safe to show: on a page, in a log, on a terminal.

Control characters move the cursor of a terminal and end lines of a log; characters that turn the direction of writing
reorder what stands around them. Neither belongs in a name.
"""

from __future__ import annotations

import json
import unicodedata
from typing import Any

_UNSHOWN_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})  # control characters, lone surrogates, line separators
_TURN_TEXT = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def unshown(letter: str) -> bool:
    """Whether a character must not be shown as it is."""
    return unicodedata.category(letter) in _UNSHOWN_CATEGORIES or letter in _TURN_TEXT


def storable(text: str) -> bool:
    """Whether Postgres takes it: no NUL, and no half of a surrogate pair, which UTF-8 cannot write."""
    return "\x00" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def one_line(text: str) -> str:
    """A name, a title: what must not be shown becomes a space, and the ends are trimmed."""
    return "".join(" " if unshown(letter) else letter for letter in text).strip()


def lines(text: str) -> str:
    """A description, a note: the same, but lines and tabs stay."""
    whole = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(" " if unshown(letter) and letter not in "\n\t" else letter for letter in whole).strip()


def json_text(value: Any, *, indent: int | None = None, allow_nan: bool = True) -> str:
    """JSON that a terminal can show: letters of all languages as they are, the rest as ``\\u202e``."""
    text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=allow_nan)
    return "".join(json.dumps(letter)[1:-1] if unshown(letter) and letter != "\n" else letter for letter in text)


def escaped(text: str) -> str:
    """For terminals and logs, where nothing may get lost: "a\\x1b[31mb", "a\\u202eb", "a\\nb"."""
    if text.isprintable():
        return text
    return "".join(ascii(letter)[1:-1] if unshown(letter) else letter for letter in text)
