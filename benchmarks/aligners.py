"""All aligners on the same matrices of planted copies: F1 (VCSL protocol), boundary error, milliseconds a pair.

    python -m benchmarks.aligners [--pairs 20] [--seed 0] [--only hough ...] [--repeats 9]

Descriptors are random ("random"), smooth in time with cuts ("smooth") or almost still with cuts ("static camera").
For negatives the share of pairs with a false segment stands in the place of F1. Times are process CPU time, and every
time is also given as a ratio to plain diagonal voting in the same run, because other work may share the machine.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.figures import Figure, hand_over
from worker.alignment import (
    Aligner,
    AlignerConfig,
    SimilarityMatrix,
    aligner_names,
    get_aligner,
    similarity_matrix,
    unit,
)
from worker.evaluation.copy_metrics import Box, vcsl_scores
from worker.types import FloatArray, Segment

Rng = np.random.Generator
DIM = 64
NAIVE = "diagonal voting"
SAME_SEGMENT = 0.3  # intersection over union of both spans from which on a found segment stands for a true one


class DiagonalVoting:
    """The naive baseline: histogram of offsets at speed one, the whole diagonal of the best bin is reported."""

    def align(self, similarity: SimilarityMatrix, config: AlignerConfig) -> list[Segment]:
        rows, columns = np.nonzero(similarity.masked_scores >= config.min_similarity)
        if not len(rows):
            return []
        offsets = np.round(similarity.reference_times[columns] - similarity.query_times[rows]).astype(int)
        low = int(offsets.min())
        offset = int(np.argmax(np.bincount(offsets - low))) + low
        hits = int((offsets == offset).sum())
        start, end = max(0.0, -offset), min(similarity.query_duration, similarity.reference_duration - offset)
        if hits < config.min_matched_rows or end <= start:
            return []
        score = hits / max(end - start, 1.0)
        return [Segment(start, end, start + offset, end + offset, score, score)]


@dataclass(frozen=True)
class Footage:
    """Descriptors as a function of continuous time: shots, each a slow walk around its own centre."""

    anchors: FloatArray
    step: float

    @classmethod
    def shoot(cls, rng: Rng, seconds: float, kind: str) -> Footage:
        step = 0.25
        count = int(seconds / step) + 2
        if kind == "random":
            frames = unit(rng.standard_normal((int(seconds) + 2, DIM)))
            return cls(frames, 1.0)
        wander = {"smooth": 0.18, "static camera": 0.03}[kind]
        frames = np.empty((count, DIM), dtype=np.float32)
        place, left = rng.standard_normal(DIM), 0
        for k in range(count):
            if left == 0:
                place, left = unit(rng.standard_normal((1, DIM)))[0], int(rng.uniform(3, 25) / step)
            place = place + wander * rng.standard_normal(DIM) / np.sqrt(DIM)
            frames[k], left = place, left - 1
        return cls(unit(frames), step)

    def at(self, times: NDArray[np.float64]) -> FloatArray:
        place = np.clip(np.asarray(times) / self.step, 0, len(self.anchors) - 1.001)
        low = place.astype(int)
        part = (place - low)[:, None].astype(np.float32)
        return unit(self.anchors[low] * (1 - part) + self.anchors[low + 1] * part)


def noisy(rng: Rng, vectors: FloatArray, cosine: float) -> FloatArray:
    """The vectors of an edited copy: about ``cosine`` to the original, most of the error shared by all frames."""
    error = np.sqrt(1 / cosine**2 - 1) / np.sqrt(DIM)
    shared = rng.standard_normal((1, DIM)) * error * 0.6
    return unit(vectors + shared + rng.standard_normal(vectors.shape) * error * 0.8)


@dataclass(frozen=True)
class Piece:
    query: tuple[float, float]
    reference: tuple[float, float]
    speed: float = 1.0
    backwards: bool = False


Layout = tuple[list[Piece], float, float]  # pieces, seconds of the query, seconds of the reference


def plant(rng: Rng, kind: str, layout: Layout, cosine: float, steps: tuple[float, float]) -> SimilarityMatrix:
    """A matrix of a query whose pieces were taken from the reference; steps are the seconds between frames."""
    pieces, q_len, r_len = layout
    source, other = Footage.shoot(rng, r_len, kind), Footage.shoot(rng, q_len, kind)
    q_times, r_times = np.arange(0.0, q_len, steps[0]), np.arange(0.0, r_len, steps[1])
    query = other.at(q_times)
    for piece in pieces:
        rows = (q_times >= piece.query[0]) & (q_times < piece.query[1])
        inside = (q_times[rows] - piece.query[0]) * piece.speed
        moments = piece.reference[1] - inside if piece.backwards else piece.reference[0] + inside
        query[rows] = source.at(moments)
    scores = similarity_matrix(noisy(rng, query, cosine), source.at(r_times))
    return SimilarityMatrix.build(scores, q_times, r_times, query_duration=q_len, reference_duration=r_len)


def one_piece(rng: Rng, length: float, speed: float = 1.0, backwards: bool = False) -> Layout:
    q_len, r_len = length + rng.uniform(0, 60), length * speed + rng.uniform(10, 200)
    q, r = rng.uniform(0, q_len - length), rng.uniform(0, r_len - length * speed)
    return [Piece((q, q + length), (r, r + length * speed), speed, backwards)], float(q_len), float(r_len)


def several(rng: Rng, count: int) -> Layout:
    """Pieces of 6-20 s in shuffled order with unrelated footage between them."""
    lengths, gaps = rng.uniform(6, 20, count), rng.uniform(2, 15, count + 1)
    starts_q = np.cumsum(gaps[:-1]) + np.r_[0, np.cumsum(lengths)[:-1]]
    order, back = rng.permutation(count), rng.uniform(2, 15, count + 1)
    starts_r = np.empty(count)
    starts_r[order] = np.cumsum(back[:-1]) + np.r_[0, np.cumsum(lengths[order])[:-1]]
    pieces = [Piece((q, q + n), (r, r + n)) for q, r, n in zip(starts_q, starts_r, lengths, strict=True)]
    return pieces, float(lengths.sum() + gaps.sum()), float(lengths.sum() + back.sum())


def repeated(rng: Rng, count: int) -> Layout:
    """One span of the reference, shown ``count`` times in the query."""
    length, r_len = float(rng.uniform(6, 15)), float(rng.uniform(60, 200))
    gaps, first = rng.uniform(3, 15, count + 1), float(rng.uniform(0, r_len - length))
    starts = np.cumsum(gaps[:-1]) + length * np.arange(count)
    pieces = [Piece((float(q), float(q) + length), (first, first + length)) for q in starts]
    return pieces, float(count * length + gaps.sum()), r_len


@dataclass(frozen=True)
class Scene:
    """A kind of edit: where the pieces lie, how alike copies stay, how far apart the frames are."""

    lay: Callable[[Rng], Layout]
    cosine: tuple[float, float] = (0.65, 0.95)
    steps: tuple[float, float] = (1.0, 1.0)

    def pair(self, rng: Rng, kind: str) -> tuple[SimilarityMatrix, list[Piece]]:
        layout = self.lay(rng)
        return plant(rng, kind, layout, float(rng.uniform(*self.cosine)), self.steps), layout[0]


def _plain(rng: Rng) -> Layout:
    return one_piece(rng, rng.uniform(5, 60))


SCENES: dict[str, Scene] = {
    "speed 1, 5-60 s": Scene(_plain),
    "speed 0.5-2": Scene(lambda rng: one_piece(rng, rng.uniform(10, 60), float(2 ** rng.uniform(-1, 1)))),
    "reversed": Scene(lambda rng: one_piece(rng, rng.uniform(8, 60), 1.0, True)),
    "short, 3-5 s": Scene(lambda rng: one_piece(rng, rng.uniform(3, 5))),
    "3-5 pieces, shuffled": Scene(lambda rng: several(rng, int(rng.integers(3, 6)))),
    "8-12 pieces, shuffled": Scene(lambda rng: several(rng, int(rng.integers(8, 13)))),
    "shown 2-4 times": Scene(lambda rng: repeated(rng, int(rng.integers(2, 5)))),
    "strong noise": Scene(_plain, cosine=(0.5, 0.65)),
    "query at 4 fps": Scene(_plain, steps=(0.25, 1.0)),
    "reference at 4 fps": Scene(_plain, steps=(1.0, 0.25)),
    "negative": Scene(lambda rng: ([], float(rng.uniform(20, 120)), float(rng.uniform(20, 300)))),
}
KINDS = ("random", "smooth", "static camera")
SIZES = ((60, 60), (60, 600), (200, 200), (600, 600), (60, 3600))


def boxes(segments: Sequence[Segment]) -> list[Box]:
    return [(s.query_start, s.query_end, s.reference_start, s.reference_end) for s in segments]


def boundary_errors(found: Sequence[Box], truth: Sequence[Box]) -> list[float]:
    """Seconds between each of the four ends of a true segment and of the found one that overlaps it most."""
    errors: list[float] = []
    for real in truth:
        best = max(found, key=lambda box: _overlap(box, real), default=None)
        if best is not None and _overlap(best, real) >= SAME_SEGMENT:
            errors += [abs(a - b) for a, b in zip(best, real, strict=True)]
    return errors


def _overlap(a: Box, b: Box) -> float:
    width, height = min(a[1], b[1]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[2], b[2])
    both = max(width, 0.0) * max(height, 0.0)
    return both / max((a[1] - a[0]) * (a[3] - a[2]) + (b[1] - b[0]) * (b[3] - b[2]) - both, 1e-9)


@dataclass(frozen=True)
class Outcome:
    f1: float  # for negatives the share of pairs with a false segment
    errors: list[float]  # seconds
    ms: float  # a pair


def run(aligner: Aligner, matrix: SimilarityMatrix) -> tuple[list[Box], float]:
    """What an aligner finds, and the milliseconds of CPU that it took on a matrix it has not seen."""
    fresh = matrix.transposed().transposed()  # without what an aligner before it may have left in the cache
    started = time.process_time()
    found = aligner.align(fresh, AlignerConfig())
    return boxes(found), 1000 * (time.process_time() - started)


def evaluate(aligners: dict[str, Aligner], scene: str, kind: str, pairs: int, seed: int) -> dict[str, Outcome]:
    """Every aligner on the same pairs of one kind of edit."""
    rng = np.random.default_rng([seed, list(SCENES).index(scene), KINDS.index(kind)])
    found: dict[str, dict[Hashable, list[Box]]] = {name: {} for name in aligners}
    spent = dict.fromkeys(aligners, 0.0)
    truth: dict[Hashable, list[Box]] = {}
    for pair in range(pairs):
        matrix, pieces = SCENES[scene].pair(rng, kind)
        truth[pair] = [(*p.query, *p.reference) for p in pieces]
        for name, aligner in aligners.items():
            found[name][pair], ms = run(aligner, matrix)
            spent[name] += ms / pairs
    outcomes = {}
    for name, boxes_of in found.items():
        false = sum(bool(f) for f in boxes_of.values()) / pairs
        f1 = false if scene == "negative" else vcsl_scores(boxes_of, truth).f1
        errors = [e for pair in truth for e in boundary_errors(boxes_of[pair], truth[pair])]
        outcomes[name] = Outcome(f1, errors, spent[name])
    return outcomes


def milliseconds(aligners: dict[str, Aligner], size: tuple[int, int], repeats: int, seed: int) -> dict[str, float]:
    """Median milliseconds a pair; a copy of a third of the shorter side, a shorter one, and one at double speed."""
    rng = np.random.default_rng(seed)
    unit_length = min(size) / 600
    last = size[1] - 300 * unit_length
    pieces = [
        Piece((50 * unit_length, 250 * unit_length), (last, last + 200 * unit_length)),
        Piece((300 * unit_length, 340 * unit_length), (20 * unit_length, 60 * unit_length)),
        Piece((400 * unit_length, 440 * unit_length), (100 * unit_length, 180 * unit_length), 2.0),
    ]
    spent: dict[str, list[float]] = {name: [] for name in aligners}
    for _ in range(repeats):
        matrix = plant(rng, "smooth", (pieces, float(size[0]), float(size[1])), 0.8, (1.0, 1.0))
        for name, aligner in aligners.items():
            spent[name].append(run(aligner, matrix)[1])
    return {name: float(np.median(values)) for name, values in spent.items()}


def every_aligner(only: Sequence[str]) -> dict[str, Aligner]:
    """The naive baseline and all registered aligners that can be made here; says which cannot, and why."""
    try:
        import worker.detection  # noqa: F401  (makes the learned ones known)
    except ImportError as problem:
        print(f"no learned aligners: {problem}")
    aligners: dict[str, Aligner] = {NAIVE: DiagonalVoting()}
    for name in aligner_names():
        if only and name not in only:
            continue
        try:
            aligner = get_aligner(name)
            run(aligner, SimilarityMatrix.build(np.eye(20), np.arange(20.0), np.arange(20.0)))  # loads weights
            aligners[name] = aligner
        except (ImportError, OSError, ValueError) as problem:
            print(f"{name} is left out: {problem}")
    return aligners


def row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=[], help="names of aligners; all when left out")
    parser.add_argument("--repeats", type=int, default=9, help="matrices of each size")
    options = parser.parse_args()
    aligners = every_aligner(options.only)
    print(row(["edit", "descriptors", *aligners]) + "\n" + row(["---"] * (2 + len(aligners))))
    every: dict[str, list[Outcome]] = {name: [] for name in aligners}
    for scene in SCENES:
        for kind in KINDS if options.pairs else ():
            outcomes = evaluate(aligners, scene, kind, options.pairs, options.seed)
            print(row([scene, kind, *(f"{o.f1:.3f}" for o in outcomes.values())]), flush=True)
            for name, outcome in outcomes.items():
                every[name] += [outcome] if scene != "negative" else []
    if options.pairs:
        print(row(["mean F1", "", *(f"{np.mean([o.f1 for o in every[n]]):.3f}" for n in aligners)]))
        medians = [float(np.median([e for o in every[n] for e in o.errors] or [np.nan])) for n in aligners]
        print(row(["median boundary error, s", "", *(f"{m:.2f}" for m in medians)]))
        for name in aligners:
            mean, naive = (float(np.mean([o.f1 for o in every[n]])) for n in (name, NAIVE))
            if name != NAIVE:
                hand_over(Figure(f"{name}, mean F1", mean, "F1", NAIVE, naive))
        print(row(["mean ms a pair", "", *(f"{np.mean([o.ms for o in every[n]]):.1f}" for n in aligners)]))
    for size in SIZES if options.repeats else ():
        spent = milliseconds(aligners, size, options.repeats, options.seed)
        cells = [f"{spent[name]:.1f} ({spent[name] / spent[NAIVE]:.0f}x)" for name in aligners]
        print(row([f"ms, {size[0]} x {size[1]} frames", "three copies", *cells]), flush=True)


if __name__ == "__main__":
    main()
