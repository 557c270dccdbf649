"""Which copy of a duplicate group to keep, with the reasons for people. Pure; a suggestion, never a decision.

Criteria in order: its file is there, a protected folder, resolution, picture quality (bit rate weighed by codec),
completeness, audio, age. What lies in a protected folder is always kept, so it comes before the qualities; a copy
whose file is missing is never proposed.
A later criterion speaks only where all earlier ones leave copies about equal.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

Id = TypeVar("Id", bound=Hashable)

# Bits that a codec needs for the same picture, H.264 = 1: a lower figure makes each of its bits worth more.
CODEC_COST = {
    "av1": 0.5, "hevc": 0.6, "h265": 0.6, "vp9": 0.65, "h264": 1.0, "avc1": 1.0, "vp8": 1.1, "mpeg4": 1.6,
    "msmpeg4v3": 1.8, "wmv3": 1.5, "flv1": 2.2, "mpeg2video": 2.2, "mpeg1video": 3.0, "mjpeg": 6.0, "gif": 8.0,
}  # fmt: skip
UNKNOWN_CODEC_COST = 1.0
RESOLUTION_TOLERANCE = 0.02  # shares below which two copies count as equal
QUALITY_TOLERANCE = 0.10
DURATION_TOLERANCE = 0.01


@dataclass(frozen=True, slots=True)
class MemberFacts(Generic[Id]):
    """What is known of one copy. 0, "" and None mean unknown and never beat something known."""

    id: Id
    width: int = 0
    height: int = 0
    bit_rate: int = 0  # bits a second
    video_codec: str = ""
    duration_seconds: float = 0.0
    audio_codec: str = ""
    added_at: datetime | None = None  # all with a time zone or all without
    protected_folder: str = ""  # the one that it lies in
    missing: bool = False  # its file is not there


def quality(facts: MemberFacts[Any]) -> float:
    """Bit rate in H.264 terms; 0 when unknown."""
    return facts.bit_rate / CODEC_COST.get(facts.video_codec.lower(), UNKNOWN_CODEC_COST)


def propose_keeper(members: Sequence[MemberFacts[Id]]) -> tuple[Id | None, list[str]]:
    """The id of the copy to keep and the reasons, the deciding one first; None when the files of all are missing.

    With nothing to choose between copies the first in order of id as text is kept, and the reason says so.
    """
    if not members:
        raise ValueError("a group without videos has no copy to keep")
    if len({m.id for m in members}) != len(members):
        raise ValueError("a video is listed twice in one group")
    if all(m.missing for m in members):
        return None, ["the files of all copies are missing, so none is suggested"]
    left = sorted(members, key=lambda m: str(m.id))
    if len(left) == 1:
        return left[0].id, ["it is the only copy"]
    deciding: list[tuple[_Criterion, MemberFacts[Id]]] = []
    for criterion in _CRITERIA:
        best = max(criterion.value(m) for m in left)
        top = [m for m in left if criterion.value(m) >= best * (1 - criterion.tolerance)]
        if len(top) < len(left):
            # the reason compares with the best of those that are left behind
            deciding.append((criterion, max((m for m in left if m not in top), key=criterion.value)))
        left = top
    oldest = _oldest(left) if len(left) > 1 else None
    keep = oldest or left[0]
    reasons = [criterion.explain(keep, runner_up) for criterion, runner_up in deciding]
    if oldest is not None:
        reasons.append("it has been in the library longest")
    if not reasons:
        reasons.append("the copies are equal in every respect that was compared, so the first one is kept")
    return keep.id, reasons


def _resolution_reason(keep: MemberFacts[Any], other: MemberFacts[Any]) -> str:
    if not other.width * other.height:
        return f"its resolution is known ({keep.width} x {keep.height})"
    return f"it has the higher resolution ({keep.width} x {keep.height} against {other.width} x {other.height})"


def _quality_reason(keep: MemberFacts[Any], other: MemberFacts[Any]) -> str:
    if not other.bit_rate:
        return f"its bit rate is known ({_rate(keep)})"
    if keep.bit_rate <= other.bit_rate:
        return f"its codec is more efficient ({_rate(keep)} {_codec(keep)} against {_rate(other)} {_codec(other)})"
    return f"it has the higher bit rate ({_rate(keep)} {_codec(keep)} against {_rate(other)} {_codec(other)})"


def _duration_reason(keep: MemberFacts[Any], other: MemberFacts[Any]) -> str:
    if not other.duration_seconds:
        return f"its duration is known ({keep.duration_seconds:.1f} s)"
    return f"it is more complete ({keep.duration_seconds:.1f} s against {other.duration_seconds:.1f} s)"


def _rate(facts: MemberFacts[Any]) -> str:
    thousands = facts.bit_rate / 1000
    return f"{thousands / 1000:.1f} Mbit/s" if thousands >= 1000 else f"{thousands:.0f} kbit/s"


def _codec(facts: MemberFacts[Any]) -> str:
    return facts.video_codec or "unknown codec"


def _oldest(members: Sequence[MemberFacts[Id]]) -> MemberFacts[Id] | None:
    """The member that was added strictly before all others of known date, or None."""
    dated = [(m.added_at, m) for m in members if m.added_at is not None]
    if not dated:
        return None
    first = min(when for when, _ in dated)
    earliest = [m for when, m in dated if when == first]
    return earliest[0] if len(earliest) == 1 else None


@dataclass(frozen=True, slots=True)
class _Criterion:
    value: Callable[[MemberFacts[Any]], float]
    tolerance: float  # share of the best value that still counts as equal to it
    explain: Callable[[MemberFacts[Any], MemberFacts[Any]], str]


_CRITERIA = (  # in order of importance
    _Criterion(
        lambda m: float(not m.missing), 0.0, lambda keep, other: "its file is there, and that of another copy is not"
    ),
    _Criterion(
        lambda m: float(bool(m.protected_folder)),
        0.0,
        lambda keep, other: f"it is in the protected folder {keep.protected_folder}",
    ),
    _Criterion(lambda m: float(m.width * m.height), RESOLUTION_TOLERANCE, _resolution_reason),
    _Criterion(quality, QUALITY_TOLERANCE, _quality_reason),
    _Criterion(lambda m: m.duration_seconds, DURATION_TOLERANCE, _duration_reason),
    _Criterion(lambda m: float(bool(m.audio_codec)), 0.0, lambda keep, other: "it has sound and the other does not"),
)
