"""A bank of moving footage as copy descriptors, original and edited, made without any real copies.

    python -m worker.pretraining.segments.footage --pack PACK --out FOOTAGE [--videos FOLDER] [--shots 500]

A shot is a slow pan or zoom over one picture of the pack, frames of one MSR-VTT video one after another, or a stretch
of a video file in ``FOLDER`` (``python -m demo FOLDER --seed 100`` renders some). Each shot is described at two frames
a second, once nearly as it is and ``EDITS`` times as edited copies, whose edit is the same for all frames of the shot.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import load_file, save_file

from worker.alignment.similarity import unit
from worker.embedders.copies.borders import NO_BORDERS
from worker.embedders.copies.descriptor import WEIGHTS, CopyDescriptor
from worker.pretraining.copies.edits import plain_view, strong_view
from worker.pretraining.imagesets import load_pack
from worker.types import FloatArray

log = logging.getLogger("footage")

Rng = np.random.Generator
Times = NDArray[np.float64]
FPS = 2.0
EDITS = 3
VIEW = 128  # side of the pictures that are edited, in pixels
DEV_EVERY = 6  # one shot in so many is kept from training


def pan(image: Image.Image, count: int, rng: Rng) -> list[Image.Image]:
    """``count`` frames of a camera that moves evenly over a still picture; now and then it hardly moves."""
    side = image.width
    still = rng.random() < 0.25
    sizes = rng.uniform(0.55, 1.0, 2) if not still else np.repeat(rng.uniform(0.8, 1.0), 2) * [1, 0.99]
    corners = [rng.uniform(0, 1 - size, 2) for size in sizes]
    frames = []
    for share in np.linspace(0, 1, count):
        size = sizes[0] * (1 - share) + sizes[1] * share
        left, top = corners[0] * (1 - share) + corners[1] * share
        box = (left * side, top * side, min(left + size, 1) * side, min(top + size, 1) * side)
        frames.append(image.resize((VIEW, VIEW), Image.Resampling.BILINEAR, box))
    return frames


def pack_shots(pack: Path, rng: Rng, count: int) -> Iterator[list[Image.Image]]:
    """Two thirds pans over single pictures, one third the frames of one video one after another."""
    images, rows = load_pack(pack)
    train = [i for i, row in enumerate(rows) if row["split"] == "train"]
    groups: dict[str, list[int]] = {}
    for i in train:
        if rows[i]["group"].startswith("msrvtt/"):
            groups.setdefault(rows[i]["group"], []).append(i)
    videos = [members for members in groups.values() if len(members) >= 4]
    for index in range(count):
        seconds = float(np.clip(np.exp(rng.normal(np.log(8), 0.7)), 2, 40))
        if index % 3 or not videos:
            yield pan(Image.fromarray(images[int(rng.choice(train))]), max(4, int(seconds * FPS)), rng)
            continue
        members = videos[int(rng.integers(len(videos)))]
        each = max(3, int(seconds * FPS / len(members)))
        yield [frame for i in members for frame in pan(Image.fromarray(images[i]), each, rng)]


def video_shots(folder: Path, longest: int = 60) -> Iterator[list[Image.Image]]:
    """Two frames a second of every video file in the folder, at most ``longest`` frames of each."""
    for path in sorted(p for p in folder.iterdir() if p.suffix in {".mp4", ".mkv", ".webm", ".mov"}):
        frames: list[Image.Image] = []
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                if frame.time is not None and frame.time >= len(frames) / FPS:
                    frames.append(frame.to_image(width=VIEW, height=VIEW))  # type: ignore[no-untyped-call]
                if len(frames) == longest:
                    break
        if len(frames) >= 4:
            yield frames


def edited_shot(frames: list[Image.Image], other: list[Image.Image], seed: list[int]) -> list[Image.Image]:
    """The same edit on every frame: the generator starts anew for each, so that every draw is the same."""
    return [
        strong_view(frame, other[i % len(other)], VIEW, np.random.default_rng(seed))[0]
        for i, frame in enumerate(frames)
    ]


def describe(copy: CopyDescriptor, frames: list[Image.Image]) -> FloatArray:
    return copy.encode_frames(np.stack([np.asarray(f) for f in frames]), NO_BORDERS)


def make_bank(shots: Iterator[list[Image.Image]], copy: CopyDescriptor, out: Path, seed: int) -> int:
    """Write every shot's descriptors, (1 + EDITS, frames, 128) float16, to ``out``; returns how many shots."""
    tensors: dict[str, np.ndarray] = {}
    before: list[Image.Image] = []
    started = time.monotonic()
    for number, frames in enumerate(shots):
        plain = [plain_view(f, VIEW, np.random.default_rng([seed, number])) for f in frames]
        looks = [plain, *(edited_shot(frames, before or frames, [seed, number, edit]) for edit in range(EDITS))]
        tensors[f"{number:05d}"] = np.stack([describe(copy, look) for look in looks]).astype(np.float16)
        before = frames
        if number % 25 == 24:
            log.info("%d shots in %.0f s", number + 1, time.monotonic() - started)
    out.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, out)
    return len(tensors)


@dataclass(frozen=True)
class Bank:
    """Shots as (1 + E, frames, 128): the original first, then its edited copies, at ``FPS``."""

    shots: list[FloatArray]

    @classmethod
    def read(cls, path: Path, split: str) -> Bank:
        """The shots of ``split``: "train" or "dev". Raises ValueError when there are too few."""
        tensors = load_file(path)
        names = [n for n in sorted(tensors) if (int(n) % DEV_EVERY == 0) == (split == "dev")]
        if len(names) < 4:
            raise ValueError(f"{path} has {len(names)} shots for {split}; at least 4 are needed")
        return cls([unit(tensors[n].reshape(-1, tensors[n].shape[-1])).reshape(tensors[n].shape) for n in names])

    def shoot(self, rng: Rng, duration: float) -> BankTrack:
        """A track of random shots, whole or a part of each; with ``rng`` deciding about how long they are."""
        longest = float(np.exp(rng.uniform(np.log(3), np.log(40))))
        picked: list[FloatArray] = []
        starts = [0.0]
        while starts[-1] < duration + 1:
            shot = self.shots[int(rng.integers(len(self.shots)))]
            frames = max(3, min(shot.shape[1], int(longest * FPS)))
            first = int(rng.integers(0, shot.shape[1] - frames + 1)) if shot.shape[1] > frames else 0
            picked.append(shot[:, first : first + frames])
            starts.append(starts[-1] + picked[-1].shape[1] / FPS)
        return BankTrack(picked, np.array(starts), duration)


@dataclass(frozen=True)
class BankTrack:
    """Shots one after another; ``starts`` has one more entry than there are shots."""

    shots: list[FloatArray]
    starts: Times
    duration: float

    def at(self, times: Times) -> FloatArray:
        return self._look(times, np.zeros(len(self.shots), dtype=int))

    def edited(self, times: Times, rng: Rng) -> FloatArray:
        """Each shot by one of its edits, mostly the same number, and a little noise as re-encoding makes."""
        edits = np.full(len(self.shots), int(rng.integers(1, self.shots[0].shape[0])))
        return unit(self._look(times, edits) + rng.normal(0, 0.01, (len(times), self.shots[0].shape[-1])))

    def _look(self, times: Times, looks: NDArray[np.int64]) -> FloatArray:
        times = np.clip(times, 0.0, self.starts[-1] - 1e-6)
        which = np.searchsorted(self.starts, times, side="right") - 1
        out = np.empty((len(times), self.shots[0].shape[-1]), np.float32)
        for shot in np.unique(which):
            rows = which == shot
            frames = self.shots[shot][looks[shot]]
            place = np.clip((times[rows] - self.starts[shot]) * FPS, 0, len(frames) - 1.001)
            low = place.astype(int)
            part = (place - low)[:, None].astype(np.float32)
            out[rows] = frames[low] * (1 - part) + frames[low + 1] * part
        return unit(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--videos", type=Path)
    parser.add_argument("--shots", type=int, default=500)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(args.threads)

    def shots() -> Iterator[list[Image.Image]]:
        if args.videos:
            yield from video_shots(args.videos)
        yield from pack_shots(args.pack, np.random.default_rng(args.seed), args.shots)

    print(f"{make_bank(shots(), CopyDescriptor(args.weights), args.out, args.seed)} shots in {args.out}")


if __name__ == "__main__":
    main()
