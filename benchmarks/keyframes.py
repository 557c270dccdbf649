"""Key frames against one frame a second: what is stored, which segments are found, how long matching takes.

    python -m benchmarks.keyframes CLIPS_FOLDER [--demo FOLDER] [--half dev|test] [--aligners hough spd] [--json]

References of two to five minutes are clips one after another; queries are pieces of them, edited, some at another
speed, between clips that are in no reference. Every query is aligned with every reference; a clip that is in several
references is a true match in each. ``--half``: half of the clip families, chosen by a hash, so that settings can be
tried on one half and reported on the other. Baselines in the same run: every n-th frame and local maxima of frame
difference, with the same number of frames, and the same choice of frames without the learned score.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

import worker.detection  # noqa: F401  makes the learned aligners known
from benchmarks.copy_descriptor import EDITS, SUFFIXES, family
from benchmarks.figures import Figure, hand_over
from worker.alignment import AlignerConfig, SimilarityMatrix, get_aligner
from worker.alignment.sparse import expand
from worker.detection.coverage import pooled, spans_of
from worker.detection.keyframes import KeyframeSelector, budget
from worker.embedders.copies.borders import NO_BORDERS
from worker.embedders.copies.descriptor import WEIGHTS, CopyDescriptor
from worker.embedders.copies.quality import frame_quality, informative_frames
from worker.evaluation.copy_metrics import Box, vcsl_scores
from worker.types import Descriptors

Rng = np.random.Generator
Times = NDArray[np.float64]
FPS = 4.0  # of the decoded clips; every sampling is taken from these frames
SHORT_SIDE = 160
LONGEST_CLIP = 24.0  # seconds that are read of a clip
HELD_BACK = 4  # one clip in so many is in no reference
QUERY_EDITS = (
    "same frame", "jpeg 25", "half size, blur", "brightness x1.4", "gray", "logo", "crop 20 %", "letterbox", "noise",
    "caption bar", "9:16 crop", "filmed screen",
)  # fmt: skip


@dataclass(frozen=True)
class Stretch:
    """Seconds ``start`` to ``end`` of a clip, shown from second ``at`` on at ``speed``, with an edit."""

    clip: int
    start: float
    end: float
    at: float
    speed: float = 1.0
    edit: str = "same frame"

    @property
    def until(self) -> float:
        return self.at + (self.end - self.start) / self.speed


Timeline = list[Stretch]


def read_clip(path: Path) -> list[Image.Image]:
    """Frames at FPS, the shorter side at SHORT_SIDE pixels."""
    frames: list[Image.Image] = []
    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = "AUTO"
        for frame in container.decode(video=0):
            if len(frames) >= LONGEST_CLIP * FPS:
                break
            while frame.time is not None and frame.time >= len(frames) / FPS:
                scale = SHORT_SIDE / min(frame.width, frame.height)
                frames.append(frame.to_image(width=round(frame.width * scale), height=round(frame.height * scale)))
    return frames


def clips_of(folder: Path, half: str, demo: Path | None) -> list[list[Image.Image]]:
    """One clip of every family in the half, and the demonstration clips of the same half; at least two seconds each."""
    paths: dict[str, Path] = {}
    for path in sorted([*folder.rglob("*"), *(demo.rglob("*") if demo else [])]):
        name = family(path)
        even = hashlib.sha256(name.encode()).digest()[0] % 2 == 0
        if path.suffix in SUFFIXES and even == (half == "dev"):
            paths.setdefault(name, path)
    return [frames for path in paths.values() if len(frames := read_clip(path)) >= 2 * FPS]


def make_references(rng: Rng, lengths: list[float], usable: list[int], count: int) -> list[Timeline]:
    """Each a random order of clips, 120 to 300 seconds long (or as long as the clips reach)."""
    timelines = []
    for _ in range(count):
        timeline, clock, wanted = [], 0.0, rng.uniform(120, 300)
        for clip in rng.permutation(usable):
            timeline.append(Stretch(int(clip), 0.0, lengths[clip], clock))
            clock = timeline[-1].until
            if clock >= wanted:
                break
        timelines.append(timeline)
    return timelines


def cut(timeline: Timeline, start: float, end: float, at: float, speed: float, edit: str) -> Timeline:
    """The stretches of ``timeline`` between two of its seconds, moved to ``at``."""
    found = []
    for s in timeline:
        low, high = max(start, s.at), min(end, s.until)
        if high > low:
            found.append(
                Stretch(s.clip, s.start + low - s.at, s.start + high - s.at, at + (low - start) / speed, speed, edit)
            )
    return found


def make_query(rng: Rng, references: list[Timeline], fillers: list[int], lengths: list[float]) -> Timeline:
    """One to three pieces of 5 to 40 seconds of one reference, with other footage around them."""
    source = references[int(rng.integers(len(references)))]
    query: Timeline = []
    clock, edit = 0.0, str(rng.choice(QUERY_EDITS))
    for _ in range(int(rng.integers(1, 4))):
        filler = int(rng.choice(fillers))
        query.append(Stretch(filler, 0.0, min(lengths[filler], float(rng.uniform(2, 12))), clock))
        length = float(np.clip(np.exp(rng.normal(np.log(15), 0.6)), 5, 40))
        speed = 1.0 if rng.random() < 0.6 else float(2 ** rng.uniform(-0.8, 0.8))
        start = float(rng.uniform(0, source[-1].until - length))
        query += cut(source, start, start + length, query[-1].until, speed, edit)
        clock = query[-1].until
    return query


def truth(query: Timeline, reference: Timeline) -> list[Box]:
    """Where both show the same seconds of a clip; neighbours on one line are one segment."""
    boxes: list[Box] = []
    for q in query:
        for r in reference:
            low, high = max(q.start, r.start), min(q.end, r.end)
            if q.clip == r.clip and high - low > 0.25:
                q_low, q_high = q.at + (low - q.start) / q.speed, q.at + (high - q.start) / q.speed
                boxes.append((q_low, q_high, r.at + low - r.start, r.at + high - r.start))
    boxes.sort()
    merged: list[Box] = []
    for box in boxes:
        near = [m for m in merged if abs(m[1] - box[0]) < 0.05 and abs(m[3] - box[2]) < 0.05]
        if near:
            merged.remove(near[0])
            box = (near[0][0], box[1], near[0][2], box[3])
        merged.append(box)
    return merged


def frames_at(timeline: Timeline, times: Times, clips: list[list[Image.Image]]) -> list[Image.Image]:
    """The picture that each moment shows, edited."""
    frames = []
    for moment in times:
        s = next((s for s in timeline if s.at <= moment < s.until), timeline[-1])
        clip = clips[s.clip]
        index = int((s.start + (moment - s.at) * s.speed) * FPS)
        image = clip[min(max(index, 0), len(clip) - 1)]
        frames.append(EDITS[s.edit](image, image))
    return frames


def describe(copy: CopyDescriptor, timeline: Timeline, clips: list[list[Image.Image]], phase: float) -> Descriptors:
    """Uniform sampling: 1 fps, or 2 fps under a minute. Static bars of an edited piece are trimmed piece by piece."""
    duration = timeline[-1].until
    times = np.arange(phase, duration, 1.0 if duration >= 60 else 0.5)
    frames = frames_at(timeline, times, clips)
    quality = frame_quality(frames)
    vectors = np.empty((len(times), 128), np.float32)
    edits = np.array([next((s.edit for s in timeline if s.at <= t < s.until), "same frame") for t in times])
    for edit in np.unique(edits):
        rows = np.flatnonzero(edits == edit)
        part = [frames[i] for i in rows]
        trimmed = [_without_bars(image) for image in part] if edit == "letterbox" else part
        vectors[rows] = copy.encode_frames([np.asarray(image) for image in trimmed], NO_BORDERS)
    return Descriptors(vectors, times, np.array(informative_frames(quality.tolist())), duration)


def _without_bars(image: Image.Image) -> Image.Image:
    """What border trimming does to our own letterbox edit; it works on whole videos, not on pieces of them."""
    sixth = image.height // 6
    return image.crop((0, sixth, image.width, image.height - sixth))


Choice = Callable[[Descriptors], NDArray[np.int64] | None]


def choices(selector: KeyframeSelector) -> dict[str, Choice]:
    plain = KeyframeSelector(learned=False)

    def same_number(d: Descriptors) -> int:
        return len(selector.select(d.vectors, d.times, d.informative, d.duration))

    return {
        "uniform 1 fps": lambda d: None,
        "key frames, learned": lambda d: selector.select(d.vectors, d.times, d.informative, d.duration),
        "same, not pooled": lambda d: selector.select(d.vectors, d.times, d.informative, d.duration),
        "key frames, no score": lambda d: plain.select(
            d.vectors, d.times, d.informative, d.duration, most=same_number(d)
        ),
        "every n-th frame": lambda d: thinned(len(d.times), same_number(d)),
        "local maxima, as many": lambda d: local_maxima(d.vectors, same_number(d)),
        "local maxima, all": lambda d: local_maxima(d.vectors),
    }


def thinned(count: int, most: int) -> NDArray[np.int64]:
    """Baseline: ``most`` of ``count`` rows at even distances."""
    most = min(most, count)
    return np.unique(((np.arange(most) + 0.5) * count / most).astype(np.int64))


def local_maxima(vectors: NDArray[np.float32], most: int | None = None) -> NDArray[np.int64]:
    """Baseline (arXiv 2501.11171): frames where the difference to the one before peaks; the ``most`` highest."""
    if len(vectors) < 3:
        return np.arange(len(vectors))
    change = np.r_[0.0, 1 - np.einsum("nd,nd->n", vectors[:-1], vectors[1:]), 0.0]
    peaks = np.flatnonzero((change[1:-1] >= change[:-2]) & (change[1:-1] > change[2:])) + 1
    if not len(peaks):
        return np.array([len(vectors) // 2])
    if most is not None and len(peaks) > most:
        peaks = np.sort(peaks[np.argsort(-change[peaks], kind="stable")[:most]])
    return peaks


def keep(d: Descriptors, rows: NDArray[np.int64] | None, *, pool: bool) -> Descriptors:
    """What is stored; ``pool``: the mean of each span in the place of the key frame's own descriptor."""
    if rows is None:
        return d
    spans = spans_of(rows, d.times, d.vectors, d.duration, d.informative)
    vectors = pooled(rows, spans, d.vectors, d.times, d.duration, d.informative) if pool else d.vectors[rows]
    return Descriptors(vectors, d.times[rows], d.informative[rows], d.duration, spans=spans)


def search_ms(queries: list[Descriptors], stored: list[Descriptors], repeat: int = 5) -> float:
    """Milliseconds a query for scoring every stored frame of the library (copied to 100 times its size)."""
    everything = np.tile(np.concatenate([s.vectors for s in stored]), (100, 1))
    spent = []
    for _ in range(repeat):
        started = time.process_time()
        for query in queries[:10]:
            (query.vectors @ everything.T).argmax(axis=1)
        spent.append(time.process_time() - started)
    return 1000 * float(np.median(spent)) / min(len(queries), 10)


def evaluate(
    queries: list[Descriptors], stored: list[Descriptors], true: dict[Hashable, list[Box]], name: str
) -> tuple[dict[str, float], float]:
    """VCSL scores of an aligner over all pairs, and milliseconds a pair, expansion included."""
    aligner, config = get_aligner(name), AlignerConfig()
    found: dict[Hashable, list[Box]] = {}
    spent = time.process_time()
    for r, reference in enumerate(stored):
        for q, query in enumerate(queries):
            grid = expand(reference)
            matrix = SimilarityMatrix.build(
                query.vectors @ grid.vectors.T, query.times, grid.times, query_mask=query.informative,
                reference_mask=grid.informative, query_duration=query.duration, reference_duration=grid.duration,
            )  # fmt: skip
            found[q, r] = [
                (s.query_start, s.query_end, s.reference_start, s.reference_end) for s in aligner.align(matrix, config)
            ]
    spent = time.process_time() - spent
    scores = vcsl_scores(found, true)
    return (
        {"f1": scores.f1, "precision": scores.precision, "recall": scores.recall},
        1000 * spent / (len(queries) * len(stored)),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--demo", type=Path, help="a demonstration library to take further clips from")
    parser.add_argument("--half", choices=("dev", "test"), default="dev")
    parser.add_argument("--aligners", nargs="+", default=["hough", "spd"])
    parser.add_argument("--references", type=int, default=6)
    parser.add_argument("--queries", type=int, default=40)
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="of the copy descriptor")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rng = np.random.default_rng(options.seed)
    clips = clips_of(options.clips, options.half, options.demo)
    lengths = [len(clip) / FPS for clip in clips]
    order = rng.permutation(len(clips)).tolist()
    fillers, usable = order[: len(clips) // HELD_BACK], order[len(clips) // HELD_BACK :]
    references = make_references(rng, lengths, usable, options.references)
    queries = [make_query(rng, references, fillers, lengths) for _ in range(options.queries)]
    true: dict[Hashable, list[Box]] = {
        (q, r): truth(query, reference) for q, query in enumerate(queries) for r, reference in enumerate(references)
    }
    copy = CopyDescriptor(options.weights)
    seen = [describe(copy, query, clips, float(rng.uniform(0, 0.4))) for query in queries]
    dense = [describe(copy, reference, clips, 0.0) for reference in references]
    seconds = sum(d.duration for d in dense)
    report = []
    for name, choose in choices(KeyframeSelector()).items():
        started = time.process_time()
        stored = [keep(d, choose(d), pool=name != "same, not pooled") for d in dense]
        selecting = time.process_time() - started
        row = {
            "stored": name, "frames": sum(len(s.times) for s in stored),
            "share": sum(len(s.times) for s in stored) / seconds, "search_ms": search_ms(seen, stored),
            "select_ms": 1000 * selecting / len(dense),
        }  # fmt: skip
        for aligner in options.aligners:
            scores, ms = evaluate(seen, stored, true, aligner)
            row |= {f"{aligner} {key}": value for key, value in scores.items()} | {f"{aligner} ms": ms}
        report.append(row)
        if not options.json:
            print("  ".join(f"{k}={v:.3f}" if isinstance(v, float) else f"{k}={v}" for k, v in row.items()), flush=True)
    every = report[0]
    for row in report:
        if row is not every:
            f1 = f"{options.aligners[0]} f1"
            hand_over(
                Figure(
                    f"{row['stored']}, {100 * row['share']:.1f} % stored, F1", row[f1], "F1", every["stored"], every[f1]
                )
            )
    if options.json:
        print(json.dumps({"seconds": seconds, "budget": sum(budget(d.duration) for d in dense), "rows": report}))


if __name__ == "__main__":
    main()
