"""The Aligner seam: one signature, one input, one configuration, and a registry by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from worker.types import FloatArray, Segment

Times = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class AlignerConfig:
    """Thresholds in the unit of the similarities (centred cosine by default) and in seconds."""

    min_similarity: float = 0.4  # a pair of frames below this is no match
    near_exact: float = 0.85  # a span without any temporal structure must reach this mean similarity
    contrast_weight: float = 3.0  # how much mean similarity one unit of contrast makes up for
    tolerance_seconds: float = 0.75  # how far from the line a match may lie
    max_gap_seconds: float = 3.0  # unmatched stretch inside one segment
    min_length_seconds: float = 2.0
    min_matched_rows: int = 3
    min_density: float = 0.5
    min_slope: float = 0.5  # reference seconds per query second
    max_slope: float = 2.0
    max_overlap: float = 0.3  # intersection over union with a better segment
    max_segments: int = 20
    allow_reversed: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.min_slope <= 1 <= self.max_slope:
            raise ValueError("the slope range must contain 1, for instance 0.5 to 2")
        if min(self.tolerance_seconds, self.max_gap_seconds) <= 0:
            raise ValueError("tolerance_seconds and max_gap_seconds must be above zero")


@dataclass(frozen=True, slots=True)
class SimilarityMatrix:
    """What an aligner sees of a pair. Times ascend but need not be uniform; masks are True for informative frames."""

    scores: FloatArray  # (N, M)
    query_times: Times  # (N,)
    reference_times: Times  # (M,)
    query_mask: Mask  # (N,)
    reference_mask: Mask  # (M,)
    query_duration: float
    reference_duration: float
    _cache: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def build(
        cls,
        scores: ArrayLike,
        query_times: ArrayLike,
        reference_times: ArrayLike,
        *,
        query_mask: ArrayLike | None = None,
        reference_mask: ArrayLike | None = None,
        query_duration: float | None = None,
        reference_duration: float | None = None,
    ) -> SimilarityMatrix:
        """Check shapes and fill in what is missing: all frames informative, duration = last time + one step."""
        matrix = np.ascontiguousarray(scores, dtype=np.float32)
        if matrix.ndim != 2:
            raise ValueError(f"a similarity matrix has two dimensions, not {matrix.ndim}")
        if not np.isfinite(matrix).all():
            raise ValueError("the similarity matrix contains NaN or infinity; compute the descriptors again")
        sides = (
            _side("query", query_times, query_mask, query_duration, matrix.shape[0]),
            _side("reference", reference_times, reference_mask, reference_duration, matrix.shape[1]),
        )
        (q_times, q_mask, q_end), (r_times, r_mask, r_end) = sides
        return cls(matrix, q_times, r_times, q_mask, r_mask, q_end, r_end)

    @property
    def masked_scores(self) -> FloatArray:
        """(N, M) scores with -1 wherever a frame of either side carries no information; computed once."""
        if "masked" not in self._cache:
            scores = self.scores
            if not self.all_informative:
                scores = np.where(self.query_mask[:, None] & self.reference_mask[None, :], scores, np.float32(-1.0))
            self._cache["masked"] = scores
        return cast(FloatArray, self._cache["masked"])

    @property
    def query_steps(self) -> Times:
        """(N,) seconds since the previous query frame, 0 for the first; computed once."""
        if "steps" not in self._cache:
            self._cache["steps"] = np.diff(self.query_times, prepend=self.query_times[:1])
        return cast(Times, self._cache["steps"])

    @property
    def typical_step(self) -> float:
        """Median seconds between query frames, 1 when there is one frame only; computed once."""
        if "step" not in self._cache:
            steps = self.query_steps[1:]
            self._cache["step"] = float(np.median(steps)) if len(steps) else 1.0
        return cast(float, self._cache["step"])

    @property
    def all_informative(self) -> bool:
        """Whether no frame of either side is masked; computed once."""
        if "all" not in self._cache:
            self._cache["all"] = bool(self.query_mask.all() and self.reference_mask.all())
        return cast(bool, self._cache["all"])

    @property
    def row_means(self) -> FloatArray:
        """(N,) mean of every row of the scores, masked frames included; computed once."""
        if "means" not in self._cache:
            self._cache["means"] = self.scores.mean(axis=1) if self.scores.shape[1] else np.zeros(len(self.scores))
        return cast(FloatArray, self._cache["means"])

    @property
    def row_starts(self) -> NDArray[np.int64]:
        """(N,) position of every row's first score in the flat matrix; computed once."""
        if "starts" not in self._cache:
            self._cache["starts"] = np.arange(len(self.scores), dtype=np.int64) * self.scores.shape[1]
        return cast("NDArray[np.int64]", self._cache["starts"])

    def transposed(self) -> SimilarityMatrix:
        """The same pair with the sides exchanged."""
        return SimilarityMatrix(
            np.ascontiguousarray(self.scores.T),
            self.reference_times,
            self.query_times,
            self.reference_mask,
            self.query_mask,
            self.reference_duration,
            self.query_duration,
        )


def _side(
    name: str, times: ArrayLike, mask: ArrayLike | None, duration: float | None, count: int
) -> tuple[Times, Mask, float]:
    seconds = np.asarray(times, dtype=np.float64)
    flags = np.ones(count, dtype=np.bool_) if mask is None else np.asarray(mask, dtype=np.bool_)
    if seconds.shape != (count,) or flags.shape != (count,):
        raise ValueError(
            f"the {name} side has {count} vectors, {seconds.size} times and {flags.size} mask entries; "
            "there must be one of each for every frame"
        )
    if not np.isfinite(seconds).all() or (np.diff(seconds) < 0).any():
        raise ValueError(f"the {name} times must be finite and in ascending order")
    if duration is None:
        step = float(np.median(np.diff(seconds))) if count > 1 else 1.0
        duration = float(seconds[-1]) + step if count else 0.0
    return seconds, flags, max(float(duration), float(seconds[-1]) if count else 0.0)


class Aligner(Protocol):
    """Finds the copied spans of one pair, best first; an empty list when nothing is shared."""

    def align(self, similarity: SimilarityMatrix, config: AlignerConfig) -> list[Segment]: ...


_REGISTRY: dict[str, Callable[[], Aligner]] = {}


def register_aligner(name: str, factory: Callable[[], Aligner]) -> None:
    """Make an aligner known by name. A name can be given once."""
    if name in _REGISTRY:
        raise ValueError(f"an aligner called {name!r} is registered already")
    _REGISTRY[name] = factory


def aligner_names() -> list[str]:
    return sorted(_REGISTRY)


def get_aligner(name: str) -> Aligner:
    if name not in _REGISTRY:
        raise ValueError(f"there is no aligner called {name!r}; choose one of: {', '.join(aligner_names())}")
    return _REGISTRY[name]()
