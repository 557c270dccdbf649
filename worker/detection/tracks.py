"""The best path of a query through many videos: Viterbi over (video, frame), forwards and backwards, and "none".

Nothing here is learned and nothing is a neural network; worker.detection.vfrm puts it to use. One query second costs a
handful of numpy operations over all places; what is kept for the way back is one byte a place and second.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from worker.types import FloatArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

NONE = -1
MAX_SHIFT = 12  # frames that one query step may pass over, at most
_JUMP, _OUTSIDE = 100, 101  # moves; smaller numbers are frames passed over
MAX_CELLS = 64_000_000  # bytes of moves kept at a time; a longer query is decoded piece by piece


@dataclass(frozen=True, slots=True)
class PathCosts:
    """In the unit of the similarities; a matching second gains its similarity above the minimum.

    ``gate`` is the share of enter, jump and switch that a certain change of the query's source takes away.
    """

    enter: float = 0.5  # from no video into one
    jump: float = 0.4  # to another place or direction of the same video
    switch: float = 0.5  # to another video
    speed: float = 0.05  # for each query step's length that the reference runs ahead or stays behind
    worst: float = -0.3  # what one second that does not match can cost
    gate: float = 0.8

    def scaled(self, share: float) -> PathCosts:
        """With that share of the costs of enter, jump and switch."""
        return replace(self, enter=self.enter * share, jump=self.jump * share, switch=self.switch * share)


@dataclass(frozen=True, slots=True)
class SpeedRange:
    """What counts as continuing: reference seconds a query second, give or take ``slack`` seconds a step."""

    slowest: float = 0.5
    fastest: float = 2.0
    slack: float = 0.75


@dataclass(frozen=True, slots=True)
class Tracks:
    """All S places that a query second can have: the frames of each video in order, then in reverse order."""

    video: Indices  # (S,) number of the video, ascending
    column: Indices  # (S,) frame of all videos' frames one after another
    clock: Floats  # (S,) seconds along the track: negated on reversed ones, so always ascending
    track: Indices  # (S,)
    backward: NDArray[np.bool_]  # (S,)
    video_starts: Indices  # (V,) first place of each video

    def __len__(self) -> int:
        return len(self.video)


@dataclass(frozen=True, slots=True)
class Path:
    """The place of every query row (NONE for none), and where a stretch without jump or switch begins."""

    places: Indices  # (N,)
    begins: NDArray[np.bool_]  # (N,)

    def stretches(self) -> list[Indices]:
        """Rows of each stretch inside one track."""
        rows = np.flatnonzero(self.places != NONE)
        return [part for part in np.split(rows, np.flatnonzero(self.begins[rows])) if len(part)]


def lay_tracks(times: Sequence[Floats], *, both_ways: bool) -> Tracks:
    """``times``: ascending frame times of each video; a video without frames has no place."""
    video, column, clock, track, backward = [], [], [], [], []
    first = number = 0
    for which, seconds in enumerate(times):
        order = np.arange(len(seconds))
        for sign in (1, -1) if both_ways else (1,):
            column.append(first + order[::sign])
            clock.append(sign * np.asarray(seconds, np.float64)[::sign])
            video.append(np.full(len(seconds), which))
            track.append(np.full(len(seconds), number))
            backward.append(np.full(len(seconds), sign < 0))
            number += 1
        first += len(seconds)
    if not number or not first:
        raise ValueError("a path needs at least one video with a frame")
    videos = np.concatenate(video).astype(np.int64)
    starts = np.flatnonzero(np.r_[True, videos[1:] != videos[:-1]])
    # numbered by those that have frames: reduceat cannot skip empty ones
    present = np.cumsum(np.r_[False, videos[1:] != videos[:-1]])
    parts = [np.concatenate(part) for part in (column, clock, track, backward)]
    return Tracks(present, parts[0], parts[1], parts[2], parts[3], starts)


class _Continuations:
    """What it costs to pass over k frames in a step of so many seconds; infinite where that is no continuation."""

    def __init__(self, tracks: Tracks, longest_step: float, speeds: SpeedRange, costs: PathCosts) -> None:
        reach = speeds.fastest * longest_step + speeds.slack
        size = len(tracks)
        earliest = np.zeros(size, np.int64)
        bounds = np.r_[np.flatnonzero(np.r_[True, tracks.track[1:] != tracks.track[:-1]]), size]
        for low, high in pairwise(bounds.tolist()):
            clock = tracks.clock[low:high]
            earliest[low:high] = low + np.searchsorted(clock, clock - reach - 1e-9)
        self.shifts = int(min((np.arange(size) - earliest).max(), MAX_SHIFT)) + 1
        self.advance = np.full((self.shifts, size), np.inf)
        for k in range(min(self.shifts, size)):
            same = tracks.track[k:] == tracks.track[: size - k]
            self.advance[k, k:] = np.where(same, tracks.clock[k:] - tracks.clock[: size - k], np.inf)
        self.speeds, self.costs = speeds, costs
        self.known: dict[float, FloatArray] = {}

    def __call__(self, step: float) -> FloatArray:
        """(shifts, S) costs for a query step of ``step`` seconds."""
        key = round(step, 3)
        if key not in self.known:
            if len(self.known) > 64:
                self.known.clear()
            low = self.speeds.slowest * step - self.speeds.slack - 1e-9
            high = self.speeds.fastest * step + self.speeds.slack + 1e-9
            allowed = (self.advance >= low) & (self.advance <= high)
            off = np.minimum(np.abs(self.advance - step) / max(step, 1e-6), 3.0)
            self.known[key] = np.where(allowed, self.costs.speed * off, np.inf).astype(np.float32)
        return self.known[key]


@dataclass(slots=True)
class _Memory:
    """What the way back needs of one piece of the query."""

    moves: NDArray[np.uint8]  # (P, S)
    jumps: NDArray[np.int32]  # (P, V) best place of each video in the row before
    outside: Indices  # (P,) where a switch or an entry comes from
    leaving: Indices  # (P,) where "none" comes from

    @classmethod
    def of(cls, rows: int, tracks: Tracks) -> _Memory:
        size, videos = len(tracks), len(tracks.video_starts)
        return cls(
            np.empty((rows, size), np.uint8), np.zeros((rows, videos), np.int32),
            np.full(rows, NONE), np.full(rows, NONE),
        )  # fmt: skip


def _best_places(score: FloatArray, tracks: Tracks) -> tuple[FloatArray, Indices]:
    """Highest score of each video and its first place; (V,), (V,)."""
    best = np.maximum.reduceat(score, tracks.video_starts)
    hits = np.flatnonzero(score == best[tracks.video])[::-1]
    places = np.zeros(len(best), np.int64)
    places[tracks.video[hits]] = hits  # backwards, so that the first of several stays
    return best, places


def _advance(
    score: FloatArray, nothing: float, costs: PathCosts, passing: FloatArray, tracks: Tracks, memory: _Memory, row: int
) -> tuple[FloatArray, float]:
    """Scores of all places and of "none" one row on, before what that row itself gains; moves go to ``memory``."""
    size = len(score)
    value, moves = score - passing[0], np.zeros(size, np.uint8)
    for k in range(1, min(len(passing), size)):
        reached = score[: size - k] - passing[k, k:]
        better = reached > value[k:]
        np.copyto(value[k:], reached, where=better)
        moves[k:][better] = k
    best, places = _best_places(score, tracks)
    jump = (best - np.float32(costs.jump))[tracks.video]
    top = int(places[best.argmax()])
    switched, entered = float(score[top]) - costs.switch, nothing - costs.enter
    outside = max(switched, entered)
    memory.jumps[row], memory.outside[row] = places, top if switched >= entered else NONE
    memory.leaving[row] = top if float(score[top]) > nothing else NONE
    moves[jump > value] = _JUMP
    np.maximum(value, jump, out=value)
    moves[outside > value] = _OUTSIDE
    memory.moves[row] = moves
    return np.maximum(value, np.float32(outside)), max(nothing, float(score[top]))


def _way_back(memory: _Memory, rows: int, tracks: Tracks, last: int) -> tuple[Indices, NDArray[np.bool_], int]:
    """Places and beginnings of the piece's rows that ends at place ``last``, and the place in the row before it."""
    places, begins = np.full(rows, NONE, np.int64), np.zeros(rows, np.bool_)
    place = last
    for row in range(rows - 1, -1, -1):
        places[row] = place
        if place == NONE:
            place = int(memory.leaving[row])
            continue
        move = int(memory.moves[row, place])
        begins[row] = move >= _JUMP
        if move == _JUMP:
            place = int(memory.jumps[row, tracks.video[place]])
        elif move == _OUTSIDE:
            place = int(memory.outside[row])
        else:
            place -= move
    return places, begins, place


def best_path(
    gains: Iterable[FloatArray],
    tracks: Tracks,
    steps: Floats,
    changes: FloatArray | None = None,
    costs: PathCosts | None = None,
    speeds: SpeedRange | None = None,
) -> Path:
    """The path of the highest total gain minus costs.

    ``gains``: for each of the N query rows (S,) float32, what each place gains there ("none" gains 0). ``steps`` (N,)
    seconds since the row before. ``changes`` (N,) probability that the source changes between the row before and this
    one. A query too long for memory is decided piece by piece: each piece is exact given the scores before it.
    """
    costs, speeds = costs or PathCosts(), speeds or SpeedRange()
    count = len(steps)
    passing = _Continuations(tracks, float(steps[1:].max()) if count > 1 else 1.0, speeds, costs)
    keep = np.ones(count) if changes is None else 1.0 - costs.gate * np.asarray(changes, np.float64)
    piece = max(1, min(count, MAX_CELLS // len(tracks)))
    memory = _Memory.of(piece, tracks)
    places, begins = np.full(count, NONE, np.int64), np.zeros(count, np.bool_)
    score, nothing = np.full(len(tracks), -np.inf, np.float32), 0.0
    start = 0
    for number, gain in enumerate(gains):
        row = number - start
        if number == 0:  # a query may begin inside a video at the price of a change that is sure
            score = gain - np.float32(costs.enter * (1.0 - costs.gate))
            memory.moves[0], memory.outside[0], memory.leaving[0] = _OUTSIDE, NONE, NONE
        else:
            here = costs.scaled(float(keep[number]))
            score, nothing = _advance(score, nothing, here, passing(float(steps[number])), tracks, memory, row)
            score += gain
        if row + 1 == piece or number + 1 == count:
            top = int(score.argmax())
            last = top if float(score[top]) > nothing else NONE
            found = _way_back(memory, row + 1, tracks, last)
            places[start : number + 1], begins[start : number + 1] = found[:2]
            start = number + 1
    return Path(places, _broken(places, begins, tracks))


def _broken(places: Indices, begins: NDArray[np.bool_], tracks: Tracks) -> NDArray[np.bool_]:
    """``begins``, and also where a piece of a long query does not continue from the end of the piece before."""
    before = np.r_[NONE, places[:-1]]
    here = places != NONE
    fresh = here & (before == NONE)
    both = here & (before != NONE)
    fresh[both] |= tracks.track[places[both]] != tracks.track[before[both]]
    fresh[both] |= places[both] < before[both]
    return begins | fresh
