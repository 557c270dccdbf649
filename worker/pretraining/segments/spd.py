"""Trains the segment detector (SPD) on matrices with known segments: made up, and of self-made copies of real pictures.

    python -m worker.pretraining.segments.spd --out RUN [--bank FOOTAGE] [--minutes 10]
    python -m worker.pretraining.segments.spd --out RUN --release models/spd/spd.safetensors

``FOOTAGE`` is what ``python -m worker.pretraining.segments.footage`` wrote; with it half of the matrices are of real
descriptors. A run can be stopped and started again. Loss: focal loss on a map of segment middles (CornerNet's variant,
arXiv 1808.01244) and L1 on offset and log size.
"""

from __future__ import annotations

import argparse
import logging
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from worker.detection.raster import SIDE, Patch, draw, patches
from worker.detection.spd import STRIDE, SpdNet
from worker.pretraining.segments.footage import Bank
from worker.pretraining.segments.spd_data import MadeUpTrack, Pair, Piece, Rng, Shoot, compose, thin
from worker.training.loop.checkpoint import load_checkpoint, save_checkpoint
from worker.types import FloatArray

log = logging.getLogger("spd")

BATCH = 12
PEAK_RATE = 1.5e-3
WEIGHT_DECAY = 0.01
SIZE_WEIGHT = 0.5
CHECKPOINT_SECONDS = 60
LEAST_SECONDS = 1.5  # of a segment that the edge of a patch cuts: less is not asked for
CELLS = SIDE // STRIDE


@dataclass(frozen=True, slots=True)
class Lesson:
    """One picture (2, S, S) and what is to be found: heat (C, C), places (4, C, C) valid where ``known`` (C, C)."""

    picture: FloatArray
    heat: FloatArray
    places: FloatArray
    known: FloatArray


def inside(piece: Piece, patch: Patch) -> tuple[float, float, float, float] | None:
    """The part of a segment that lies in the patch, as a box in seconds, or None for too little."""
    (q0, q1), (r0, r1) = piece.query, piece.reference
    low = (patch.reference[0] - r0) / (r1 - r0), (patch.reference[1] - r0) / (r1 - r0)
    across = (1 - low[1], 1 - low[0]) if piece.backwards else low
    start = max(0.0, across[0], (patch.query[0] - q0) / (q1 - q0))
    end = min(1.0, across[1], (patch.query[1] - q0) / (q1 - q0))
    if (end - start) * min(q1 - q0, r1 - r0) < LEAST_SECONDS:
        return None
    along = (1 - end, 1 - start) if piece.backwards else (start, end)
    return q0 + start * (q1 - q0), q0 + end * (q1 - q0), r0 + along[0] * (r1 - r0), r0 + along[1] * (r1 - r0)


def lesson(pair: Pair, patch: Patch, picture: FloatArray) -> Lesson:
    """The targets of one picture; the middle of every segment is a bump that is wider for larger segments."""
    heat = np.zeros((CELLS, CELLS), np.float32)
    places = np.zeros((4, CELLS, CELLS), np.float32)
    known = np.zeros((CELLS, CELLS), np.float32)
    y, x = np.mgrid[0:CELLS, 0:CELLS].astype(np.float32)
    for piece in pair.pieces:
        box = inside(piece, patch)
        if box is None:
            continue
        top, bottom, left, right = patch.cells(box)
        cy, cx = (top + bottom) / 2 / STRIDE - 0.5, (left + right) / 2 / STRIDE - 0.5
        ky, kx = (int(np.clip(round(v), 0, CELLS - 1)) for v in (cy, cx))
        spread = max(0.6, min(bottom - top, right - left) / STRIDE / 8)
        heat = np.maximum(heat, np.exp(-((y - ky) ** 2 + (x - kx) ** 2) / (2 * spread**2)))
        near = (np.abs(y - ky) <= 1) & (np.abs(x - kx) <= 1)
        half = np.log(max((bottom - top) / 2, 0.5)), np.log(max((right - left) / 2, 0.5))
        for row, value in enumerate((cy - y, cx - x, half[0], half[1])):
            places[row] = np.where(near, value, places[row])
        known = np.where(near, 1.0, known)
    return Lesson(picture, heat, places, known.astype(np.float32))


def lessons(rng: Rng, shoots: list[Shoot], count: int) -> list[Lesson]:
    """``count`` pictures, one a pair; every third is of a reference that was kept as key frames."""
    found: list[Lesson] = []
    while len(found) < count:
        pair = compose(rng, shoots[int(rng.integers(len(shoots)))])
        if rng.random() < 0.33:
            pair = thin(rng, pair)
        choice = patches(pair.query_duration, pair.reference_duration)
        patch = choice[int(rng.integers(len(choice)))]
        picture = draw(pair.matrix(), patch)
        if picture is not None:
            found.append(lesson(pair, patch, picture))
    return found


def collate(items: list[Lesson]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(B, 2, S, S), (B, C, C), (B, 4, C, C), (B, C, C)."""
    return (
        torch.from_numpy(np.stack([item.picture for item in items])),
        torch.from_numpy(np.stack([item.heat for item in items])),
        torch.from_numpy(np.stack([item.places for item in items])),
        torch.from_numpy(np.stack([item.known for item in items])),
    )


def detection_loss(output: Tensor, heat: Tensor, places: Tensor, known: Tensor) -> Tensor:
    """Focal loss with exponents 2 and 4 per segment, plus L1 on the places near each middle."""
    logit = output[:, 0]
    sure = torch.sigmoid(logit)
    hit = heat >= 0.999
    wrong = torch.where(hit, (1 - sure) ** 2 * F.softplus(-logit), (1 - heat) ** 4 * sure**2 * F.softplus(logit))
    middles = hit.sum().clamp(min=1)
    off = (output[:, 1:] - places).abs().sum(1) * known
    return wrong.sum() / middles + SIZE_WEIGHT * off.sum() / known.sum().clamp(min=1)


def rate_at(progress: float) -> float:
    """Linear warm-up over 5 %, then a cosine down to 1 % of the peak."""
    if progress < 0.05:
        return PEAK_RATE * (0.1 + 0.9 * progress / 0.05)
    return PEAK_RATE * (0.01 + 0.99 * 0.5 * (1 + float(np.cos(np.pi * min((progress - 0.05) / 0.95, 1.0)))))


def train(
    out: Path, shoots: list[Shoot], *, minutes: float, seed: int = 0, batch: int = BATCH, steps: int | None = None
) -> SpdNet:
    """Train for ``minutes`` of wall time over every resume (or ``steps`` more steps); checkpoints in ``out/spd``.

    Another run in a longer schedule can continue from a finished one. Raises FloatingPointError when the loss is lost.
    """
    torch.manual_seed(seed)
    net = SpdNet()
    optimizer = torch.optim.AdamW(net.parameters(), lr=PEAK_RATE, weight_decay=WEIGHT_DECAY)
    done = load_checkpoint(out / "spd", {"net": net}, optimizer) or {"seconds": 0.0, "seen": 0}
    spent, seen, step, average = float(done["seconds"]), int(done["seen"]), 0, 0.0
    saved = last = time.monotonic()
    net.train()
    while spent < minutes * 60 and (steps is None or step < steps):
        rng = np.random.default_rng([seed, seen])
        for settings in optimizer.param_groups:
            settings["lr"] = rate_at(spent / (minutes * 60))
        picture, *targets = collate(lessons(rng, shoots, batch))
        loss = detection_loss(net(picture), *targets)
        if not torch.isfinite(loss):
            raise FloatingPointError(f"loss became {loss.item()} after {seen} matrices; resume with a lower PEAK_RATE")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()
        now = time.monotonic()
        spent, last, seen, step = spent + now - last, now, seen + batch, step + 1
        average = loss.item() if step == 1 else 0.97 * average + 0.03 * loss.item()
        if step % 25 == 0:
            log.info("%.1f %% matrices=%d loss=%.3f", 100 * spent / (minutes * 60), seen, average)
        if now - saved > CHECKPOINT_SECONDS:
            save_checkpoint(out / "spd", {"net": net}, optimizer, {"seconds": spent, "seen": seen})
            saved = now
    save_checkpoint(out / "spd", {"net": net}, optimizer, {"seconds": spent, "seen": seen})
    return net


def release(net: nn.Module, path: Path) -> None:
    """Write the weights as the application reads them, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    save_file({k: v.contiguous() for k, v in net.state_dict().items()}, fresh, metadata={"format": "vsearch spd 1"})
    fresh.chmod(0o644)
    fresh.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--bank", type=Path, help="footage for matrices of real descriptors")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--release", type=Path, help="write the weights of the run there and stop")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(args.threads)
    if args.release:
        net = SpdNet()
        if load_checkpoint(args.out / "spd", {"net": net}) is None:
            raise SystemExit(f"no checkpoint in {args.out / 'spd'}: train first")
        release(net, args.release)
        return
    shoots: list[Shoot] = [MadeUpTrack]
    if args.bank:
        shoots.append(Bank.read(args.bank, "train").shoot)
    train(args.out, shoots, minutes=args.minutes, seed=args.seed)


if __name__ == "__main__":
    main()
