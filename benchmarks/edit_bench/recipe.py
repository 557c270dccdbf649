"""What a made video consists of, and which seconds of it show which seconds of which library video."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Layout = Literal["plain", "beside", "stacked", "inset"]
VERSION = 1  # raise it when the same recipe is rendered differently
MIN_TRUE_SECONDS = 0.5  # a shorter common span is no ground truth
DECIMALS = 3


@dataclass(frozen=True, slots=True)
class Drawn:
    """A picture that is laid over the frame. ``x`` and ``y`` are ffmpeg expressions of W, H, w, h and t."""

    kind: Literal["logo", "caption", "sticker", "title"]
    width: int
    height: int
    text: str = ""
    colour: str = "#e62828"
    x: str = "0"
    y: str = "0"


@dataclass(frozen=True, slots=True)
class Look:
    """How the picture is changed: an ffmpeg filter chain, then pictures on top. ``params`` says it for people."""

    chain: str = ""
    pictures: tuple[Drawn, ...] = ()
    params: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Piece:
    """Seconds ``start`` to ``end`` of a source, played at ``speed``, then ``hold`` seconds of the last frame.

    ``source`` is a source's id, or an ffmpeg (lavfi) graph that draws a picture when ``generated``.
    """

    source: str
    start: float
    end: float
    speed: float = 1.0
    reversed: bool = False
    hold: float = 0.0
    look: Look = field(default_factory=Look)
    generated: bool = False
    true: bool = True  # False: shows nothing that counts as a copy (a still, a filler)
    edit: str = ""  # the name in the ground truth; that of the recipe by default
    shared_asset: bool = False

    @property
    def seconds(self) -> float:
        return (self.end - self.start) / self.speed + self.hold


@dataclass(frozen=True, slots=True)
class Recipe:
    """One video to make. Each track is a sequence of pieces; ``layout`` says how two tracks share the picture."""

    edit: str
    tracks: tuple[tuple[Piece, ...], ...]
    size: tuple[int, int]  # canvas, even
    layout: Layout = "plain"
    fit: Literal["squeeze", "crop", "bars"] = "bars"  # how a track fills its half
    inset: tuple[float, float, float, int] = (0.5, 0.0, 0.0, 0)  # share of the width; x, y of the free room; border px
    crf: int = 26
    fps: float = 25.0
    negative: str = ""  # the kind of negative; "" for a copy
    params: dict[str, Any] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        return min(sum(piece.seconds for piece in track) for track in self.tracks)

    @property
    def key(self) -> str:
        """What the rendered file depends on, as a short hash; the ground truth's names are not in it."""
        return hashlib.sha256(json.dumps([VERSION, asdict(self)], sort_keys=True).encode()).hexdigest()[:20]


@dataclass(frozen=True, slots=True)
class Reference:
    """A library video: it shows ``start`` to ``end`` of ``source`` from its second ``offset`` on."""

    id: str
    video: str
    source: str
    start: float
    end: float
    offset: float = 0.0
    intro: str = ""  # the shared opening in front of it, as the source of its pieces
    intro_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class LabelledSpan:
    reference: str
    query: tuple[float, float]
    reference_span: tuple[float, float]
    edit: str
    shared_asset: bool = False

    def as_dict(self) -> dict[str, Any]:
        row: dict[str, Any] = {
            "reference": self.reference,
            "query": list(self.query),
            "reference_span": list(self.reference_span),
            "edit": self.edit,
        }
        return row | {"shared_asset": True} if self.shared_asset else row


def map_piece(
    piece: Piece, clock: float, until: float, start: float, end: float, offset: float
) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """(query span, reference span) of a piece that begins at ``clock``, in a video that ends at ``until``.

    The reference shows seconds ``start`` to ``end`` of the source from its second ``offset`` on. None: too little.
    """
    moving = (piece.end - piece.start) / piece.speed
    shown = min(moving, until - clock)  # query seconds of this piece before the video ends
    first, last = piece.start, piece.end
    if piece.reversed:
        first = max(first, piece.end - shown * piece.speed)
    else:
        last = min(last, piece.start + shown * piece.speed)
    low, high = max(first, start), min(last, end)
    if high - low < MIN_TRUE_SECONDS or (high - low) / piece.speed < MIN_TRUE_SECONDS:
        return None
    if piece.reversed:
        query = (clock + (piece.end - high) / piece.speed, clock + (piece.end - low) / piece.speed)
    else:
        query = (clock + (low - piece.start) / piece.speed, clock + (high - piece.start) / piece.speed)
    reference = (low - start + offset, high - start + offset)
    return _rounded(query), _rounded(reference)


def _rounded(span: tuple[float, float]) -> tuple[float, float]:
    return round(span[0], DECIMALS), round(span[1], DECIMALS)


def truth_of(recipe: Recipe, references: Iterable[Reference]) -> list[LabelledSpan]:
    """Every span of the made video that a library video shows as well; both sources of a composite count."""
    found = []
    library = list(references)
    for track in recipe.tracks:
        clock = 0.0
        for piece in track:
            for reference in library if piece.true else ():
                if piece.shared_asset and reference.intro == piece.source:
                    spans = map_piece(piece, clock, recipe.seconds, 0.0, reference.intro_seconds, 0.0)
                elif not piece.generated and reference.source == piece.source:
                    spans = map_piece(piece, clock, recipe.seconds, reference.start, reference.end, reference.offset)
                else:
                    continue
                if spans:
                    name = piece.edit or recipe.edit
                    found.append(LabelledSpan(reference.id, *spans, name, piece.shared_asset))
            clock += piece.seconds
    return found
