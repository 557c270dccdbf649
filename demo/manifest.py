"""What is known about every rendered file: read and written as ``manifest.json`` beside the files."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

MANIFEST_NAME = "manifest.json"


@dataclass(frozen=True, slots=True)
class ShotEntry:
    start: float
    end: float
    kind: str
    caption: str
    captions: list[str]


@dataclass(frozen=True, slots=True)
class ClipEntry:
    """One original clip. Times in seconds from its first frame."""

    file: str
    title: str
    caption: str
    captions: list[str]  # the same said otherwise
    tags: list[str]
    shots: list[ShotEntry]
    duration: float
    recipe: str
    subtitles: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class SpanEntry:
    """``query`` seconds of the copy show ``reference`` seconds of ``source``."""

    query: tuple[float, float]
    reference: tuple[float, float]
    source: str


@dataclass(frozen=True, slots=True)
class CopyEntry:
    """One edited copy of one or more clips."""

    file: str
    title: str
    edit: str
    sources: list[str]
    spans: list[SpanEntry]
    duration: float
    recipe: str


@dataclass(frozen=True, slots=True)
class Manifest:
    seed: int
    clips: list[ClipEntry]
    copies: list[CopyEntry]

    def write(self, folder: Path) -> None:
        part = folder / (MANIFEST_NAME + ".part")
        part.write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        part.replace(folder / MANIFEST_NAME)

    def only(self, files: set[str]) -> Manifest:
        """The entries of these files, in order."""
        return Manifest(
            self.seed, [c for c in self.clips if c.file in files], [c for c in self.copies if c.file in files]
        )


def recipes_on_record(folder: Path) -> dict[str, str]:
    """File name -> recipe hash of what an earlier run finished; empty when there is no readable manifest."""
    try:
        kept = json.loads((folder / MANIFEST_NAME).read_text(encoding="utf-8"))
        return {entry["file"]: entry["recipe"] for entry in [*kept["clips"], *kept["copies"]]}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
