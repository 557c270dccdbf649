"""Self-supervised training of the copy descriptor on two edited views of each picture.

loss = InfoNCE (temperature 0.05) - weight * mean log(distance to the nearest other picture); the second term
spreads the descriptors evenly (SSCD, arXiv 2202.10261). Two frames of one source video are negatives when they
clearly differ, which teaches other takes and other moments apart, and neither positives nor negatives when they look
alike. The schedule follows the time budget, so a slower machine trains fewer steps.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from worker.embedders.copies.descriptor import SIDE, CopyNet
from worker.pretraining.copies.edits import edited_views
from worker.pretraining.imagesets import load_pack
from worker.training.loop.checkpoint import load_checkpoint, save_checkpoint
from worker.training.steps.precision import autocast

log = logging.getLogger("copy")

BATCH = 128
TEMPERATURE = 0.05
SPREAD_WEIGHT = 2.0
PEAK_RATE = 2e-3
WEIGHT_DECAY = 0.05
SIDES = ((0.7, 64), (0.85, 80), (1.01, SIDE))  # (share of the schedule, side in pixels): small pictures first are cheap
CHECKPOINT_SECONDS = 180
THUMBNAIL = 16
ALIKE = 0.5  # correlation of two frames' thumbnails from which they may show the same: a panned one is half a crop

Batch = tuple[Tensor, Tensor, Tensor, Tensor]


def thumbnails(images: np.ndarray) -> np.ndarray:
    """(N, H, H, 3) uint8 -> (N, 256) float32 brightness of a 16 x 16 grid, zero mean and unit norm."""
    step = images.shape[1] // THUMBNAIL
    kept = images[:, : step * THUMBNAIL : 2, : step * THUMBNAIL : 2].astype(np.float32).mean(3)
    cells = kept.reshape(len(images), THUMBNAIL, step // 2, THUMBNAIL, -1).mean((2, 4)).reshape(len(images), -1)
    cells -= cells.mean(1, keepdims=True)
    return np.asarray(cells / np.maximum(np.linalg.norm(cells, axis=1, keepdims=True), 1e-6), np.float32)


def paired_order(group: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A permutation of the rows (N,) in which two frames of one video mostly stand side by side."""
    shuffled = rng.permutation(len(group))
    by_group = shuffled[np.argsort(group[shuffled], kind="stable")]
    starts = np.r_[True, group[by_group][1:] != group[by_group][:-1]]
    rank = np.arange(len(group)) - np.maximum.accumulate(np.where(starts, np.arange(len(group)), 0))
    runs = np.split(by_group, np.flatnonzero(rank % 2 == 0)[1:])
    return np.concatenate([runs[i] for i in rng.permutation(len(runs))])


class EditedPairs(IterableDataset[Batch]):
    """Endless (views (2B, 3, S, S) uint8, second (2B,), group (B,), apart (B, B)); ``seed`` differs at every resume.

    ``apart``: the two pictures clearly differ. ``progress`` (one float32, shared with the process that makes the
    views) sets S along the schedule.
    """

    def __init__(self, images: np.ndarray, group: np.ndarray, seed: list[int], progress: Tensor) -> None:
        self.images, self.group, self.seed, self.progress = images, group, seed, progress

    def __iter__(self) -> Iterator[Batch]:
        rng = np.random.default_rng(self.seed)
        torch.set_num_threads(1)
        while True:
            order = paired_order(self.group, rng)
            for start in range(0, len(order) - BATCH + 1, BATCH):
                picked = order[start : start + BATCH]
                side = next(s for limit, s in SIDES if float(self.progress) < limit)
                views, second = edited_views(self.images[picked], side, rng)
                pixels = torch.from_numpy(views.reshape(2 * BATCH, side, side, 3)).permute(0, 3, 1, 2)
                small = thumbnails(self.images[picked])
                apart = torch.from_numpy(small @ small.T < ALIKE)
                yield pixels, torch.from_numpy(second.reshape(-1)), torch.from_numpy(self.group[picked]), apart


def relations(second: Tensor, group: Tensor, apart: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Which views are copies and which are strangers: two (2B, 2B) bool masks; pairs in neither are left out.

    second (2B,) batch row of the other picture shown or -1; group (B,) source video of each picture; apart (B, B)
    makes strangers of two pictures of one video, where both views show nothing else.
    """
    count = len(group)
    own = torch.arange(count).repeat(2)  # (2B,)
    copies = (own[:, None] == own[None]) | (second[:, None] == own[None]) | (own[:, None] == second[None])
    copies.fill_diagonal_(False)
    shown = torch.stack([group[own], torch.where(second >= 0, group[second.clamp(min=0)], -1 - own)], 1)  # (2B, 2)
    related = (shown[:, None, :, None] == shown[None, :, None, :]).flatten(2).any(2)
    if apart is not None:
        alone = second < 0
        related &= ~(apart[own[:, None], own[None]] & alone[:, None] & alone[None])
    return copies, ~(related | copies)


def pair_loss(z: Tensor, copies: Tensor, strangers: Tensor) -> Tensor:
    """InfoNCE where each copy of a view competes alone against all strangers; rows of z (2B, D) have unit norm."""
    logits = z @ z.T / TEMPERATURE  # (2B, 2B)
    noise = torch.logsumexp(logits.masked_fill(~strangers, torch.finfo(logits.dtype).min), 1, keepdim=True)  # (2B, 1)
    each = torch.logaddexp(logits, noise) - logits
    return ((each * copies).sum(1) / copies.sum(1)).mean()


def spread_loss(z: Tensor, strangers: Tensor) -> Tensor:
    """-mean log(distance to the nearest stranger), the differential entropy term."""
    nearest = (z @ z.T).masked_fill(~strangers, -1).max(1).values
    return -0.5 * torch.log((2 - 2 * nearest).clamp(min=1e-4)).mean()


def rate_at(progress: float) -> float:
    """Cosine with 4 % warm-up, ending at 0.5 % of the peak."""
    if progress < 0.04:
        return PEAK_RATE * (0.05 + 0.95 * progress / 0.04)
    return PEAK_RATE * (0.005 + 0.995 * 0.5 * (1 + float(np.cos(np.pi * min((progress - 0.04) / 0.96, 1)))))


def _optimizer(net: CopyNet) -> torch.optim.AdamW:
    decay = [p for p in net.parameters() if p.ndim > 1]
    plain = [p for p in net.parameters() if p.ndim <= 1]
    return torch.optim.AdamW(
        [{"params": decay, "weight_decay": WEIGHT_DECAY}, {"params": plain, "weight_decay": 0.0}], lr=PEAK_RATE
    )


def train(images: np.ndarray, group: np.ndarray, out: Path, *, minutes: float, seed: int) -> CopyNet:
    """Train for ``minutes`` of wall time in all, over every resume; checkpoints in ``out/copy``.

    images (N, H, H, 3) uint8, group (N,) number of the source video; N must be at least one batch.
    """
    if len(images) < BATCH:
        raise ValueError(f"{len(images)} training pictures are too few: at least {BATCH} are needed")
    torch.manual_seed(seed)
    net = CopyNet()
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = _optimizer(net)
    done = load_checkpoint(out / "copy", {"net": net}, optimizer) or {"seconds": 0.0, "pairs": 0}
    spent, seen = float(done["seconds"]), int(done["pairs"])
    shared = torch.tensor(min(spent / (minutes * 60), 1.0)).share_memory_()  # type: ignore[no-untyped-call]
    source = EditedPairs(images, group, [seed, seen], shared)
    pairs = DataLoader(source, batch_size=None, num_workers=1, prefetch_factor=4)
    averages, step = np.zeros(2), 0
    saved = last = time.monotonic()
    device = torch.device("cpu")
    for pixels, second, groups, apart in pairs:
        progress = spent / (minutes * 60)
        shared.fill_(min(progress, 1.0))
        if progress >= 1:
            break
        for settings in optimizer.param_groups:
            settings["lr"] = rate_at(progress)
        x = pixels.float().div_(255).contiguous(memory_format=torch.channels_last)
        with autocast(device):
            z = net(x)
        copies, strangers = relations(second, groups, apart)
        pair = pair_loss(z, copies, strangers)
        spread = spread_loss(z, strangers)
        loss = pair + SPREAD_WEIGHT * spread
        if not torch.isfinite(loss):
            raise FloatingPointError(f"loss became {loss.item()} after {seen} pairs; resume with a lower PEAK_RATE")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        now = time.monotonic()
        spent, last, seen, step = spent + now - last, now, seen + len(groups), step + 1
        averages = 0.98 * averages + 0.02 * np.array([pair.item(), spread.item()])
        if step % 25 == 0:
            shown = averages / (1 - 0.98**step)
            log.info("%.1f %% side=%d pairs=%d pair=%.3f spread=%.3f", progress * 100, pixels.shape[-1], seen, *shown)
        if now - saved > CHECKPOINT_SECONDS or spent >= minutes * 60:
            save_checkpoint(out / "copy", {"net": net}, optimizer, {"seconds": spent, "pairs": seen})
            saved = now
    return net


def training_rows(pack: Path) -> tuple[np.ndarray, np.ndarray]:
    """The train split's images (N, 160, 160, 3) and group numbers (N,)."""
    images, rows = load_pack(pack)
    keep = [i for i, row in enumerate(rows) if row["split"] == "train"]
    _, group = np.unique([rows[i]["group"] for i in keep], return_inverse=True)
    return images[keep], group.astype(np.int64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=45)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(args.threads)
    images, group = training_rows(args.pack)
    log.info("%d train images from %d sources", len(images), group.max() + 1)
    train(images, group, args.out, minutes=args.minutes, seed=args.seed)


if __name__ == "__main__":
    main()
