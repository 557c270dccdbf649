"""Made-up pairs of videos with known copied segments, as similarity matrices, for training the segment detector.

A *track* gives descriptors at any moment, original or as an edited copy shows them. ``MadeUpTrack`` is a walk through
descriptor space with cuts; tracks of real pictures come from ``worker.pretraining.segments.footage``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from worker.alignment.base import SimilarityMatrix
from worker.alignment.similarity import unit
from worker.alignment.sparse import blend, joined, sources
from worker.types import FloatArray

Rng = np.random.Generator
Times = NDArray[np.float64]
DIM = 128


class Track(Protocol):
    """Footage as descriptors; ``duration`` in seconds."""

    @property
    def duration(self) -> float: ...

    def at(self, times: Times) -> FloatArray: ...

    def edited(self, times: Times, rng: Rng) -> FloatArray: ...


Shoot = Callable[[Rng, float], Track]


class MadeUpTrack:
    """Shots of 2 to 30 s, each a slow walk around its own centre; some return to an earlier place, some stand still.

    All share a direction, as real descriptors do, which makes the floor of the similarity.
    """

    STEP = 0.25

    def __init__(self, rng: Rng, duration: float) -> None:
        self.duration = duration
        count = int(duration / self.STEP) + 3
        common = unit(rng.standard_normal((1, DIM)))[0] * rng.uniform(0.0, 0.7)
        steadiness = float(np.exp(rng.uniform(np.log(0.01), np.log(2.0))))
        pace = float(rng.uniform(2, 30))
        frames, k = np.empty((count, DIM), np.float32), 0
        places: list[NDArray[np.float64]] = []
        while k < count:
            length = min(count - k, max(2, int(rng.exponential(pace) / self.STEP)))
            if places and rng.random() < 0.2:
                place = places[int(rng.integers(len(places)))] + rng.standard_normal(DIM) * rng.uniform(0.5, 1.3) / 11
            else:
                place = unit(rng.standard_normal((1, DIM)))[0]
            places.append(place)
            wander = steadiness * float(np.exp(rng.normal(0, 0.7))) / np.sqrt(DIM)
            drift = unit(rng.standard_normal((1, DIM)))[0] * wander * rng.uniform(0, 6)
            walk = np.cumsum(wander * rng.standard_normal((length, DIM)) + drift, axis=0)
            frames[k : k + length] = place + walk + common
            k += length
        self.frames = unit(frames)
        self.strength = float(rng.uniform(0.45, 0.98))

    def at(self, times: Times) -> FloatArray:
        place = np.clip(np.asarray(times) / self.STEP, 0, len(self.frames) - 1.001)
        low = place.astype(int)
        part = (place - low)[:, None].astype(np.float32)
        return unit(self.frames[low] * (1 - part) + self.frames[low + 1] * part)

    def edited(self, times: Times, rng: Rng) -> FloatArray:
        """At about the cosine ``strength`` to the original, most of the error shared by all frames of a copy."""
        error = np.sqrt(1 / self.strength**2 - 1) / np.sqrt(DIM)
        shared = rng.standard_normal((1, DIM)) * error * 0.7
        own = rng.standard_normal((len(times), DIM)) * error * 0.7
        return unit(self.at(times) + shared + own)


@dataclass(frozen=True, slots=True)
class Piece:
    """Query seconds that show reference seconds, ``backwards`` or not."""

    query: tuple[float, float]
    reference: tuple[float, float]
    backwards: bool = False


@dataclass(frozen=True, slots=True)
class Pair:
    """A query, a reference and what they share. vectors unit rows, times ascending seconds."""

    query: FloatArray
    query_times: Times
    query_mask: NDArray[np.bool_]
    query_duration: float
    reference: FloatArray
    reference_times: Times
    reference_mask: NDArray[np.bool_]
    reference_duration: float
    pieces: tuple[Piece, ...]

    def matrix(self, reference: FloatArray | None = None) -> SimilarityMatrix:
        """Of these frames, or with other vectors in the place of the reference's."""
        return SimilarityMatrix.build(
            self.query @ (self.reference if reference is None else reference).T,
            self.query_times,
            self.reference_times,
            query_mask=self.query_mask,
            reference_mask=self.reference_mask,
            query_duration=self.query_duration,
            reference_duration=self.reference_duration,
        )


def sample_times(rng: Rng, duration: float) -> Times:
    """As the sampler keeps frames: 1, 2 or 4 a second by length, a few changes in between, true timestamps."""
    step = 0.25 if duration < 8 else 0.5 if duration < 60 else 1.0
    times = np.arange(0.0, duration, step)
    extra = rng.uniform(0, duration, int(rng.integers(0, max(1, int(duration * 0.3)) + 1)))
    jitter = np.abs(rng.normal(0, 0.02, len(times)))
    return np.sort(np.concatenate([times + jitter, extra if rng.random() < 0.5 else extra[:0]]))


def plan(rng: Rng) -> tuple[float, float, list[Piece]]:
    """Query length, reference length and pieces: none (a fifth), one, or several in any order with gaps."""
    kind = rng.random()
    several = int(rng.integers(2, 7)) if kind < 0.85 else int(rng.integers(6, 13))
    count = 0 if kind < 0.2 else 1 if kind < 0.55 else several
    lengths = np.clip(np.exp(rng.normal(np.log(14), 0.9, count)), 3.0, 110.0)
    lengths *= min(1.0, 200.0 / max(float(lengths.sum()), 1.0))
    lengths = np.maximum(lengths, 2.5)
    speeds = np.where(rng.random(count) < 0.6, 1.0, 2 ** rng.uniform(-1, 1, count))
    gap = rng.uniform(0.5, 12) if rng.random() < 0.7 else 0.0
    before = rng.uniform(0, gap, count + 1) if count else rng.uniform(3, 60, 1)
    if rng.random() < 0.3:
        before[-1] += rng.uniform(0, 120)
    q_starts = np.cumsum(before[:-1]) + np.r_[0.0, np.cumsum(lengths)][:count]
    q_length = float(before.sum() + lengths.sum())
    order = np.arange(count) if rng.random() < 0.3 else rng.permutation(count)
    spans = lengths * speeds
    between = rng.uniform(0, rng.uniform(1, 40), count + 1) if count else rng.uniform(3, 200, 1)
    r_starts = np.empty(count)
    r_starts[order] = np.cumsum(between[:-1]) + np.r_[0.0, np.cumsum(spans[order])][:count]
    r_length = float(between.sum() + spans.sum())
    backwards = rng.random(count) < 0.15
    pieces = [
        Piece((float(q), float(q + n)), (float(r), float(r + m)), bool(b))
        for q, r, n, m, b in zip(q_starts, r_starts, lengths, spans, backwards, strict=True)
    ]
    return max(q_length, 2.0), max(r_length, 2.0), pieces


def compose(rng: Rng, shoot: Shoot) -> Pair:
    """One pair by a random plan: the pieces of the query are edited copies, the rest of it is other footage."""
    q_length, r_length, pieces = plan(rng)
    source, other = shoot(rng, r_length), shoot(rng, q_length)
    q_times, r_times = sample_times(rng, q_length), sample_times(rng, r_length)
    query = other.at(q_times)
    for piece in pieces:
        rows = np.flatnonzero((q_times >= piece.query[0]) & (q_times < piece.query[1]))
        if len(rows):
            share = (q_times[rows] - piece.query[0]) / (piece.query[1] - piece.query[0])
            low, high = piece.reference
            moments = high - share * (high - low) if piece.backwards else low + share * (high - low)
            query[rows] = source.edited(moments, rng)
    masks = [_blank(rng, times) for times in (q_times, r_times)]
    return Pair(query, q_times, masks[0], q_length, source.at(r_times), r_times, masks[1], r_length, tuple(pieces))


def _blank(rng: Rng, times: Times) -> NDArray[np.bool_]:
    """All informative, or a dark stretch of a second or two, as fades leave."""
    mask = np.ones(len(times), dtype=np.bool_)
    if rng.random() < 0.25:
        start = rng.uniform(0, times[-1])
        mask[(times >= start) & (times < start + rng.uniform(0.5, 3))] = False
        if not mask.any():
            mask[:] = True
    return mask


def thin(rng: Rng, pair: Pair) -> Pair:
    """The pair with a reference as it comes back from key frames: every few seconds one frame, blended in between."""
    share = rng.uniform(0.08, 0.3)
    chosen = np.flatnonzero(pair.reference_mask & (rng.random(len(pair.reference_times)) < share))
    if len(chosen) < 3:
        return pair
    times = pair.reference_times[chosen]
    borders = 0.5 * (times[:-1] + times[1:])
    spans = np.stack([np.r_[0.0, borders], np.r_[borders, pair.reference_duration]], 1)
    kept = pair.reference[chosen]
    mixed = blend(kept, *sources(pair.reference_times, times, spans, joined(kept, spans)))
    return Pair(
        pair.query, pair.query_times, pair.query_mask, pair.query_duration,
        mixed, pair.reference_times, pair.reference_mask, pair.reference_duration, pair.pieces,
    )  # fmt: skip
