"""Our PDQ beside the reference library on the frames of real clips: bits that differ, and frames a second.

    PYTHONPATH=FOLDER_WITH_PDQHASH python -m benchmarks.pdq CLIPS_FOLDER [--frames 5] [--half dev]

``pdqhash`` (PyPI) needs a C++ compiler to install and is no part of the product.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pdqhash

from benchmarks.clip_families import clips_in, family, split_of
from benchmarks.copy_descriptor import read_frames
from benchmarks.figures import Figure, hand_over
from worker.embedders.copies.pdq import dihedral_hashes, hamming, pdq_hashes


def reference_hashes(images: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    found = [pdqhash.compute(image) for image in images]
    return np.packbits(np.array([bits for bits, _ in found], np.uint8), axis=1), np.array([q for _, q in found])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--frames", type=int, default=5, help="frames of each clip")
    parser.add_argument("--half", choices=("dev", "test"), default="dev")
    parser.add_argument("--repeat", type=int, default=5)
    args = parser.parse_args()
    clips = [clip for clip in clips_in(args.clips) if split_of(family(clip)) == args.half]
    images = [np.asarray(frame) for clip in clips for frame in read_frames(clip, args.frames)]
    print(f"{len(images)} frames of {len(clips)} clips")
    (ours, quality), (theirs, expected) = pdq_hashes(images), reference_hashes(images)
    apart = np.diag(hamming(ours, theirs))
    print(f"bits that differ: mean {apart.mean():.2f}, p99 {np.percentile(apart, 99):.0f}, most {apart.max()}")
    for low, high in ((0, 1), (1, 50), (50, 101)):
        some = apart[(expected >= low) & (expected < high)]
        if len(some):
            print(f"  quality {low} to {high - 1}: {len(some)} frames, mean {some.mean():.2f}, most {some.max()}")
    steps = np.abs(quality.astype(int) - expected)
    print(f"quality that differs: {(steps > 0).sum()} frames, most {steps.max()} points")
    forms = np.packbits(np.array([pdqhash.compute_dihedral(i)[0] for i in images], np.uint8), axis=2)
    turned = np.concatenate([np.diag(hamming(a, b)) for a, b in zip(dihedral_hashes(images)[0], forms, strict=True)])
    print(f"bits that differ in the eight forms: mean {turned.mean():.2f}, most {turned.max()}")
    # CPU seconds, taken by turns and the least of each: others on the machine then weigh on both alike.
    spent: dict[str, list[float]] = {"ours": [], "pdqhash": []}
    for _ in range(args.repeat):
        for name, hashes in (("ours", pdq_hashes), ("pdqhash", reference_hashes)):
            start = time.process_time()
            hashes(images)
            spent[name].append(time.process_time() - start)
    best = {name: len(images) / min(times) for name, times in spent.items()}
    hand_over(Figure("PDQ", best["ours"], "frames a CPU second", "pdqhash", best["pdqhash"]))
    print(f"frames a CPU second: ours {best['ours']:.0f}, pdqhash {best['pdqhash']:.0f}, "
          f"ratio {best['ours'] / best['pdqhash']:.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
