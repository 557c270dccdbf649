"""The nouns that worker packages pass to each other. Standard library and numpy only.

Times are float seconds on the player's clock (``worker.media.decode.clock``); spans are ``[start, end)``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Role = Literal["semantic", "copy"]
FloatArray = NDArray[np.float32]
ByteImage = NDArray[np.uint8]  # (H, W, 3) RGB


@dataclass(frozen=True, slots=True)
class Colors:
    """What the numbers of a picture stand for."""

    matrix: str = "bt709"  # from Y'CbCr to R'G'B', by FFmpeg's name; "gbr": it is R'G'B' already, or grey
    full_range: bool = False
    transfer: Literal["sdr", "pq", "hlg"] = "sdr"
    gamut: Literal["bt709", "bt2020", "p3"] = "bt709"


@dataclass(frozen=True, slots=True)
class ProbeFacts:
    """What the container and its chosen picture track say, plus what decoding confirmed."""

    container: str  # "mov,mp4,...", as FFmpeg names it
    video_codec: str
    width: int  # as displayed, after rotation and sample aspect ratio
    height: int
    rotation: int  # 0, 90, 180, 270 degrees clockwise
    duration_seconds: float  # the header's claim until decoding has confirmed it
    frames_per_second: float  # average; 0.0 when unknown
    bit_rate: int  # bits a second over the whole file; 0 when unknown
    size_bytes: int
    audio_codec: str  # "" when there is no audio
    pixel_format: str
    subtitle_streams: tuple[int, ...] = ()  # stream indices of text subtitles
    picture_stream: int = 0  # stream index of the picture track that is decoded and played
    is_first_picture: bool = True  # of all picture tracks in the file
    other_pictures: int = 0  # further picture tracks with moving pictures, which are not read
    picture_subtitles: int = 0  # subtitle tracks that are pictures of text, which are not read
    mirrored: bool = False  # left and right are exchanged after the rotation
    upright_by_codec: bool = False  # rotation and mirror are in the picture stream, where browsers do not look
    interlacing: Literal["", "marked", "tff", "bff"] = ""  # by the frames, or the order that only the container says
    colors: Colors = Colors()
    white_nits: float = 0.0  # of an HDR video: the light that becomes the white of its pictures
    clock_zero: float = 0.0  # seconds on the file's own clock at which the player's clock says 0


@dataclass(frozen=True, slots=True)
class SampledFrame:
    """One decoded frame that was kept, scaled to fit (short side at most 256 px), upright."""

    time: float
    image: ByteImage
    reason: Literal["grid", "change"]  # "change": kept because the content changed between grid points
    starts_shot: bool = False


@dataclass(frozen=True, slots=True)
class Shot:
    start: float
    end: float
    key_time: float


@dataclass(frozen=True, slots=True)
class ClipWindow:
    """The span that one clip embedding covers and the rows of the sampled frames inside it."""

    start: float
    end: float
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SubtitleCue:
    start: float
    end: float
    text: str
    language: str = ""
    track: int = 0  # cues of one track follow each other; from 1


# A look is one way to see a video's frames: whole and upright, mirrored, turned, or a part of the picture. Copies that
# were flipped, turned, or put beside or into other footage are found because one look of the query resembles the whole
# frames of the reference.
Box = tuple[float, float, float, float]  # left, top, right, bottom as shares of the picture inside its borders
LookKind = Literal["whole", "mirrored", "turned", "part", "region"]


@dataclass(frozen=True, slots=True)
class Segment:
    """A copied span: ``query`` of one video matches ``reference`` of the other, with the evidence for it.

    An aligner knows the times, the similarities and what it measured on its line; ``match_pair`` adds the look in
    which the span was found and everything below it. score: higher is better.
    """

    query_start: float
    query_end: float
    reference_start: float
    reference_end: float
    score: float  # 0..1; of a traced line the mean similarity times the square root of ``hit_density``
    mean_similarity: float  # of the matched frames
    reversed: bool = False
    hit_density: float = 1.0  # matched rows / informative rows inside the span
    contrast: float = 0.0  # similarity on the line minus beside it; near 0 in a static scene
    residual_seconds: float = 0.0  # root mean square distance of the matches from the line
    matched_rows: int = 0
    look: LookKind = "whole"
    mirrored: bool = False
    hash_share: float = 0.0  # of the query's frames in the span that are the very picture by PDQ
    background: float = 0.0  # mean background penalty of both sides in the span: how ordinary the scene is
    covariation: float = 0.0  # -1..1: whether both sides' descriptors change together along the line
    variety: float = 0.0  # length of the way that the reference's descriptors go in the span; near 0 in a still scene

    @property
    def query_length(self) -> float:
        return self.query_end - self.query_start

    @property
    def reference_length(self) -> float:
        return self.reference_end - self.reference_start

    def swapped(self) -> Segment:
        """The same segment with query and reference exchanged."""
        return replace(
            self,
            query_start=self.reference_start,
            query_end=self.reference_end,
            reference_start=self.query_start,
            reference_end=self.query_end,
        )


@dataclass(frozen=True, slots=True)
class EmbedderSpec:
    """Identifies one embedder for good: vectors of two different specs are never compared."""

    role: Role
    name: str  # "bundled", a hub id, or the folder's name
    revision: str
    dim: int
    image_side: int
    preprocessing_hash: str
    weights_sha256: str
    extra: dict[str, str] = field(default_factory=dict)


def box_overlap(a: Box, b: Box) -> float:
    """Intersection over union of two rectangles in the same unit: (left, top, right, bottom)."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


@dataclass(frozen=True, slots=True)
class View:
    """Another look at some of a video's frames.

    ``region`` is a rectangle that was found in the video itself (an inset, one half of a split screen): it is matched
    on either side of a pair. ``part`` is one of a fixed set, tried on the query side only, as ``mirrored`` and
    ``turned`` are.
    """

    name: str
    kind: LookKind
    rows: NDArray[np.int64]  # (n,) which of the video's frames, ascending
    vectors: FloatArray  # (n, D) unit norm
    mirrored: bool = False
    turn: int = 0  # degrees clockwise
    box: Box | None = None
    penalty: FloatArray | None = None  # (n,)


@dataclass(frozen=True, slots=True)
class Descriptors:
    """One video's copy descriptors. vectors (N, D) unit norm, times (N,) ascending seconds.

    ``informative`` (N,) is False for flat or black frames, which never vote. ``penalty`` (N,) is
    ``background_penalty`` of the vectors, to be given on both sides or on neither (views included). ``hashes``
    (N, 32) are PDQ hashes of the frames, all zero where PDQ advises against comparing. ``spans`` (N, 2): the seconds
    that each frame stands for, where only key frames are kept; such a side is brought back to an even grid before it
    is aligned.
    """

    vectors: FloatArray
    times: NDArray[np.float64]
    informative: NDArray[np.bool_]
    duration: float
    views: tuple[View, ...] = ()
    penalty: FloatArray | None = None
    hashes: NDArray[np.uint8] | None = None
    spans: NDArray[np.float64] | None = None

    def looks(self) -> tuple[View, ...]:
        """The whole frames first, then every view."""
        whole = View("whole", "whole", np.arange(len(self.times)), self.vectors, penalty=self.penalty)
        return (whole, *self.views)
