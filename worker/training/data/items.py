"""What manifests are made of: items, and what is wrong with lines, items and whole files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ORIGINS = ("caption", "title", "subtitle", "feedback")


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a manifest: exactly one of ``video`` and ``frames``, and at least one caption."""

    id: str
    captions: tuple[str, ...]
    video: Path | None = None
    frames: tuple[Path, ...] = ()
    group: str = ""  # same-source group; "" = its own
    weight: float = 1.0  # feedback is weak: < 1
    origin: str = "caption"  # one of ORIGINS

    @property
    def media(self) -> tuple[Path, ...]:
        return (self.video,) if self.video is not None else self.frames


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one line or item, for people. ``line`` counts from 1; 0 where it is not known."""

    line: int
    id: str
    code: str
    message: str

    def __str__(self) -> str:
        parts = [f"line {self.line}" if self.line else "", f"({self.id})" if self.id else ""]
        place = " ".join(part for part in parts if part)
        return f"{place}: {self.message}" if place else self.message


class ManifestError(Exception):
    """The whole file cannot be used; ``message`` says what to do."""

    def __init__(self, code: str, message: str) -> None:
        self.code, self.message = code, message
        super().__init__(message)

    def __reduce__(self) -> tuple[object, ...]:  # survives a trip between processes
        return (ManifestError, (self.code, self.message))


class Fault(Exception):
    """One line cannot be used: code and message of its Problem."""

    def __init__(self, code: str, message: str) -> None:
        self.code, self.message = code, message
        super().__init__(message)
