"""Aligners on planted copies: F1 (VCSL protocol) and milliseconds a pair, beside plain diagonal voting.

    python -m benchmarks.aligners [--pairs 20] [--seed 0]

Every row is one kind of edit; descriptors are random ("random"), smooth in time with cuts ("smooth") or almost
still with cuts ("static camera"). Negatives count pairs in which anything at all was found.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.alignment import AlignerConfig, SimilarityMatrix, get_aligner, similarity_matrix, unit
from worker.evaluation.copies import Box, vcsl_scores
from worker.types import FloatArray, Segment

Rng = np.random.Generator
DIM = 64


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
        return [Segment(start, end, start + offset, end + offset, hits / max(end - start, 1.0))]


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


def plant(rng: Rng, kind: str, pieces: list[Piece], q_len: float, r_len: float, cosine: float) -> SimilarityMatrix:
    """A matrix of a query whose pieces were taken from the reference, on grids of 1 fps that do not coincide."""
    source, other = Footage.shoot(rng, r_len, kind), Footage.shoot(rng, q_len, kind)
    q_times, r_times = np.arange(0.0, q_len), np.arange(0.0, r_len)
    query = other.at(q_times)
    for piece in pieces:
        rows = (q_times >= piece.query[0]) & (q_times < piece.query[1])
        inside = (q_times[rows] - piece.query[0]) * piece.speed
        moments = piece.reference[1] - inside if piece.backwards else piece.reference[0] + inside
        query[rows] = source.at(moments)
    scores = similarity_matrix(noisy(rng, query, cosine), source.at(r_times))
    return SimilarityMatrix.build(scores, q_times, r_times, query_duration=q_len, reference_duration=r_len)


def one_piece(rng: Rng, length: float, speed: float = 1.0, backwards: bool = False) -> tuple[list[Piece], float, float]:
    q_len, r_len = length + rng.uniform(0, 60), length * speed + rng.uniform(10, 200)
    q, r = rng.uniform(0, q_len - length), rng.uniform(0, r_len - length * speed)
    return [Piece((q, q + length), (r, r + length * speed), speed, backwards)], float(q_len), float(r_len)


def several(rng: Rng, count: int) -> tuple[list[Piece], float, float]:
    """Pieces of 6-20 s in shuffled order with unrelated footage between them."""
    lengths, gaps = rng.uniform(6, 20, count), rng.uniform(2, 15, count + 1)
    starts_q = np.cumsum(gaps[:-1]) + np.r_[0, np.cumsum(lengths)[:-1]]
    order, back = rng.permutation(count), rng.uniform(2, 15, count + 1)
    starts_r = np.empty(count)
    starts_r[order] = np.cumsum(back[:-1]) + np.r_[0, np.cumsum(lengths[order])[:-1]]
    pieces = [Piece((q, q + n), (r, r + n)) for q, r, n in zip(starts_q, starts_r, lengths, strict=True)]
    return pieces, float(lengths.sum() + gaps.sum()), float(lengths.sum() + back.sum())


Scene = Callable[[Rng], tuple[list[Piece], float, float]]
SCENES: dict[str, Scene] = {
    "speed 1, 5-60 s": lambda rng: one_piece(rng, rng.uniform(5, 60)),
    "speed 0.5-2": lambda rng: one_piece(rng, rng.uniform(10, 60), float(2 ** rng.uniform(-1, 1))),
    "reversed": lambda rng: one_piece(rng, rng.uniform(8, 60), 1.0, True),
    "short, 3-5 s": lambda rng: one_piece(rng, rng.uniform(3, 5)),
    "3-5 pieces, shuffled": lambda rng: several(rng, int(rng.integers(3, 6))),
    "negative": lambda rng: ([], float(rng.uniform(20, 120)), float(rng.uniform(20, 300))),
}
KINDS = ("random", "smooth", "static camera")


def boxes(segments: list[Segment]) -> list[Box]:
    return [(s.query_start, s.query_end, s.reference_start, s.reference_end) for s in segments]


def evaluate(name: str, scene: str, kind: str, pairs: int, seed: int) -> tuple[float, float]:
    """(F1, ms a pair); for negatives the share of pairs with a false segment in the place of F1."""
    aligner = DiagonalVoting() if name == "diagonal voting" else get_aligner(name)
    rng = np.random.default_rng([seed, list(SCENES).index(scene), KINDS.index(kind)])
    found: dict[Hashable, list[Box]] = {}
    truth: dict[Hashable, list[Box]] = {}
    spent = 0.0
    for pair in range(pairs):
        pieces, q_len, r_len = SCENES[scene](rng)
        matrix = plant(rng, kind, pieces, q_len, r_len, float(rng.uniform(0.65, 0.95)))
        started = time.process_time()
        found[pair] = boxes(aligner.align(matrix, AlignerConfig()))
        spent += time.process_time() - started
        truth[pair] = [(*p.query, *p.reference) for p in pieces]
    if scene == "negative":
        return sum(bool(f) for f in found.values()) / pairs, 1000 * spent / pairs
    return vcsl_scores(found, truth).f1, 1000 * spent / pairs


def big_matrix_ms(name: str, seed: int) -> float:
    """Median milliseconds for 600 x 600 frames with a copy of 200 s and two shorter ones."""
    aligner = DiagonalVoting() if name == "diagonal voting" else get_aligner(name)
    rng = np.random.default_rng(seed)
    pieces = [Piece((50, 250), (300, 500)), Piece((300, 340), (20, 60)), Piece((400, 440), (100, 180), 2.0)]
    spent = []
    for _ in range(15):
        matrix = plant(rng, "smooth", pieces, 600.0, 600.0, 0.8)
        started = time.process_time()
        aligner.align(matrix, AlignerConfig())
        spent.append(time.process_time() - started)
    return 1000 * float(np.median(spent))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    names = ["diagonal voting", "hough", "temporal_network"]
    print("F1 (negatives: share of pairs with a false segment) / ms a pair")
    print(f"{'edit':24}{'descriptors':15}" + "".join(f"{name:>22}" for name in names))
    means: dict[str, list[float]] = {name: [] for name in names}
    for scene in SCENES:
        for kind in KINDS:
            cells = []
            for name in names:
                value, ms = evaluate(name, scene, kind, options.pairs, options.seed)
                if scene != "negative":
                    means[name].append(value)
                cells.append(f"{value:.3f} / {ms:6.1f}")
            print(f"{scene:24}{kind:15}" + "".join(f"{cell:>22}" for cell in cells))
    print(f"{'mean F1':39}" + "".join(f"{np.mean(means[name]):22.3f}" for name in names))
    big = [f"{big_matrix_ms(name, options.seed):.1f} ms" for name in names]
    print(f"{'600 x 600, three copies':39}" + "".join(f"{cell:>22}" for cell in big))


if __name__ == "__main__":
    main()
