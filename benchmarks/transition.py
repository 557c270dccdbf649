"""The transition classifier on held-out pairs beside a threshold on the cosine, and what it does for VFRM.

    python -m benchmarks.transition [--pack PACK --run RUN] [--clips FOLDER] [--half dev]

``RUN`` is the --out folder of worker.pretraining.segments.transition; pairs are those of its held-out videos. With
``--clips``, queries are stitched from spans of clips of different sources, each span edited in its own way, and
every second is labelled with a clip and a time in it: right when the source is right and the time within a second.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import av
import numpy as np
import torch
from PIL import Image

from benchmarks.clip_families import clips_in, family, split_of
from benchmarks.figures import Figure, hand_over
from worker.detection.transition import WEIGHTS, TransitionClassifier
from worker.detection.vfrm import SequenceLabels, label_sequence
from worker.embedders.copies.borders import NO_BORDERS
from worker.embedders.copies.descriptor import SIDE, CopyDescriptor
from worker.embedders.copies.descriptor import WEIGHTS as COPY_WEIGHTS
from worker.pretraining.copies.edited_alike import edited_alike
from worker.pretraining.segments.transition import (
    KINDS,
    Frames,
    accuracies,
    cosine_distance,
    cosine_threshold,
    pooled,
    prepared,
)

SQUARE = 160
LONGEST = 60  # seconds read of each clip
THRESHOLD_FRAMES = 3000  # training frames that choose the baseline's one number


def pairs_table(args: argparse.Namespace, copy: CopyDescriptor, classifier: TransitionClassifier) -> None:
    """Balanced accuracy and that of every kind of pair."""
    train = prepared(args.pack, args.run, "train", 1, args.pictures, args.videos, args.seed)
    dev = prepared(args.pack, args.run, "dev", 1, 200, 375, args.seed)
    known, answers = pooled(
        [Frames(**{name: kept[:THRESHOLD_FRAMES] for name, kept in vars(train[0]).items()})], copy, 0
    )
    vectors, pairs = pooled(dev, copy, args.seed)
    found = {
        "cosine threshold": accuracies(cosine_distance(vectors, pairs), pairs, cosine_threshold(known, answers)),
        "classifier": accuracies(classifier.of_pairs(vectors[pairs.before], vectors[pairs.after]), pairs),
    }
    print(f"{len(pairs.kind)} held-out pairs: {np.bincount(pairs.kind, minlength=len(KINDS)).tolist()} of {KINDS}")
    for name, shares in found.items():
        print(f"{name:18s}" + "  ".join(f"{kind} {100 * value:.1f} %" for kind, value in shares.items()))


def every_half_second(clip: Path) -> np.ndarray:
    """(F, 160, 160, 3): two frames a second of the first minute."""
    kept: list[np.ndarray] = []
    with av.open(str(clip)) as container:
        for frame in container.decode(video=0):
            if frame.time is not None and frame.time >= len(kept) / 2:
                kept.append(np.asarray(frame.to_image().resize((SQUARE, SQUARE), Image.Resampling.BILINEAR)))
            if len(kept) == 2 * LONGEST:
                break
    return np.stack(kept)


Query = tuple[np.ndarray, list[tuple[str, float]]]


def stitched(footage: dict[str, np.ndarray], number: int, seed: int) -> Query:
    """Edited frames (N, 96, 96, 3), one a second, half a second off the references' grid, and where they are from."""
    rng = np.random.default_rng([seed, number])
    names = rng.choice(sorted(footage), int(rng.integers(3, 7)), replace=False)
    frames, truth = [], []
    for piece, name in enumerate(names.tolist()):
        seconds = len(footage[name]) // 2
        length = int(rng.integers(3, min(seconds, 15) + 1))
        first = int(rng.integers(0, seconds - length + 1))
        rows = 2 * np.arange(first, first + length) + 1
        rows = rows[rows < len(footage[name])]
        stranger = footage[str(rng.choice(sorted(set(footage) - set(names.tolist()))))][0]
        frames.append(edited_alike(footage[name][rows], stranger, SIDE, [seed, number, piece]))
        truth += [(name, float(row) / 2) for row in rows]
    return np.concatenate(frames), truth


def right(found: SequenceLabels, truth: list[tuple[str, float]]) -> np.ndarray:
    return np.array([
        name == wanted and abs(second - moment) <= 1.0
        for name, second, (wanted, moment) in zip(found.names, found.times, truth, strict=True)
    ])  # fmt: skip


def stitched_table(args: argparse.Namespace, copy: CopyDescriptor, classifier: TransitionClassifier) -> None:
    """Share of seconds labelled rightly: the best frame alone, VFRM at constant costs, VFRM with the classifier."""
    first = {family(clip): clip for clip in reversed(clips_in(args.clips)) if split_of(family(clip)) == args.half}
    footage = {name: every_half_second(clip) for name, clip in sorted(first.items())}
    footage = {name: frames for name, frames in footage.items() if len(frames) >= 8}
    references = {name: copy.encode_frames(frames[::2], NO_BORDERS) for name, frames in footage.items()}
    places = [(name, float(second)) for name, vectors in references.items() for second in range(len(vectors))]
    table = np.concatenate(list(references.values()))
    scores: dict[str, list[np.ndarray]] = {"best frame alone": [], "constant costs": [], "with the classifier": []}
    spent = seconds = 0.0
    for number in range(args.queries):
        frames, truth = stitched(footage, number, args.seed)
        query = copy.encode_frames(frames, NO_BORDERS)
        best = [places[i] for i in (query @ table.T).argmax(1)]
        scores["best frame alone"].append(np.array([
            name == wanted and abs(second - moment) <= 1.0
            for (name, second), (wanted, moment) in zip(best, truth, strict=True)
        ]))  # fmt: skip
        scores["constant costs"].append(right(label_sequence(query, references), truth))
        start = time.process_time()
        scores["with the classifier"].append(right(label_sequence(query, references, transition=classifier), truth))
        spent, seconds = spent + time.process_time() - start, seconds + len(query)
    share = {name: 100 * float(np.concatenate(parts).mean()) for name, parts in scores.items()}
    alone = share["best frame alone"]
    for name in ("constant costs", "with the classifier"):
        hand_over(Figure(f"VFRM {name}, seconds labelled rightly", share[name], "%", "best frame alone", alone))
    print(f"{args.queries} queries, {seconds:.0f} s, from {len(references)} references with {len(table)} frames")
    for name, value in share.items():
        print(f"{name:20s} {value:.1f} % of seconds labelled rightly")
    print(f"{1000 * spent / args.queries:.1f} CPU ms a query with the classifier")


def speed(classifier: TransitionClassifier, dim: int) -> None:
    """CPU milliseconds to label one minute against several references of 600 frames."""
    rng = np.random.default_rng(0)
    made = rng.standard_normal((6000, dim)).astype(np.float32)
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    for count in (1, 5, 10):
        references = {str(i): made[600 * i : 600 * i + 600] for i in range(count)}
        query = np.ascontiguousarray(made[100:160])
        times = []
        for _ in range(5):
            start = time.process_time()
            label_sequence(query, references, transition=classifier)
            times.append(time.process_time() - start)
        print(f"60 s against {count} x 600 frames: {1000 * min(times):.0f} CPU ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", type=Path, help="with --run: accuracy on held-out pairs")
    parser.add_argument("--run", type=Path)
    parser.add_argument("--clips", type=Path)
    parser.add_argument("--half", choices=("dev", "test"), default="dev")
    parser.add_argument("--queries", type=int, default=40)
    parser.add_argument("--copy", type=Path, default=COPY_WEIGHTS)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--videos", type=int, default=3000, help="as for the training")
    parser.add_argument("--pictures", type=int, default=1500, help="as for the training")
    parser.add_argument("--seed", type=int, default=0, help="as for the training")
    args = parser.parse_args()
    torch.set_num_threads(1)
    copy, classifier = CopyDescriptor(args.copy), TransitionClassifier(args.weights)
    if args.pack is not None and args.run is not None:
        pairs_table(args, copy, classifier)
    if args.clips is not None:
        stitched_table(args, copy, classifier)
    speed(classifier, classifier.dim)


if __name__ == "__main__":
    main()
