"""Which clips of a folder are edits of one source, and which half of the sources may be looked at while developing."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Literal

SUFFIXES = frozenset({".mp4", ".mkv", ".webm", ".m4v", ".mov"})
Split = Literal["dev", "test"]
ALIASES = {"thorn_apache2/v2s": "thorn_apache2/v2"}  # the same flight, played faster


def family(path: Path) -> str:
    """Clips that are edits of one source share their first word in these folders: cat.1, cat.2, chair-22-..."""
    edited = ("viddupfinder", "threatexchange", "thorn")
    stem = re.split(r"[.-]", path.stem)[0] if path.parent.name.startswith(edited) else path.stem
    name = f"{path.parent.name}/{stem}"
    return ALIASES.get(name, name)


def split_of(name: str) -> Split:
    """The half that a family belongs to: by the first byte of its name's sha256, even is dev, odd is test."""
    return "dev" if hashlib.sha256(name.encode()).digest()[0] % 2 == 0 else "test"


def clips_in(folder: Path) -> list[Path]:
    """Every clip below ``folder``, in a fixed order."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
