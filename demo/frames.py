"""Captioned still frames for training, straight from the scenes, without any video in between.

    python -m demo.frames OUT --seeds 100-139 --per-clip 4 [--size 128]

writes JPEG squares and ``frames.jsonl``, one line a frame: file, group (the clip), split, captions. Seeds below 100
belong to demonstration and evaluation libraries and are refused, so that a trained model has never seen those.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from demo.recipes import LIBRARY_CLIPS, ClipPlan, ShotPlan, plan_library
from demo.wording import caption_plain, captions_other

FIRST_TRAINING_SEED = 100
OVERSAMPLING = 1.5  # drawn this much larger than kept


class HeldOutSeed(ValueError):
    """Frames of a demonstration library were asked for."""


def parse_seeds(text: str) -> list[int]:
    """``100-139`` or ``100,105,110-112`` as numbers. Raises HeldOutSeed below 100 and ValueError when unreadable."""
    seeds: list[int] = []
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if not first.isdigit() or (last and not last.isdigit()):
            raise ValueError(f"cannot read the seeds {text!r}: write them like 100-139 or 100,101")
        seeds.extend(range(int(first), int(last or first) + 1))
    if not seeds:
        raise ValueError(f"no seeds in {text!r}: the first number must not be larger than the last")
    held_out = [seed for seed in seeds if seed < FIRST_TRAINING_SEED]
    if held_out:
        raise HeldOutSeed(
            f"seed {held_out[0]} is held out: seeds below {FIRST_TRAINING_SEED} make demonstration libraries, "
            f"and a model must not be trained on those. Use seeds from {FIRST_TRAINING_SEED} on."
        )
    return seeds


def _square(image: Image.Image, size: int, rng: np.random.Generator) -> Image.Image:
    """Mostly the whole frame squeezed into a square, as encoders here see it; now and then a crop near the middle."""
    if rng.random() < 0.7:
        return image.resize((size, size), Image.Resampling.BILINEAR)
    side, spare = image.height, image.width - image.height
    left = round(spare * (0.5 + float(rng.uniform(-0.12, 0.12))))
    return image.crop((left, 0, left + side, side)).resize((size, size), Image.Resampling.BILINEAR)


def _share_out(shots: tuple[ShotPlan, ...], total: int) -> Iterator[tuple[ShotPlan, int]]:
    for index, shot in enumerate(shots):
        count = total // len(shots) + (1 if index < total % len(shots) else 0)
        if count:
            yield shot, count


def clip_frames(plan: ClipPlan, per_clip: int, size: int) -> Iterator[tuple[Image.Image, list[str]]]:
    """``per_clip`` square frames of one clip, spread over its shots, each with its shot's captions."""
    rng = np.random.default_rng([plan.caption_seed, size])
    scale = size * OVERSAMPLING / 180
    wide = (round(size * 16 / 9), size)
    for shot, count in _share_out(plan.shots, per_clip):
        scene = shot.build(scale)
        captions = [caption_plain(scene.words, shot.look), *captions_other(rng, scene.words, shot.look)]
        for k in range(count):
            moment = shot.duration * (k + float(rng.uniform(0.1, 0.9))) / count
            yield _square(scene.frame(moment, wide), size, rng), captions


def write_frames(
    out: Path,
    seeds: Iterable[int],
    *,
    per_clip: int = 4,
    size: int = 128,
    clips: int = LIBRARY_CLIPS,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Writes frames and ``frames.jsonl`` under ``out``; returns how many. Raises HeldOutSeed for seeds below 100."""
    wanted = list(seeds)
    parse_seeds(",".join(str(seed) for seed in wanted))
    out.mkdir(parents=True, exist_ok=True)
    listing = out / "frames.jsonl.part"
    written = 0
    with listing.open("w", encoding="utf-8") as lines:
        for turn, seed in enumerate(wanted):
            folder = out / f"seed{seed}"
            folder.mkdir(exist_ok=True)
            for plan in plan_library(seed, clips):
                for k, (image, captions) in enumerate(clip_frames(plan, per_clip, size)):
                    name = f"seed{seed}/{plan.clip_id}-{k}.jpg"
                    image.save(out / name, quality=88)
                    lines.write(
                        json.dumps({"file": name, "group": plan.clip_id, "split": "train", "captions": captions}) + "\n"
                    )
                    written += 1
            if progress:
                progress(turn + 1, len(wanted))
    listing.replace(out / "frames.jsonl")
    return written


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m demo.frames", description="Captioned training frames, drawn by code."
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", default="100-139", help="like 100-139; seeds below 100 are held out")
    parser.add_argument("--per-clip", type=int, default=4)
    parser.add_argument("--size", type=int, default=128, help="side of the squares in pixels")
    parser.add_argument("--clips", type=int, default=LIBRARY_CLIPS, help="clips a seed")
    options = parser.parse_args(arguments)
    try:
        seeds = parse_seeds(options.seeds)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    began = time.monotonic()

    def show(done: int, total: int) -> None:
        print(f"\r{done} of {total} seeds, {time.monotonic() - began:.0f} s", end="", flush=True)

    count = write_frames(
        options.out, seeds, per_clip=options.per_clip, size=options.size, clips=options.clips, progress=show
    )
    print(f"\n{count} frames in {time.monotonic() - began:.0f} s: {options.out / 'frames.jsonl'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
