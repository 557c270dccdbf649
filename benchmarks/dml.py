"""mAP of near-duplicate videos: MAC features as they are, and through the DML head, on held-out videos.

    python -m benchmarks.dml --pack PACK --run RUN

``RUN`` is the --out folder of worker.pretraining.copies.dml; features that it lacks are computed. Every
held-out video asks for its edited versions among those of all held-out videos. The
published .957 -> .9999 was trained and tested on the same data; here no video is in both.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from benchmarks.figures import Figure, hand_over
from worker.embedders.copies.dml import WEIGHTS, Dml
from worker.embedders.copies.mac import semantic_mac
from worker.embedders.semantic.bundled import BundledEmbedder
from worker.evaluation.retrieval import RetrievalScores, evaluate_retrieval, relevance_of
from worker.pretraining.copies.dml import cached_features, report


def first_hits(vectors: np.ndarray) -> RetrievalScores:
    """(V, 1 + E, D) -> how often the nearest edited version is one of the video's own."""
    items = vectors[:, 1:].reshape(-1, vectors.shape[-1])
    owner = np.repeat(np.arange(len(vectors)), vectors.shape[1] - 1)
    return evaluate_retrieval(vectors[:, 0] @ items.T, relevance_of(list(range(len(vectors))), owner.tolist()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--model", type=Path, default=Path("models/semantic"))
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--seed", type=int, default=0, help="as for the training")
    args = parser.parse_args()
    torch.set_num_threads(1)
    source = semantic_mac(BundledEmbedder(args.model))
    features = cached_features(args.pack, args.run, source, "dev", 10**6, args.seed)
    dml = Dml(args.weights)
    print(f"{len(features)} held-out videos, {features.shape[1] - 1} edited versions of each")
    found = report(features, dml.head)
    plain = found["plain MAC"]
    hand_over(*(Figure(f"{name}, mAP", value, "mAP", "plain MAC", plain) for name, value in found.items()))
    for name, value in found.items():
        print(f"{name}: mAP {value:.4f}")
    embedded = dml.embed(features.reshape(-1, features.shape[-1])).reshape(*features.shape[:2], -1)
    for name, vectors in (("plain MAC", features), ("MAC + DML", embedded)):
        print(f"{name}: nearest is right {100 * first_hits(vectors).r1:.1f} %, numbers a video {vectors.shape[-1]}")


if __name__ == "__main__":
    main()
