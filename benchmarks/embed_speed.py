"""Frames a second of the bundled image tower and of the copy descriptor, resizing included, beside plain loops.

    python -m benchmarks.embed_speed [--frames 256] [--size 456x256] [--threads 1 2] [--repeat 3] [--json]

Baselines on the same frames and weights: ``plain loop`` (Pillow resizes, the network as it was trained, one frame at
a time) and ``one by one`` (our encode_frames with a single frame a call). Medians of runs in turn.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn

from benchmarks.figures import Figure, hand_over
from worker.embedders.copies.descriptor import SIDE, CopyDescriptor, CopyNet
from worker.embedders.registry import COPY_WEIGHTS
from worker.embedders.semantic.bundled import BundledEmbedder
from worker.embedders.towers import ImageTower
from worker.embedders.weights import load_packed

ROOT = Path(__file__).resolve().parent.parent
PLAIN_SHARE = 8  # the plain loops see every eighth frame

Way = tuple[Callable[[], Any], int]  # what runs, and how many frames it takes


def moving_frames(count: int, width: int, height: int) -> list[np.ndarray]:
    """``count`` (height, width, 3) pictures of smooth noise: no even borders, so nothing is trimmed or skipped."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (count, 24, 40, 3), dtype=np.uint8)
    return [np.asarray(Image.fromarray(s).resize((width, height), Image.Resampling.BICUBIC)) for s in small]


def plain_loop(net: nn.Module, side: int, frames: list[np.ndarray]) -> None:
    for frame in frames:
        small = np.asarray(Image.fromarray(frame).resize((side, side), Image.Resampling.BILINEAR), np.float32) / 255
        with torch.no_grad():
            net(torch.from_numpy(small).permute(2, 0, 1)[None])


def ways(semantic: Path, copy: Path, frames: list[np.ndarray]) -> dict[str, Way]:
    bundled, descriptor = BundledEmbedder(semantic), CopyDescriptor(copy / COPY_WEIGHTS)
    tower = ImageTower(bundled.spec.dim, tuple(bundled.config["widths"]), tuple(bundled.config["blocks"])).eval()
    tower.load_state_dict(load_packed(semantic / "image.safetensors"))
    net = CopyNet().eval()
    learned = load_file(copy / COPY_WEIGHTS)
    net.load_state_dict({k.removeprefix("net."): v for k, v in learned.items() if k.startswith("net.")})
    few = frames[::PLAIN_SHARE]
    return {
        "semantic, plain loop": (lambda: plain_loop(tower, bundled.spec.image_side, few), len(few)),
        "semantic, one by one": (lambda: [bundled.encode_frames([f]) for f in few], len(few)),
        "semantic, encode_frames": (lambda: bundled.encode_frames(frames), len(frames)),
        "copy, plain loop": (lambda: plain_loop(net, SIDE, few), len(few)),
        "copy, one by one": (lambda: [descriptor.encode_frames([f]) for f in few], len(few)),
        "copy, encode_frames": (lambda: descriptor.encode_frames(frames), len(frames)),
    }


def measure(choices: dict[str, Way], threads: int, repeat: int) -> dict[str, float]:
    """Frames a second of each way, after one warm-up."""
    torch.set_num_threads(threads)
    taken: dict[str, list[float]] = {name: [] for name in choices}
    for turn in range(repeat + 1):
        for name, (run, _) in choices.items():
            started = time.perf_counter()
            run()
            if turn:
                taken[name].append(time.perf_counter() - started)
    return {name: round(choices[name][1] / statistics.median(values), 1) for name, values in taken.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=256)
    parser.add_argument("--size", default="456x256", help="of the frames, as the decoder hands them over")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--semantic", type=Path, default=ROOT / "models" / "semantic")
    parser.add_argument("--copy", type=Path, default=ROOT / "models" / "copy")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    width, height = (int(part) for part in options.size.split("x"))
    choices = ways(options.semantic, options.copy, moving_frames(options.frames, width, height))
    found = {threads: measure(choices, threads, options.repeat) for threads in options.threads}
    speeds = found[max(found)]
    for role in ("semantic", "copy"):
        fast, plain = speeds[f"{role}, encode_frames"], speeds[f"{role}, plain loop"]
        hand_over(Figure(f"{role} encoder, {max(found)} threads", fast, "frames/s", "plain loop", plain))
    if options.json:
        report = {"frames": options.frames, "size": options.size, "cores": os.cpu_count()}
        print(json.dumps(report | {"frames_per_s": found}, indent=2))
        return
    print("| frames a second | " + " | ".join(f"threads {t}" for t in found) + " |\n|---|" + "---:|" * len(found))
    for name in choices:
        print(f"| {name} | " + " | ".join(f"{found[t][name]:.1f}" for t in found) + " |")


if __name__ == "__main__":
    main()
