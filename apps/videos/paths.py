"""Names of files as text that a database, a terminal and a page can hold, and back to the same bytes.

A name on disk is bytes: it may be no UTF-8, and may contain control characters. In the stored text each such byte is
U+241B with two hexadecimal digits ("caf␛e9.mp4"); every other name is stored as it is.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from apps.core.plain import unshown

MARK = "\u241b"  # SYMBOL FOR ESCAPE; printable, and written in this way itself where a name contains it
_MARKED_BYTE = re.compile(re.escape(MARK.encode()) + rb"([0-9a-f]{2})")
_NOT_TEXT = re.compile("[\udc80-\udcff]+")  # bytes that were no UTF-8, as os.fsdecode gives them


def path_text(path: str | os.PathLike[str]) -> str:
    """The text to store and show for a path."""
    text = os.fspath(path)
    if text.isprintable() and MARK not in text:
        return text
    return "".join(_marked(letter) if unshown(letter) or letter == MARK else letter for letter in text)


def path_from(text: str) -> Path:
    """The path that ``path_text`` was given."""
    if MARK not in text:
        return Path(text)
    return Path(os.fsdecode(_MARKED_BYTE.sub(lambda found: bytes.fromhex(found[1].decode()), os.fsencode(text))))


def readable_name(name: str) -> str:
    """A name for people. Bytes that are no UTF-8 are read as Windows-1252, by far the most frequent in old archives;
    control characters become spaces."""
    text = _NOT_TEXT.sub(lambda found: os.fsencode(found[0]).decode("cp1252", errors="replace"), name)
    text = "".join(" " if unshown(letter) else letter for letter in text)
    return text.strip() if text != name else name


def protected_folder(path: str, folders: Sequence[str]) -> str:
    """The first of the folders that the file lies in, at any depth, or ""."""
    for folder in folders:
        root = folder.rstrip("/")
        if path.startswith(f"{root}/"):
            return root or "/"
    return ""


def _marked(letter: str) -> str:
    return "".join(f"{MARK}{byte:02x}" for byte in os.fsencode(letter))
